"""What tells a function, a class or an object from others, in words that mean the same on every machine.

| met | what counts |
|---|---|
| a user's function | its syntax tree, defaults, closure, and the globals it uses, each looked at in turn |
| a user's class | its bases and whatever its body defines |
| a library's function or class | its name; its closure too where the name does not lead to it |
| `functools.partial`, a bound method | the function and the arguments, or the object |
| a module of torch | see `metaopt.contracts.fingerprints.structure` |
| a tensor or an array | type, shape and bytes |
| any other object | its class and what `pickle` would keep of it |

Addresses, absolute paths of code, the order of sets and dicts, caches, random generators and what a function itself
changes (a counter, a list of calls) do not count.
"""

import functools
import hashlib
import io
import random
import sys
import types
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metaopt.contracts.fingerprints import libraries, source
from metaopt.contracts.fingerprints.class_body import class_body
from metaopt.contracts.fingerprints.digests import digest, tensor_identity
from metaopt.contracts.fingerprints.object_state import object_state
from metaopt.contracts.fingerprints.paths import portable
from metaopt.contracts.fingerprints.references import references
from metaopt.errors import InputError, quoted

_ATOMS = (bool, int, float, complex, bytes, type(None), type(...), type(NotImplemented), range)
#: Objects inside objects inside objects … deeper, or more of them, than code that trains something holds.
_DEEPEST, _MOST = 50, 20_000
#: What changes while it is used, or means something on this machine alone: only its type counts.
_RUNTIME = (
    Iterator,
    io.IOBase,
    random.Random,
    np.random.Generator,
    np.random.RandomState,
    torch.Generator,
    torch.device,
    weakref.ReferenceType,
)
_C_CALLABLES = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    np.ufunc,
)


@dataclass(frozen=True)
class Part:
    """What is looked at, for messages.

    Attributes:
        name: of the part, such as `"loss"`.
        task: the task's name.
        version: stands for whatever has no source that can be read; None where the user gave none.
    """

    name: str
    task: str
    version: str | None = None


def identity(value: Any, part: Part, modules: Mapping[int, str] | None = None) -> str:
    """16 hex digits: equal for what computes the same by the same code.

    Args:
        value: a function, a class, a callable object, or whatever these refer to.
        part: of which task it is what.
        modules: places of the modules, by `id`, of the model that is being looked at; they are known by these.

    Raises:
        InputError: some of its code has no source that can be read, and the task has no version.
    """
    return _Identity(part, modules or {}).of(value)


class _Identity:
    """Functions and classes are numbered as they are met, and described one after the other; they may form circles."""

    def __init__(self, part: Part, modules: Mapping[int, str]) -> None:
        self._part, self._modules = part, modules
        self._numbers: dict[int, int] = {}
        self._waiting: list[Any] = []
        self._kept: dict[int, Any] = {}  # so that no id is given to a second object
        self._open: dict[int, int] = {}
        self._root: str | None = None

    def of(self, value: Any) -> str:
        texts = [self._text(value)]
        for definition in self._waiting:  # grows while it is walked
            texts.append(self._class(definition) if isinstance(definition, type) else self._function(definition))
        return digest(*texts)

    def _text(self, value: Any) -> str:
        if isinstance(value, Enum):
            return f"{self._text(type(value))}.{value.name}"
        if isinstance(value, np.generic):
            return self._text(value.item())
        if type(value) in _ATOMS:
            return f"{type(value).__name__} {value!a}"
        if isinstance(value, str | PurePath):
            return ascii(portable(str(value), self._root))
        if isinstance(value, types.FunctionType | type):
            return self._definition(value)
        if id(value) in self._open:
            return f"circle {len(self._open) - self._open[id(value)]}"
        if len(self._open) >= _DEEPEST or len(self._kept) >= _MOST:
            return self._unreadable(value, "refers to too many objects")
        self._kept[id(value)] = value
        self._open[id(value)] = len(self._open)
        try:
            return self._object(value)
        finally:
            del self._open[id(value)]

    def _definition(self, value: Any) -> str:
        is_class = isinstance(value, type)
        if libraries.is_library_class(value) if is_class else libraries.is_library_function(value):
            name = libraries.library_name(value)
            if name is not None or is_class:
                return name or f"{value.__module__}:{value.__qualname__}"
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._numbers)
            self._waiting.append(value)
        return f"definition {self._numbers[id(value)]}"

    def _object(self, value: Any) -> str:
        if isinstance(value, Tensor):
            return tensor_identity(value)
        if isinstance(value, nn.Module):
            from metaopt.contracts.fingerprints.structure import structure

            known = self._modules.get(id(value))
            return structure([value], self._part, self._modules) if known is None else f"module {known}"
        if isinstance(value, np.ndarray) and value.dtype != object:
            return digest(f"array {value.dtype} {value.shape}", hashlib.sha256(value.tobytes()).hexdigest())
        if isinstance(value, torch.dtype | torch.Size):
            return str(value)
        if isinstance(value, _RUNTIME):
            return type(value).__name__
        if isinstance(value, types.ModuleType):
            return self._module(value)
        return self._callable(value) or self._container(value) or self._instance(value)

    def _module(self, value: types.ModuleType) -> str:
        if libraries.is_library_module(value.__name__, getattr(value, "__file__", None)):
            return f"module {value.__name__}"
        return f"module {value.__name__.rpartition('.')[2]}"

    def _callable(self, value: Any) -> str:
        """Text of what is called, or wraps what is; empty for everything else."""
        name = libraries.library_name(value)
        if name is not None:
            return name
        if isinstance(value, types.MethodType):
            return self._joined("method", value.__func__, self._state(value.__self__, value.__func__))
        if isinstance(value, functools.partial):
            return self._joined("partial", value.func, list(value.args), value.keywords)
        if isinstance(value, property):
            return self._joined("property", value.fget, value.fset, value.fdel)
        if isinstance(value, staticmethod | classmethod):
            return self._joined(type(value).__name__, value.__func__)
        if isinstance(value, functools.cached_property):
            return self._joined("cached_property", value.func)
        if isinstance(value, _C_CALLABLES):
            return self._c_callable(value)
        if isinstance(getattr(value, "__wrapped__", None), types.FunctionType) and not isinstance(value, Mapping):
            return self._joined(type(value).__name__, value.__wrapped__)  # such as a cached function
        return ""

    def _c_callable(self, value: Any) -> str:
        owner = getattr(value, "__self__", None)
        if owner is not None and not isinstance(owner, types.ModuleType | type):
            return self._joined(value.__name__, owner)
        if isinstance(value, np.ufunc):
            return f"numpy:{value.__name__}"
        home = value if getattr(value, "__module__", None) else getattr(value, "__objclass__", None)
        name = str(getattr(home, "__module__", ""))
        module = sys.modules.get(name)
        if name and not libraries.is_library_module(name, getattr(module, "__file__", None)):
            return self._unreadable(value, "is compiled")
        return f"{name}:{getattr(value, '__qualname__', value.__name__)}"

    def _container(self, value: Any) -> str:
        kind = type(value)
        if kind in (list, tuple):
            if len(value) > 64 and all(type(item) in _ATOMS for item in value):
                return digest(kind.__name__, ascii(value))
            return self._joined(kind.__name__, *value)
        if kind in (set, frozenset):
            return self._joined("set", *sorted(value, key=_place))
        if kind in (dict, types.MappingProxyType):
            return self._joined(
                "dict", *(list(pair) for pair in sorted(value.items(), key=lambda pair: _place(pair[0])))
            )
        return ""

    def _instance(self, value: Any) -> str:
        called = type(value).__call__ if callable(value) else None
        return digest("object", self._text(type(value)), self._text(self._state(value, called)))

    def _state(self, value: Any, method: Any = None) -> Any:
        """What an object holds, without what the method that is called changes."""
        if isinstance(value, type | types.ModuleType | nn.Module):
            return value
        try:
            return object_state(value, {name[1:] for name in self._written(method) if name.startswith(".")})
        except Exception:  # whatever a stranger's object raises: it cannot be taken apart
            is_own = callable(value) and not libraries.is_library_class(type(value))
            return self._unreadable(value, "cannot be taken apart") if is_own else ()

    def _function(self, function: types.FunctionType) -> str:
        module = sys.modules.get(str(function.__globals__.get("__name__", "")))
        self._root = libraries.root_folder(module)
        code = function.__code__
        node, used = None, {}
        if libraries.is_library_function(function):
            text = f"{function.__globals__.get('__name__')}:{code.co_qualname}"
        else:
            node = source.definition(code, function.__globals__)
            text = self._unreadable(function, "has no source that can be read") if node is None else ""
        if node is not None:
            text, used = source.canonical(node), references(function, node)
        written = source.written_names(node) if node is not None else frozenset()
        cells = {name: _content(cell) for name, cell in _cells(function) if name not in written}
        own = {name: item for name, item in vars(function).items() if not name.startswith("_")}
        return digest(text, *map(self._text, (function.__defaults__, function.__kwdefaults__, cells, used, own)))

    def _class(self, kind: type) -> str:
        self._root = libraries.root_folder(sys.modules.get(kind.__module__))
        body = class_body(kind)
        changed = {name[1:] for item in body.values() for name in self._written(item) if name.startswith(".")}
        own_items = {name: item for name, item in body.items() if name not in changed or callable(item)}
        return digest("class", kind.__name__, *map(self._text, (list(kind.__bases__), own_items)))

    def _written(self, method: Any) -> frozenset[str]:
        """Names that a user's function changes."""
        function = getattr(method, "__func__", method)
        if not isinstance(function, types.FunctionType) or libraries.is_library_function(function):
            return frozenset()
        node = source.definition(function.__code__, function.__globals__)
        return frozenset() if node is None else source.written_names(node)

    def _joined(self, kind: str, *parts: Any) -> str:
        return digest(kind, *map(self._text, parts))

    def _unreadable(self, value: Any, why: str) -> str:
        name = str(getattr(value, "__qualname__", type(value).__qualname__))
        if self._part.version is not None:
            return f"versioned {name.rpartition('.')[2]}"
        raise InputError(
            f"Task {quoted(self._part.task)}: {name:.80} in its {self._part.name} {why}, so that no change of it would "
            'be noticed; give the task version="1", and another one whenever that code changes.'
        )


def _place(value: Any) -> tuple[str, str]:
    """Where a member of a set or a key belongs, whatever order they are in today."""
    name = getattr(value, "__qualname__", None)
    return type(value).__qualname__, ascii(value) if name is None and isinstance(value, (*_ATOMS, str)) else str(name)


def _cells(function: types.FunctionType) -> Iterator[tuple[str, types.CellType]]:
    return zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return "empty"
