"""A learned start, put into a user's model."""

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from metaopt.configuration import Assembly, Configuration
from metaopt.contracts import Tensors, Theta
from metaopt.deploy import check_member
from metaopt.errors import InputError, quoted
from metaopt.pure_layers import prototype_head, with_policy

#: Inputs and targets, shape (n, …) each.
Support: TypeAlias = tuple[Tensor, Tensor]


def load_start(assembly: Assembly, theta: Theta | None, model: nn.Module, support: Support | None) -> None:
    """Write the start that a rule learned into a model, or nothing at all.

    Raises:
        InputError: the rule learned none, a parameter has no shape yet, or another name or shape than it was learned
            for, or the start is made from a support set and there is none.
    """
    refuse_learner(assembly.configuration, "load_initialization")
    if not isinstance(model, nn.Module):
        raise InputError(f"A start is put into a torch.nn.Module, got {quoted(model)}.")
    for name, param in model.named_parameters():
        check_member(name, param)
    params = {name: param.detach() for name, param in model.named_parameters() if param.requires_grad}
    start = learned_start(assembly, theta, params)
    if start is None:
        raise InputError(
            f"{assembly.title!r} learned no initialisation: the model starts from its own weights, and recipe.bind is "
            "all that it needs."
        )
    if assembly.meta is not None and assembly.meta.prototypes:
        if support is None:
            raise InputError(
                f"{assembly.title!r} makes its last layer from the support set: load_initialization(model, "
                "support=(inputs, targets))."
            )
        module, fixed = with_policy(model, "batch"), dict(model.named_buffers())
        with torch.no_grad():
            with_head = prototype_head(module.train(), {**fixed, **start}, *support)
        start = {name: with_head[name] for name in start}
    with torch.no_grad():
        for name, param in model.named_parameters():
            if name in start:
                param.copy_(start[name])


def refuse_learner(configuration: Configuration, called: str) -> None:
    """Refuse what is for recipes that train, of one that compares; InputError then."""
    if configuration.learner:
        raise InputError(
            f"{configuration.learner!r} is a learner: it compares with a support set, so that {called} has nothing to "
            "train; metaopt.adapt(model, recipe, support) gives its predictor."
        )


def learned_start(assembly: Assembly, theta: Theta | None, params: Mapping[str, Tensor]) -> Tensors | None:
    """The start that a rule learned for these parameters, or None if it learned none.

    Raises:
        InputError: a parameter has another name or shape than it was learned for.
    """
    if not theta:
        return None
    start = assembly.rule.start(params, theta)
    if all(start[name] is param for name, param in params.items()):
        return None
    for name, param in params.items():
        if start[name].shape != param.shape:
            raise InputError(
                f"The initialisation was learned for {name!r} of shape {tuple(start[name].shape)}, the model's has "
                f"{tuple(param.shape)}: build the model that the recipe was meta-trained with."
            )
    unused = sorted(name for name in _learned_names(theta) if name not in params)
    if unused:
        raise InputError(
            f"The initialisation was learned for a model with the parameter {unused[0]!r}, which this one lacks: build "
            "the model that the recipe was meta-trained with."
        )
    return {name: value.to(params[name].device) for name, value in start.items()}


def _learned_names(theta: Theta) -> list[str]:
    return [name.removeprefix("start.") for name in theta if name.startswith("start.")]
