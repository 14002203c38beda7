"""What the body of a user's class defines, without what Python and its decorators add."""

import dataclasses
import types
from enum import Enum
from typing import Any

from metaopt.contracts.fingerprints.libraries import is_library_function

#: Set by Python itself, by some versions of it only, or of no meaning for what is computed.
_ADDED = frozenset(
    {
        "__abstractmethods__",
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__classcell__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__match_args__",
        "__module__",
        "__non_callable_proto_members__",
        "__orig_bases__",
        "__parameters__",
        "__protocol_attrs__",
        "__qualname__",
        "__slots__",
        "__static_attributes__",
        "__type_params__",
        "__weakref__",
        "_abc_impl",
        "_is_protocol",
        "_is_runtime_protocol",
    }
)
_GENERATED = "<string>"


def class_body(kind: type) -> dict[str, Any]:
    """Attributes by name: methods, properties, constants; the fields of a dataclass, the members of an enumeration."""
    if issubclass(kind, Enum):
        return {"members": {name: member.value for name, member in kind.__members__.items()}, **_functions(kind)}
    body = {name: value for name, value in vars(kind).items() if name not in _ADDED and not _is_added(name, value)}
    if dataclasses.is_dataclass(kind):
        body["fields"] = [[field.name, *map(_default, _defaults(field))] for field in dataclasses.fields(kind)]
    return body


def _functions(kind: type) -> dict[str, Any]:
    wanted = (types.FunctionType, property, staticmethod, classmethod)
    return {
        name: value for name, value in vars(kind).items() if isinstance(value, wanted) and not _is_added(name, value)
    }


def _is_added(name: str, value: Any) -> bool:
    """Whether a decorator or a metaclass wrote it: methods of dataclasses and named tuples, descriptors of slots."""
    if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
        return True
    function = getattr(value, "__func__", value)
    if not isinstance(function, types.FunctionType) or not name.startswith("_"):
        return False
    return function.__code__.co_filename == _GENERATED or is_library_function(function)


def _defaults(field: "dataclasses.Field[Any]") -> tuple[Any, Any]:
    return field.default, field.default_factory


def _default(value: Any) -> Any:
    return "none" if value is dataclasses.MISSING else value
