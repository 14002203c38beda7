"""A run's state in torch's distributed checkpoints, of which every rank reads its own parts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metaopt.deploy.run import Run
from metaopt.errors import InputError, quoted
from metaopt.shards import Layout

#: Numbers of a tensor that no rank reads whole, even where one rank wrote it.
_LARGE = 65_536


def load_checkpoint(run: Run, path: str | Path, key: str = "run") -> None:
    """Continue from `torch.distributed.checkpoint.save({key: run.state_dict(), ...}, checkpoint_id=path)`.

    Torch's own `load` has to be told what a checkpoint holds, which a fresh run does not know. All ranks call this, be
    they as many as those that saved or not. Each reads its parts alone, best weights included, where its model is
    sharded. The model's present weights are loaded as torch says, before this.

    Args:
        run: bound from the same recipe to the same model, on any number of ranks.
        path: the checkpoint's folder.
        key: of the run in what was saved.

    Raises:
        InputError: there is no such checkpoint, it holds nothing under the key, or it is another run's.
    """
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.state_dict_loader import load

    reader = FileSystemReader(str(path))
    try:
        metadata = reader.read_metadata()
    except OSError as error:
        raise InputError(f"There is no distributed checkpoint in {quoted(str(path))}; give the folder.") from error
    paths: Mapping[str, tuple[Any, ...]] = metadata.planner_data or {}
    entries = {name: entry for name, entry in metadata.state_dict_metadata.items() if paths.get(name, ("",))[0] == key}
    if not entries:
        held = ", ".join(sorted({str(own[0]) for own in paths.values() if own}))
        raise InputError(f"This checkpoint holds nothing under {quoted(key)}; it has {held[:80]}.")
    params = [param for group in run.optimizer.param_groups for param in group["params"]]
    mesh = next((layout.mesh for layout in map(Layout.of, params) if layout is not None), None)
    values = {name: _blank(entry, mesh) for name, entry in entries.items()}
    load(values, storage_reader=reader)
    nested: dict[Any, Any] = {}
    for name, value in values.items():
        _put(nested, paths[name][1:], value)
    run.load_state_dict(_with_empty(_plain(nested), run.state_dict()))


def _blank(entry: Any, mesh: Any) -> Any:
    """Room for what is read: this rank's part of a large tensor, a whole small one, or nothing for other objects."""
    if not hasattr(entry, "chunks"):
        return None
    if mesh is None or not entry.size or (len(entry.chunks) == 1 and entry.size.numel() < _LARGE):
        return torch.empty(entry.size, dtype=entry.properties.dtype)
    from torch.distributed.tensor import Shard, zeros

    placements = [Shard(0)] * mesh.ndim
    blank: Tensor = zeros(*entry.size, dtype=entry.properties.dtype, device_mesh=mesh, placements=placements)
    return blank


def _put(nested: dict[Any, Any], path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        nested = nested.setdefault(step, {})
    nested[path[-1]] = value


def _plain(value: Any) -> Any:
    """Nested dicts with lists where a list was flattened, and numbers of parameters where they became strings."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(step, int) for step in value):
        return [_plain(value[step]) for step in sorted(value)]
    plain = {step: _plain(part) for step, part in value.items()}
    if "param_groups" in plain:
        numbers = {str(number): number for number in _numbers(plain["param_groups"])}
        plain["state"] = {numbers.get(str(step), step): part for step, part in plain.get("state", {}).items()}
    return plain


def _numbers(groups: list[dict[str, Any]]) -> Iterator[int]:
    for group in groups:
        yield from group["params"]


def _with_empty(read: Any, own: Any) -> Any:
    """What was read with the empty dicts and lists of a run's own state where it has nothing: they are not written."""
    if isinstance(read, list) and isinstance(own, list):
        return [_with_empty(part, other) for part, other in zip(read, own, strict=False)] + read[len(own) :]
    if not isinstance(read, dict) or not isinstance(own, Mapping):
        return read
    empty = {step: type(part)() for step, part in own.items() if step not in read and part in ({}, [])}
    return {**{step: _with_empty(part, own.get(step)) for step, part in read.items()}, **empty}
