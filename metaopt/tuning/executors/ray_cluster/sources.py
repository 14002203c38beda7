"""Modules of the user's own, which no other machine has: their text travels to the workers."""

import importlib.metadata
import os
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

from metaopt.errors import quoted
from metaopt.tuning.executors.protocol import ExecutorError

#: Origin, text, and whether it is a package, by the module's name.
Sources: TypeAlias = dict[str, tuple[str, str, bool]]

#: More text than this is no study's, but a folder that somebody happens to work in, bytes.
MOST_BYTES = 20_000_000


def own_sources() -> Sources:
    """The modules that this process has imported from nowhere that is installed, with all of their packages.

    Raises:
        ExecutorError: they are too large to travel.
    """
    sources: Sources = {}
    for name, module in sorted(sys.modules.items()):
        path = _own_file(name, module)
        if path is None:
            continue
        for part, file in _with_siblings(name, path):
            if part not in sources:
                sources[part] = str(file), file.read_text(errors="replace"), file.name == "__init__.py"
    size = sum(len(text) for _, text, _ in sources.values())
    if size > MOST_BYTES:
        largest = max(sources, key=lambda name: len(sources[name][1]))
        raise ExecutorError(
            f"The Python files that the study imports and that are not installed are too large to travel to a cluster "
            f"({size / 1e6:.0f} MB, the largest of them {quoted(largest)}); install them on each machine."
        )
    return sources


def own_folder() -> str:
    """The folder that this process works in; empty where somebody has deleted it."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _own_file(name: str, module: ModuleType) -> Path | None:
    """The file of a module that other machines cannot import; None of what is installed, or has no file."""
    spec = getattr(module, "__spec__", None)
    origin = str(getattr(spec, "origin", None))
    # Plugin files travel as objects, and the script itself as well.
    if spec is None or not spec.has_location or not origin.endswith(".py") or name.startswith("metaopt_plugin_"):
        return None
    if spec.name != name or name == "__main__" or name.partition(".")[0] in _installed_elsewhere():
        return None
    path = Path(origin)
    is_installed = any(path.is_relative_to(folder) for folder in _installation())
    return None if is_installed or not path.is_file() else path


def _with_siblings(name: str, path: Path) -> Iterator[tuple[str, Path]]:
    """The module, and of a package all of its modules: some may be imported only in a worker."""
    if path.name != "__init__.py":
        yield name, path
        return
    for file in sorted(path.parent.rglob("*.py")):
        parts = file.relative_to(path.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if all(part.isidentifier() for part in parts):
            yield ".".join((name, *parts)), file


@cache
def _installation() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    named = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple({Path(folder).resolve() for folder in named} | {Path(folder) for folder in named})


@cache
def _installed_elsewhere() -> frozenset[str]:
    """Packages of installed distributions, those among them that are installed from a folder of sources."""
    points = importlib.metadata.entry_points(group="metaopt")
    return frozenset({__name__.partition(".")[0], *(point.module.partition(".")[0] for point in points)})
