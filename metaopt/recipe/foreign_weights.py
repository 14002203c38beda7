"""Weights that other libraries saved, read as named tensors without running anything that is in the file."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from metaopt.errors import InputError, first_line
from metaopt.files import is_file

#: Code under which flax stores arrays in msgpack, as (shape, dtype, bytes).
_FLAX_ARRAY = 1


def read_arrays(path: str | Path) -> dict[str, Tensor]:
    """All arrays of a file by name, levels divided by `/`.

    Args:
        path: a file in flax's msgpack format, `.npz` or `.safetensors`; or, where there is no such file, a repository
            of the Hugging Face Hub that holds one, `owner/name` or `owner/name/file`.

    Raises:
        InputError: it cannot be found or read, or a package for it is missing.
    """
    file = Path(path)
    if not is_file(file):
        file = _downloaded(str(path))
    name = str(path)
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(np.array(arrays[name])) for name in arrays.files}
        if file.suffix == ".safetensors":
            return dict(load_safetensors(file.read_bytes()))
        return dict(_levels(_unpacked(file.read_bytes())))
    except (ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, SafetensorError) as error:
        raise InputError(
            f"{name} holds no weights that can be read ({first_line(error)}); download it again."
        ) from error


def _unpacked(content: bytes) -> Mapping[str, Any]:
    try:
        import msgpack
    except ImportError as error:
        raise InputError("Checkpoints of flax need msgpack; pip install 'metaopt-torch[import]'.") from error
    try:
        document = msgpack.unpackb(content, ext_hook=_array, raw=False, strict_map_key=False)
    except (msgpack.UnpackException, ValueError) as error:
        raise ValueError(first_line(error)) from error
    if not isinstance(document, Mapping):
        raise ValueError(f"a {type(document).__name__} instead of named arrays")
    return document


def _array(code: int, content: bytes) -> Tensor:
    import msgpack

    if code != _FLAX_ARRAY:
        raise ValueError(f"an entry of the unknown kind {code}")
    shape, dtype, numbers = msgpack.unpackb(content, raw=True)
    array = np.frombuffer(numbers, dtype=np.dtype(dtype.decode())).reshape(shape)
    return torch.from_numpy(array.copy())


def _levels(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Tensor]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _levels(value, f"{above}{key}/")
        elif isinstance(value, Tensor):
            yield f"{above}{key}", value
        else:
            raise ValueError(f"{above}{key} is a {type(value).__name__}, not an array")


def _downloaded(name: str) -> Path:
    owner, _, path = name.partition("/")
    repository, _, file = path.partition("/")
    if not owner or not repository or name.startswith((".", "/")):
        raise InputError(f"There is no file {name}.")
    try:
        from huggingface_hub import HfApi, hf_hub_download
    except ImportError as error:
        raise InputError(
            f"There is no file {name}; for a Hugging Face repository of that name, pip install 'metaopt-torch[import]'."
        ) from error
    where = f"{owner}/{repository}"
    try:
        if not file:
            files = HfApi().list_repo_files(where)
            held = [name for name in files if name.endswith((".state", ".npz", ".safetensors"))]
            if len(held) != 1:
                raise InputError(f"The repository {where} holds {len(held)} files of weights: {held}; name one.")
            file = held[0]
        return Path(hf_hub_download(where, file))
    except (OSError, ValueError) as error:
        raise InputError(
            f"There is no file {name}, and no Hugging Face repository was reached: {first_line(error)}."
        ) from error
