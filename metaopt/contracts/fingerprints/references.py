"""What a function refers to by name: globals of its module, attributes of a user's own modules, what it imports."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from metaopt.contracts.fingerprints import libraries, source


def references(function: FunctionType, node: source.Definition) -> dict[str, Any]:
    """The objects by the name, dots included, that the function has for them.

    What the function itself changes (a counter, a list that it appends to) is left out. A module stands for itself
    alone; what is asked of a user's own module is there by its own name, such as `helpers.scale`.
    """
    objects: dict[str, Any] = {}
    own = function.__code__.co_freevars
    for name in source.global_names(node):
        if name in function.__globals__ and name not in own and name not in source.written_names(node):
            objects.update(_reached(node, name, function.__globals__[name]))
    for name, module, attribute in source.imports(node):
        loaded = _own_module(module, function.__globals__)
        if loaded is not None:
            value = getattr(loaded, attribute, None) if attribute else loaded
            objects.update(_reached(node, name, value))
    return objects


def is_library(module: ModuleType) -> bool:
    """Whether a module belongs to a library."""
    return libraries.is_library_module(module.__name__, getattr(module, "__file__", None))


def _reached(node: source.Definition, name: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield name, value
    if not isinstance(value, ModuleType) or is_library(value):
        return
    root = name.partition(".")[0]
    for chain in source.attributes_of(node, root):
        inner: Any = sys.modules.get(root, value) if "." in name else value
        for part in chain:
            if not isinstance(inner, ModuleType):
                break
            inner = getattr(inner, part, None)
        if not isinstance(inner, ModuleType):
            yield ".".join((root, *chain)), inner


def _own_module(name: str, namespace: dict[str, Any]) -> ModuleType | None:
    """A user's own module that a function imports; None where it is a library's or cannot be imported."""
    try:
        absolute = importlib.util.resolve_name(name, str(namespace.get("__package__") or "")) if name else ""
        top = absolute.partition(".")[0]
        if top not in sys.modules:
            spec = importlib.util.find_spec(top)
            if spec is None or libraries.is_library_module(top, spec.origin):
                return None
        elif is_library(sys.modules[top]):
            return None
        return importlib.import_module(absolute)
    except Exception:  # whatever a stranger's module raises: training will say it
        return None
