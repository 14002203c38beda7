"""What runs in a worker of a cluster. The module travels as it is, so it imports nothing that a machine may lack."""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import pickle
import platform
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

#: Shared values that a slot keeps: a task that comes again has its graphs.
MOST_KEPT = 16


class Slot:
    """Runs one block after the other; lives as long as its study."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def begin(self, sources: bytes, distributions: Sequence[str], setup: bytes, folder: str) -> dict[str, Any]:
        """Become able to run blocks; returns what the driver compares.

        Args:
            sources: modules that are nowhere installed: origin, text, and whether it is a package, by name; pickled.
            distributions: whose versions are wanted.
            setup: what to call first, pickled.
            folder: where the driver works: relative paths mean the same here, if this machine has it.
        """
        import ray

        facts: dict[str, Any] = {
            "host": platform.node(),
            "node": ray.get_runtime_context().get_node_id(),
            "pid": os.getpid(),
            "python": platform.python_version(),
            "versions": {name: _version(name) for name in distributions},
            "fault": "",
        }
        with contextlib.suppress(OSError):
            os.chdir(folder)
        sys.meta_path.append(_Sources(pickle.loads(sources)))
        try:
            _loaded(setup)()
        except Exception as error:
            facts["fault"] = f"{type(error).__name__}: {error}"
        return facts

    def run(self, work: bytes, key: str | None, shared: bytes | None) -> bytes:
        """Run a block; returns (whether it went well, its result or its error), pickled.

        Args:
            work: function and arguments, pickled.
            key: of the shared first argument, or None.
            shared: that argument, pickled.
        """
        import cloudpickle

        try:
            function, arguments = _loaded(work)
            if key is not None:
                arguments = (self._value(key, shared), *arguments)
            result = True, function(*arguments)
        except (Exception, SystemExit) as error:
            result = False, error
        try:
            return bytes(cloudpickle.dumps(result))
        except Exception:  # whatever a stranger's error holds
            return bytes(cloudpickle.dumps((False, RuntimeError(f"{type(result[1]).__name__}: {result[1]}"))))

    def _value(self, key: str, shared: bytes | None) -> Any:
        if key not in self._kept:
            self._kept[key] = _loaded(shared)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


class Watchman:
    """Answers, as long as its machine does."""

    def ping(self) -> None:
        """Answer."""


class _Sources(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds modules that came along as text, after everything that is installed; nothing is written to disk."""

    def __init__(self, sources: Mapping[str, tuple[str, str, bool]]) -> None:
        self._sources = sources
        names = [name.split(".") for name in sources]
        self._parents = {".".join(parts[:end]) for parts in names for end in range(1, len(parts))}

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in self._sources:
            origin, _, is_package = self._sources[fullname]
            spec = importlib.machinery.ModuleSpec(fullname, self, origin=origin, is_package=is_package)
            spec.has_location = True
            return spec
        if fullname in self._parents:  # a folder without an __init__
            return importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        return None

    def get_source(self, fullname: str) -> str:
        return self._sources[fullname][1]

    def is_package(self, fullname: str) -> bool:
        return self._sources[fullname][2]

    def get_filename(self, fullname: str) -> str:
        return self._sources[fullname][0]


def _loaded(written: bytes | None) -> Any:
    import cloudpickle

    return cloudpickle.loads(written)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
