"""What a class keeps beside tensors and plain containers, in a form that `torch.load(weights_only=True)` reads.

Some classes keep objects of their own of a parameter, others a queue of gradients. Saved, an object is a dict of what
it holds under the name of its kind. Nothing is imported by that name when it is loaded: an object is made like the one
that the class makes itself, by stepping on a stand-in, and only if both are of one kind.
"""

import copy
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metaopt.errors import InputError, quoted

#: Key of a saved object: its kind. What it holds is under one of the others.
KIND = "object of"
ITEMS, ATTRIBUTES, VALUE = "items", "attributes", "value"
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.Size, torch.dtype, torch.device)
_CODE = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type)


def saved(value: Any) -> Any:
    """The value with each object in the form of a dict; itself where it holds none.

    Code that an object holds is left out: it comes from the class.
    """
    kind = type(value)
    if isinstance(value, Tensor) or kind in _PLAIN or isinstance(value, _CODE):
        return value
    if kind in (list, tuple, set):
        items = [saved(item) for item in value]
        return value if all(map(_is, items, value)) else kind(items)
    if kind in (dict, OrderedDict):
        entries = {key: saved(item) for key, item in value.items()}
        return value if all(map(_is, entries.values(), value.values())) else kind(entries)
    if isinstance(value, Enum):
        return {KIND: _name(kind), VALUE: saved(value.value)}
    if isinstance(value, np.generic):
        return {KIND: _name(kind), VALUE: value.item()}
    if isinstance(value, deque | tuple | list | set | frozenset):
        return {KIND: _name(kind), ITEMS: [saved(item) for item in value]}
    attributes = getattr(value, "__dict__", None)
    if attributes is None:
        return value  # nothing is known of it; torch says whether it can be read
    held = {name: saved(attribute) for name, attribute in attributes.items() if not isinstance(attribute, _CODE)}
    return {KIND: _name(kind), ATTRIBUTES: held}


def restored(value: Any, like: Any) -> Any:
    """Inverse of `saved`; a value without objects is itself.

    Args:
        value: what `saved` returned, or an older state with the objects themselves.
        like: what the class makes in its place; its numbers mean nothing.

    Raises:
        InputError: there is no such object in its place.
    """
    if isinstance(value, Mapping) and KIND in value:
        return _object(value, like)
    if type(value) in (dict, OrderedDict):
        entries = {key: restored(item, _entry(like, key)) for key, item in value.items()}
        return value if all(map(_is, entries.values(), value.values())) else type(value)(entries)
    if type(value) in (list, tuple):
        items = [restored(item, _item(like, place)) for place, item in enumerate(value)]
        return value if all(map(_is, items, value)) else type(value)(items)
    return value


def _object(document: Mapping[str, Any], like: Any) -> Any:
    kind: Any = type(like)
    if document[KIND] != _name(kind):
        made = "nothing" if like is None else f"a {_name(kind)}"
        raise InputError(
            f"This state_dict holds a {quoted(document[KIND])[1:-1]} where its class makes {made} here; load it with "
            "the version of the library, and the hyperparameters, that it was saved with."
        )
    if VALUE in document:
        return kind(document[VALUE])
    if ITEMS in document:
        items = [restored(item, _item(like, place)) for place, item in enumerate(document[ITEMS])]
        if isinstance(like, deque):
            return kind(items, like.maxlen)
        return kind(*items) if hasattr(kind, "_fields") else kind(items)
    own = vars(like)
    made = kind.__new__(kind)
    code = {name: attribute for name, attribute in own.items() if isinstance(attribute, _CODE)}
    held = {name: restored(item, own.get(name)) for name, item in document[ATTRIBUTES].items()}
    vars(made).update(copy.copy(code), **held)
    return made


def _entry(like: Any, key: Any) -> Any:
    return like.get(key) if isinstance(like, Mapping) else None


def _item(like: Any, place: int) -> Any:
    """What stands in a place of a sequence; the last one for places past its end."""
    return like[min(place, len(like) - 1)] if isinstance(like, Sequence | deque) and len(like) else None


def _is(first: Any, second: Any) -> bool:
    return first is second


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
