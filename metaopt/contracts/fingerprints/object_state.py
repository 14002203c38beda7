"""What an object holds, as `pickle` would take it apart."""

import copyreg
from collections.abc import Set
from functools import cached_property
from typing import Any

from metaopt.contracts.fingerprints.libraries import is_library_class

_PROTOCOL = 4
_NEW = vars(copyreg)["__newobj__"]
#: Where a library writes down which version of it an object is of.
_VERSIONS = frozenset({"_sklearn_version"})


def object_state(value: Any, changed: Set[str]) -> Any:
    """What makes the object again: a function, its arguments, attributes, items.

    Cached properties are left out; so are the private attributes of a library's object that does not say itself what
    pickle shall keep.

    Args:
        value: any object.
        changed: attributes that do not count.

    Raises:
        Exception: whatever the object raises; most say that they cannot be pickled.
    """
    registered = copyreg.dispatch_table.get(type(value))
    reduced = value.__reduce_ex__(_PROTOCOL) if registered is None else registered(value)
    if isinstance(reduced, str):
        return reduced
    made_by, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    left_out = changed | _caches(type(value)) | _VERSIONS
    has_getstate = any("__getstate__" in vars(base) for base in type(value).__mro__[:-1])
    if made_by is _NEW and not has_getstate and is_library_class(type(value)):
        left_out |= {name for name in _names(state) if name.startswith("_")}
    contents = [None if part is None else list(part) for part in (items, pairs)]
    return [made_by, arguments, _without(state, left_out), *contents]


def _caches(kind: type) -> set[str]:
    """Attributes that keep a computed property."""
    bodies = (vars(base).items() for base in kind.__mro__)
    return {name for body in bodies for name, item in body if isinstance(item, cached_property)}


def _names(state: Any) -> set[str]:
    """Names of attributes in what `pickle` keeps: a dict, or a dict and that of the slots."""
    parts = state if isinstance(state, tuple) else (state,)
    return {str(name) for part in parts if isinstance(part, dict) for name in part}


def _without(state: Any, names: Set[str]) -> Any:
    if isinstance(state, tuple):
        return [_without(part, names) for part in state]
    if not isinstance(state, dict):
        return state
    return {name: item for name, item in state.items() if name not in names} or None
