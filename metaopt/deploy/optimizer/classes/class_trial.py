"""A class without a rule tried out on stand-ins of the parameters, so that it is refused before it is trained with."""

import copy
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from metaopt.deploy.optimizer.classes.native_class import MakeOptimizer
from metaopt.deploy.optimizer.parameters import Group
from metaopt.errors import UnsteppableError, named_line
from metaopt.plugin import Native
from metaopt.seeding import GlobalStream, seeded

#: Steps of a trial: some classes begin their state in the first, and use it in the second.
STEPS = 2
#: Largest size of a stand-in's dimension, but where that alone is what a class fails on.
SIZE = 8
#: Parameters of which a stand-in each is made; of more, only one of each kind.
MANY = 64
#: Numbers of the largest parameters that are tried out in their own shapes.
LARGEST = 1_000_000


@dataclass(frozen=True)
class Tried:
    """What a trial has shown of a class.

    Attributes:
        needs_gradients: whether they have to be there before its step calls the closure.
        is_sparse: whether it takes sparse gradients alone.
    """

    needs_gradients: bool = False
    is_sparse: bool = False


def tried(native: Native, made: MakeOptimizer, groups: Sequence[Group]) -> Tried:
    """Step the class on small stand-ins of the parameters, of many on one of each kind.

    A kind is a number of dimensions, a dtype, a device, and whether there are numbers.

    Args:
        native: the class.
        made: the class, as what makes it.
        groups: of the optimizer; they and their parameters are left alone.

    Raises:
        PluginError: it cannot step them: the kind of parameter, and what it raised.
    """
    trained = [[param for param in group["params"] if param.requires_grad] for group in groups]
    kinds = [_kinds(params) for params in trained] if sum(map(len, trained)) > MANY else trained
    with seeded(0), GlobalStream(0).numbers(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = [[_small(param) for param in params] for params in kinds]
        if _fails(native, made, groups, small) is None:
            return Tried()
        if native.takes_closure and _fails(native, made, groups, small, gradients_first=True) is None:
            return Tried(needs_gradients=True)
        if _is_refused(native, made, groups, kinds) and _fails(native, made, groups, small, is_sparse=True) is None:
            return Tried(is_sparse=True)
        _refuse(native, made, groups, kinds)
    return Tried()


def _refuse(native: Native, made: MakeOptimizer, groups: Sequence[Group], kinds: list[list[Tensor]]) -> None:
    """Find what fails in its own shape: a parameter by itself, groups by being several, or all of them together."""
    for group, params in zip(groups, kinds, strict=True):
        for param in _kinds(params):
            error = None if param.numel() > LARGEST else _fails(native, made, [group], [[param]])
            if error is not None:
                raise UnsteppableError(
                    f"{native.path} cannot step a parameter of shape {tuple(param.shape)} and {param.dtype} here: "
                    f"{named_line(error, 160)}; freeze it, or choose another optimizer."
                ) from error
    error = None if _is_large(kinds) else _fails(native, made, groups, kinds)
    if error is not None:
        several = len(groups) > 1 and _fails(native, made, groups[:1], kinds[:1]) is None
        what = f"{len(groups)} param groups" if several else "these parameters together"
        remedy = "give it one, with all that shall be trained" if several else "freeze some"
        raise UnsteppableError(
            f"{native.path} cannot step {what} here: {named_line(error, 160)}; {remedy}, or choose another optimizer."
        ) from error


def _is_refused(native: Native, made: MakeOptimizer, groups: Sequence[Group], kinds: list[list[Tensor]]) -> bool:
    """Whether the class fails in the parameters' own shapes, too; not known of large ones, and then it counts as so."""
    return _is_large(kinds) or _fails(native, made, groups, kinds) is not None


def _is_large(kinds: list[list[Tensor]]) -> bool:
    return sum(param.numel() for params in kinds for param in params) > LARGEST


def _kinds(params: Iterable[Tensor]) -> list[Tensor]:
    """The smallest parameter of each kind."""
    found: dict[Any, Tensor] = {}
    for param in sorted(params, key=Tensor.numel):
        found.setdefault((param.ndim, param.dtype, param.device, bool(param.numel())), param)
    return list(found.values())


def _small(param: Tensor) -> Tensor:
    return torch.empty([min(size, SIZE) for size in param.shape], dtype=param.dtype, device=param.device)


def _fails(
    native: Native,
    made: MakeOptimizer,
    groups: Sequence[Group],
    likes: Sequence[Sequence[Tensor]],
    *,
    gradients_first: bool = False,
    is_sparse: bool = False,
) -> Exception | None:
    """What the class raises within some steps on stand-ins like these, or None."""
    try:
        stand_ins = [[_stand_in(like) for like in params] for params in likes]
        members = [param for params in stand_ins for param in params]
        optimizer = made([_filled(group, params) for group, params in zip(groups, stand_ins, strict=True)])

        def closure() -> Tensor:
            with torch.enable_grad():
                _set_gradients(native, members, is_sparse=is_sparse)
            return torch.ones(())

        for _ in range(STEPS):
            if gradients_first or not native.takes_closure:
                closure()
            if native.takes_closure:
                optimizer.step(closure)  # type: ignore[arg-type]
            else:
                optimizer.step()
    except Exception as error:  # a stranger's class
        return error
    return None


def _filled(group: Group, params: list[Tensor]) -> Group:
    settings = {key: copy.deepcopy(value) for key, value in group.items() if key not in ("params", "param_names")}
    return {**settings, "params": params}


def _stand_in(like: Tensor) -> Tensor:
    numbers = torch.randn(like.shape, device=like.device) / math.sqrt(like.numel() or 1)
    return numbers.to(like.dtype).requires_grad_()


def _set_gradients(native: Native, params: list[Tensor], *, is_sparse: bool) -> None:
    if not params:
        return
    loss = torch.stack([(param * (param + 1)).float().sum() for param in params]).sum()
    for param, grad in zip(params, torch.autograd.grad(loss, params, create_graph=native.needs_graph), strict=True):
        param.grad = grad.to_sparse() if is_sparse else grad
