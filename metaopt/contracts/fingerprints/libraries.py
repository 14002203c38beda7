"""Whose code something is: a library's is known by its name, a user's own by its source.

Libraries are the standard library, whatever is installed in `site-packages`, and metaopt itself. A package that
declares metaopt plugins is its author's own code wherever it lies, so that a corpus has one fingerprint before and
after it is installed.
"""

import importlib.metadata
import os
import sys
import sysconfig
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

_INSTALLED = ("site-packages", "dist-packages")
_GROUP = "metaopt"


def is_library_module(name: str, file: str | None) -> bool:
    """Whether a module belongs to a library.

    Args:
        name: the module's name.
        file: where it was read from, if it was read from a file.
    """
    top = name.partition(".")[0]
    if top == "metaopt":
        return True
    if top in ("__main__", "__mp_main__") or top in _plugin_packages():
        return False
    if file is None:  # compiled into the interpreter, or into a package such as torch
        package = getattr(sys.modules.get(top), "__file__", None)
        return name in sys.builtin_module_names or _is_frozen(name) or _is_library_file(package or "")
    return file.startswith("<frozen") or _is_library_file(file)


def is_library_function(function: FunctionType) -> bool:
    """Whether a function was compiled from a library's file."""
    name = str(function.__globals__.get("__name__", ""))
    return is_library_module(name, function.__code__.co_filename)


def is_library_class(kind: type) -> bool:
    """Whether a class was made by a library."""
    name = str(kind.__module__)
    return is_library_module(name, getattr(sys.modules.get(name), "__file__", None))


def library_name(value: Any) -> str | None:
    """How a library's function or class is called, if that name leads to it and so says all about it.

    Those of metaopt go by the name without the file, for its files move.
    """
    name = str(getattr(value, "__module__", None))
    module = sys.modules.get(name)
    if module is None or not is_library_module(name, getattr(module, "__file__", None)):
        return None  # a library's decorator gave it the name of what it decorates
    for attribute in ("__qualname__", "__name__"):
        path = str(getattr(value, attribute, ""))
        if _lookup(module, path) is value:
            return f"{'metaopt' if name.startswith('metaopt.') else name}:{path}"
    return None


def root_folder(module: ModuleType | None) -> str | None:
    """The folder that holds a module's topmost package."""
    file = getattr(module, "__file__", None)
    if module is None or file is None:
        return None
    depth = module.__name__.count(".") + os.path.basename(file).startswith("__init__.")
    folder: str = os.path.dirname(os.path.abspath(file))
    for _ in range(depth):
        folder = os.path.dirname(folder)
    return folder


def _lookup(module: ModuleType, path: str) -> object:
    value: object = module
    for part in path.split("."):
        value = getattr(value, part, None)
    return value


@cache
def _plugin_packages() -> frozenset[str]:
    points = importlib.metadata.entry_points(group=_GROUP)
    return frozenset(point.module.partition(".")[0] for point in points) - {"metaopt"}


@cache
def _is_library_file(file: str) -> bool:
    parts = os.path.normpath(file).split(os.sep)
    standard = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return any(part in _INSTALLED for part in parts) or file.startswith(tuple(f"{path}{os.sep}" for path in standard))


@cache
def _is_frozen(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return getattr(spec, "origin", None) in ("built-in", "frozen")
