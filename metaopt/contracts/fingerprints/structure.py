"""What a module of torch is made of: classes, constructor arguments, shapes, and the values that nobody draws."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from metaopt.contracts.fingerprints.code_identity import Part, identity
from metaopt.contracts.fingerprints.digests import digest, tensor_identity
from metaopt.contracts.fingerprints.libraries import is_library_class

#: What every module has, `training` and the hooks among it, and what `torch.compile` leaves on one.
_COMMON = frozenset({*vars(nn.Module()), "_is_torch_compile", "_compiled_call_impl"})
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def structure(builds: Sequence[nn.Module], part: Part, modules: Mapping[int, str] | None = None) -> str:
    """16 hex digits of modules that one factory made under different seeds.

    Values that differ between them are drawn, and count by type and shape alone: a seed decides them. Values that do
    not (pretrained or frozen weights, buffers, constants) count.

    Args:
        builds: of one factory; a single one counts with all its values.
        part: of which task they are what.
        modules: places of the modules, by `id`, of a model that these belong to.

    Raises:
        InputError: see `identity`.
    """
    entries = [dict(_entries(_bare(module), part, modules or {})) for module in builds]
    first, others = entries[0], entries[1:]
    return digest(*(f"{name}={_value(first, others, name)}" for name in sorted(first)))


def _value(first: dict[str, Any], others: Sequence[dict[str, Any]], name: str) -> str:
    value = first[name]
    drawn = any(name not in other or not _same(value, other[name]) for other in others)
    if isinstance(value, Tensor):
        return f"drawn {value.dtype} {tuple(value.shape)}" if drawn else tensor_identity(value)
    return "drawn" if drawn else str(value)


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, Tensor) and isinstance(other, Tensor):
        return value.shape == other.shape and tensor_identity(value) == tensor_identity(other)
    if value is other:
        return True
    return type(value) is type(other) and not isinstance(value, Tensor) and bool(value == other)


def _entries(root: nn.Module, part: Part, around: Mapping[int, str]) -> Iterator[tuple[str, Any]]:
    """Everything that counts, by its place: texts, and tensors where there are values."""
    tensors: dict[int, str] = {}
    places = {id(module): path for path, module in root.named_modules()}
    modules = {**around, **places}
    for path, module in root.named_modules():
        yield f"{path}:class", identity(type(module), part)
        for name, value in sorted(_attributes(module).items()):
            yield f"{path}:{name}", value if isinstance(value, Tensor) else identity(value, part, modules)
        for kind in _HOOKS:
            hooks = list(getattr(module, kind).values())
            if hooks:
                yield f"{path}:{kind}", identity(hooks, part, modules)
        yield f"{path}:children", ascii([(name, places.get(id(child), "")) for name, child in module._modules.items()])
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            yield from _tensor(f"{path}.{name}", tensor, name in module._non_persistent_buffers_set, tensors)


def _tensor(path: str, tensor: Tensor | None, is_temporary: bool, places: dict[int, str]) -> Iterator[tuple[str, Any]]:
    if tensor is None:
        yield f"{path}:is", "nothing"
        return
    known = places.setdefault(id(tensor), path)
    if known != path:
        yield f"{path}:is", known  # tied weights
        return
    yield f"{path}:is", f"{tensor.dtype} {tensor.requires_grad} {is_temporary}"
    yield path, "lazy" if is_lazy(tensor) else tensor


def _attributes(module: nn.Module) -> dict[str, Any]:
    """The attributes that were set on a module; of a library's, public ones that its constructor's defaults lack."""
    attributes = {name: value for name, value in vars(module).items() if name not in _COMMON}
    if not is_library_class(type(module)):
        return attributes
    defaults = _constructor_defaults(type(module))
    public = {name: value for name, value in attributes.items() if not name.startswith("_")}
    return {name: value for name, value in public.items() if not _is_default(value, defaults.get(name, _COMMON))}


def _is_default(value: Any, default: Any) -> bool:
    """Whether value and type are the default's; a newer torch may have a further argument, at its default."""
    if value is None and default is None:
        return True
    if type(value) is not type(default):
        return False
    return value is default or (isinstance(value, bool | int | float | str | tuple) and value == default)


def _constructor_defaults(kind: type[nn.Module]) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for base in reversed(kind.__mro__[:-1]):
        initial = vars(base).get("__init__")
        if initial is not None:
            parameters = inspect.signature(initial).parameters.values()
            defaults.update({item.name: item.default for item in parameters if item.default is not item.empty})
    return defaults


def _bare(module: nn.Module) -> nn.Module:
    """The module that `torch.compile` wrapped."""
    inner = module._modules.get("_orig_mod")
    return module if inner is None else inner
