"""The hyperparameters of an optimizer class, as its signature tells them."""

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from torch import nn
from torch.optim import Optimizer

from metaopt.errors import PluginError
from metaopt.space import Categorical, Distribution, Domain, Float, Int

#: Arguments that say how a step is computed, or which way it goes, and are no hyperparameters.
EXECUTION = frozenset({"foreach", "fused", "capturable", "differentiable", "maximize"})
#: What a library asks for under these names is no number that could be tuned.
_MODELS = frozenset({"model", "module"})
_OPTIMIZERS = frozenset({"optimizer", "base_optimizer"})
#: What a person may give for an argument of a kind.
_VALID = {"rate": "[0, inf)", "eps": "[0, inf)", "decay": "[0, inf)", "factor": "[0, 1)"}


@dataclass(frozen=True)
class Signature:
    """What a class takes.

    Attributes:
        space: a distribution for each argument with a default that is a number, a truth value or one of stated strings;
            a tuple of numbers has one for each of them.
        packs: the arguments that are tuples, and the names of their numbers.
        needed: arguments without a default, but the parameters.
        names: all arguments but the parameters.
        is_open: whether it takes further arguments under any name.
    """

    space: Mapping[str, Distribution]
    packs: Mapping[str, tuple[str, ...]]
    needed: tuple[str, ...]
    names: frozenset[str]
    is_open: bool


def signature_of(cls: type[Optimizer]) -> Signature:
    """Read what a class takes.

    Raises:
        PluginError: it takes a model or another optimizer in place of parameters.
    """
    parameters = _parameters(cls)
    _check_params(cls, parameters)
    space: dict[str, Distribution] = {}
    packs: dict[str, tuple[str, ...]] = {}
    named = [each for each in parameters[1:] if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    for argument in named:
        if argument.name in EXECUTION:
            continue
        if _is_numbers(argument.default):
            packs[argument.name] = _names_of_parts(argument.name, len(argument.default))
            number_type = float if any(isinstance(value, float) for value in argument.default) else int
            parts = zip(packs[argument.name], argument.default, strict=True)
            space.update({name: _number(argument.name, value, number_type) for name, value in parts})
            continue
        distribution = _distribution(argument)
        if distribution is not None:
            space[argument.name] = distribution
    return Signature(
        space=space,
        packs=packs,
        needed=tuple(each.name for each in named if each.default is each.empty),
        names=frozenset(each.name for each in named),
        is_open=any(each.kind is each.VAR_KEYWORD for each in parameters),
    )


def with_valid(name: str, stated: Float | Int, told: Distribution | None) -> Float | Int:
    """A stated distribution, its range one for tuning alone: without `valid`, it has what the signature gives.

    Args:
        name: the argument's.
        stated: what a person states.
        told: what the signature tells; None where it tells nothing, and the name decides.
    """
    valid = told.valid if isinstance(told, Float | Int) else _VALID.get(_kind(name))
    if stated.valid is not None or valid is None:
        return stated
    bounds = (stated.low, stated.high, stated.default)
    fits = all(bound is not None and bound in Domain.parse(valid) for bound in bounds)
    return replace(stated, valid=valid) if fits else stated


def step_needs_closure(cls: type[Optimizer]) -> bool:
    """Whether the class cannot step without a closure."""
    arguments = list(inspect.signature(cls.step).parameters.values())[1:]
    return bool(arguments) and arguments[0].name == "closure" and arguments[0].default is inspect.Parameter.empty


def _parameters(cls: type[Optimizer]) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(cls, eval_str=True)
    except Exception:  # annotations that name what is not there
        signature = inspect.signature(cls)
    return list(signature.parameters.values())


def _check_params(cls: type[Optimizer], parameters: list[inspect.Parameter]) -> None:
    """Check that the class takes parameters, first of all; PluginError otherwise."""
    positional = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    required = [each for each in positional if each.default is each.empty]
    name = cls.__qualname__
    if not positional:
        raise PluginError(
            f"The signature of {name} does not say that it takes parameters: write "
            "`def __init__(self, params, lr=1e-3, ...)`."
        )
    for argument in required:
        if argument.name in _MODELS or _mentions(argument.annotation, nn.Module):
            raise PluginError(
                f"{name} takes the model as its argument {argument.name!r}, and metaopt hands an optimizer parameters "
                "and param groups alone: make it in a training function of your own (metaopt.BlackBoxTask)."
            )
    first = positional[0]
    wraps = first.name in _OPTIMIZERS or _mentions(first.annotation, Optimizer)
    if wraps and not _mentions(first.annotation, Iterable):
        raise PluginError(
            f"{name} goes around another optimizer, its argument {first.name!r}: give the optimizer's class, or write "
            "what it does as a metaopt.WrapperSpec."
        )


def _mentions(annotation: Any, kind: type) -> bool:
    parts = (annotation, *get_args(annotation))
    kinds = (get_origin(part) or part for part in parts)
    return any(isinstance(part, type) and issubclass(part, kind) for part in kinds)


def _is_numbers(default: Any) -> bool:
    return isinstance(default, tuple) and bool(default) and all(_is_number(value) for value in default)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _names_of_parts(name: str, count: int) -> tuple[str, ...]:
    """`betas` → `beta1`, `beta2`, `eps` → `eps1`; a name that is no plural is numbered with a line between."""
    plural = name[:-1] if name.endswith("s") else f"{name}_"
    stem = name if name.split("_")[-1] == "eps" else plural
    return tuple(f"{stem}{number}" for number in range(1, count + 1))


def _distribution(argument: inspect.Parameter) -> Distribution | None:
    """What the argument may be; None where its default says nothing that could be tuned or written down.

    Switches are proposed as they are: libraries refuse some combinations of them, or fail on some shapes.
    """
    default = argument.default
    if isinstance(default, bool):
        return Categorical((False, True), default=default, proposed=(default,))
    if _is_number(default):
        return _number(argument.name, default, _number_type(argument))
    choices = tuple(_literals(argument.annotation))
    if isinstance(default, str) and default in choices and all(isinstance(choice, str) for choice in choices):
        return Categorical(choices, default=default, proposed=(default,))
    return None


def _literals(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from _literals(part)


def _number_type(argument: inspect.Parameter) -> type:
    """Libraries write `weight_decay: float = 0`; rates, decays and factors are real whatever their default."""
    if isinstance(argument.default, float) or float in (argument.annotation, *get_args(argument.annotation)):
        return float
    return float if _kind(argument.name) else int


def _number(name: str, value: float, number_type: type) -> Distribution:
    """A number's distribution; what nobody knows the meaning of is tuned nowhere, and may be any number."""
    if number_type is int:
        return Int(int(value), int(value), default=int(value), valid="(-inf, inf)")
    kind, default = _kind(name), float(value)
    if kind == "factor" and 0 <= default < 1:
        low, high = (0.0, 0.95) if default == 0 else (round(max(0.0, 1 - 5 * (1 - default)), 9), 1 - (1 - default) / 5)
        return Float(low, high, default=default, valid="[0, 1)")
    if kind == "decay" and default >= 0:
        return Float(1e-5, max(0.1, 10 * default), log=True, default=default, valid="[0, inf)")
    if kind in ("rate", "eps") and default > 0:
        high = min(100 * default, max(10.0, default)) if kind == "rate" else min(100 * default, max(1e-2, default))
        return Float(default / 100, high, log=True, default=default, valid="[0, inf)")
    return Float(default, default, default=default, valid="(-inf, inf)")


def _kind(name: str) -> str:
    """What an argument's name says of it: a rate, a small number beside zero, weight decay, a factor below one."""
    words = name.lower().split("_")
    if "lr" in words and words[-1] not in ("power", "ratio"):
        return "rate"
    if words[0].rstrip("0123456789") == "eps" or words[-1].rstrip("0123456789") in ("eps", "epsilon"):
        return "eps"
    if name.lower() in ("weight_decay", "wd") or words[-1] == "wd":
        return "decay"
    if "decay" in words:
        return ""
    return "factor" if any(word.rstrip("s0123456789") in ("beta", "momentum") for word in words) else ""
