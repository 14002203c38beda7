"""A well-kept library's class in place of a rule, where it computes the same."""

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeAlias

import torch
from torch.optim import Optimizer

from metaopt.configuration import Assembly
from metaopt.contracts import Theta
from metaopt.deploy.optimizer.fused import can_fuse
from metaopt.deploy.optimizer.parameters import MAXIMIZE, ROLE, Group, checked_group, group_values, tensors_of
from metaopt.deploy.sharding.obstacles import class_obstacle
from metaopt.errors import InputError, PluginError, RefusedError, did_you_mean, named_line, quoted
from metaopt.plugin import Native
from metaopt.shards import is_sharded
from metaopt.space import Value

#: A class, as what makes an optimizer from param groups.
MakeOptimizer: TypeAlias = Callable[..., Optimizer]

_DTYPES = (torch.float32, torch.float64)
_DEVICES = ("cpu", "cuda")


def native_class(native: Native) -> type[Optimizer]:
    """Import the class that a spec names, unless it is loaded.

    Raises:
        PluginError: its distribution is not installed, or has no such class.
    """
    if native.loaded is not None:
        return native.loaded
    try:
        attribute: Any = importlib.import_module(native.module)
    except ImportError as error:
        raise PluginError(f"{native.path} cannot be imported; pip install {native.distribution}.") from error
    for part in native.qualname.split("."):
        if not hasattr(attribute, part):
            correct = did_you_mean(part, dir(attribute), "; {} Correct") or "; correct"
            raise PluginError(f"{native.module} has no {quoted(native.qualname)}{correct} qualname of the Native.")
        attribute = getattr(attribute, part)
    if not isinstance(attribute, type):
        kind = type(attribute).__name__
        raise PluginError(f"{native.path} is a {kind} and no class; correct qualname of the Native.")
    return attribute


def class_maker(assembly: Assembly) -> MakeOptimizer:
    """The native class with the arguments that it is made with here, of which it may keep some to itself."""
    native = assembly.optimizer.native
    assert native is not None
    own = {name: assembly.rule_values[name] for name in assembly.optimizer.space}
    return partial(native_class(native), **{**native_arguments(assembly, own), **native.fixed})


def obstacle(
    assembly: Assembly, groups: list[Group], *, theta: Theta | None = None, maximize: bool = False
) -> str | None:
    """Why the native class cannot serve, as the end of a sentence, or None where it can."""
    native = assembly.optimizer.native
    if native is None:
        return "no library's class computes the same"
    if assembly.wrappers:
        return f"it is wrapped in {', '.join(assembly.wrappers_names)}"
    if theta:
        return "it was given theta"
    is_loaded = native.loaded is not None
    if not is_loaded and importlib.util.find_spec(native.module.partition(".")[0]) is None:
        return f"{native.distribution} is not installed (pip install {native.distribution})"
    if (maximize or any(group.get(MAXIMIZE) for group in groups)) and not maximizes(native_class(native)):
        return f"{native.path} has no maximize"
    tensors, is_alone = tensors_of(groups), assembly.pure_rule is None
    # Where there is a rule, it keeps its state in full precision.
    for tensor in () if is_alone else tensors:
        if tensor.dtype not in _DTYPES:
            return f"a parameter is {tensor.dtype}, and {native.qualname} would keep its state in that precision"
        if tensor.device.type not in _DEVICES:
            return f"a parameter is on {tensor.device.type}"
        if not (native.takes_empty or tensor.numel()):
            return f"a parameter has no numbers, which {native.qualname} does not take"
        if native.dims not in (None, tensor.ndim):
            return f"a parameter has {tensor.ndim} dimensions, and {native.qualname} takes {native.dims}"
    try:
        native_arguments(assembly, assembly.rule_values)
    except PluginError as error:
        return str(error)
    return class_obstacle(assembly, tensors) if any(map(is_sharded, tensors)) else None


def maximizes(kind: type[Optimizer]) -> bool:
    """Whether a class heeds `maximize`."""
    return MAXIMIZE in _arguments_of(kind)  # type: ignore[arg-type]  # mypy takes a class's hash for its instances'


@lru_cache(maxsize=64)  # reading a signature takes a tenth of a bind
def _arguments_of(kind: type[Optimizer]) -> frozenset[str]:
    return frozenset(inspect.signature(kind).parameters)


def build_native(assembly: Assembly, groups: list[Group], *, maximize: bool = False) -> Optimizer:
    """The native class over `groups`, fused where every parameter is dense, ready to train.

    Each group holds its own hyperparameters, and all are of roles that one optimizer serves; call it only where
    `obstacle` returns None.
    """
    owners = [assembly.at(group.get(ROLE)) for group in groups]
    part = assembly.part(owners[0].optimizer.name)
    native = part.optimizer.native
    assert native is not None
    groups = [checked_group(owner, group) for owner, group in zip(owners, groups, strict=True)]
    keywords: dict[str, Any] = {**native_arguments(part, part.rule_values), **native.fixed}
    if native.fused and can_fuse(tensors_of(groups)):
        keywords["fused"] = True
    if maximize:
        keywords["maximize"] = True
    if part.optimizer.rule is None:  # a class alone knows best which of its defaults a group gets
        optimizer = _made_alone(native, groups, keywords)
    else:
        owned = zip(owners, groups, strict=True)
        values = [{**owner.rule_values, **group_values(owner, group)} for owner, group in owned]
        groups = [{**group, **native_arguments(part, own)} for group, own in zip(groups, values, strict=True)]
        optimizer = native_class(native)(groups, **keywords)
    if native.modes:
        optimizer.train()  # type: ignore[attr-defined]
        for param in [param for param, entries in optimizer.state.items() if not entries]:
            del optimizer.state[param]  # a class that only looks: torch's distributed checkpoints take it for a state
    return optimizer


def _made_alone(native: Native, groups: list[Group], keywords: Mapping[str, Any]) -> Optimizer:
    """A class that no rule stands for: whatever it does not take is its own to say."""
    try:
        return native_class(native)(groups, **keywords)
    except Exception as error:  # a stranger's class
        raise RefusedError(f"{native.path} cannot be made: {_why(error)}.") from error


def _why(error: Exception) -> str:
    """What a class said, and what to do about it where that is known."""
    said = named_line(error).rstrip(".")
    if isinstance(error, ImportError):
        return f"{said}; install what it names, or choose another optimizer"
    if "process group" in str(error) and not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return (
            f"{said}: it is for several processes that train one model; start them with torchrun and call "
            "torch.distributed.init_process_group() first, or choose another optimizer"
        )
    return said


def native_arguments(assembly: Assembly, values: Mapping[str, Value]) -> dict[str, Any]:
    """The class's keyword arguments for the rule's values, which are those of its param groups too.

    Raises:
        PluginError: the class cannot serve these values.
    """
    native = assembly.optimizer.native
    assert native is not None
    if native.arguments is None:
        return assembly.optimizer.pack(values)
    try:
        return native.arguments(values)
    except PluginError:
        raise
    except InputError as error:
        raise PluginError(str(error)) from error
