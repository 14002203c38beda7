"""A recipe put to work on a model: its parts built and joined to a run."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

import torch
from torch import nn

from metaopt.contracts import Mode
from metaopt.deploy import (
    GRADIENT_SIGNALS,
    PLAIN_SIGNALS,
    ControllerScheduler,
    GradientGuard,
    GuardPolicy,
    Implementation,
    Judgement,
    ModelNames,
    Params,
    Run,
    WrapperSignals,
    build_optimizer,
    build_stopper,
    check_patterns,
    handover_of,
    roles_without_parameters,
    stopper_requires,
    stopper_uses,
)
from metaopt.errors import InputError, quoted
from metaopt.plugin import Registry
from metaopt.recipe.provenance import MadeOn

if TYPE_CHECKING:
    from metaopt.recipe.recipe import Recipe


def bound(
    recipe: "Recipe",
    model: Params,
    *,
    total_steps: int | None,
    mode: Mode,
    batch_size: int | None,
    keep_best: str | torch.device | None,
    guard: GuardPolicy | bool,
    fallback: str,
    roles: Mapping[str, str] | None,
    implementation: Implementation,
    compile: bool,
    registry: Registry,
) -> Run:
    """What `Recipe.bind` returns, from its arguments; raises what that raises."""
    policy = guard if not isinstance(guard, bool) else "fallback" if guard else "off"
    if policy not in get_args(GuardPolicy):
        raise InputError(f"guard must be 'fallback', 'raise' or 'off', got {quoted(guard)}.")
    check_patterns(roles)
    assembly, stopper, made_on = recipe.assembly(registry), recipe.stopper, recipe.made_on or MadeOn()
    optimizer = build_optimizer(
        assembly,
        model,
        patterns=roles,
        implementation=implementation,
        compile=compile,
        theta=recipe.theta,
        horizon=total_steps,
    )
    names = ModelNames.of(model, assembly, roles)
    whole = isinstance(model, nn.Module)
    missing = roles_without_parameters(assembly, optimizer.param_groups, names.frozen_roles, optimizers=whole)
    if missing is not None:
        bare = "Parameters without a model are known by their shapes alone; bind the model."
        reason = "An optimizer of the recipe has nothing to train." if whole else bare
        warnings.warn(f"{reason} {missing}", UserWarning, stacklevel=4)
    spec, values, supplies = assembly.controller, assembly.controller_values, PLAIN_SIGNALS | GRADIENT_SIGNALS
    scheduler = ControllerScheduler(optimizer, spec, values, total_steps=total_steps, mode=mode, supplies=supplies)
    tensors = [param for group in optimizer.param_groups for param in group["params"]]
    count = sum(tensor.numel() for tensor in tensors if tensor.requires_grad)
    made_on.warn_if_far(parameters=count, batch_size=batch_size, horizon=total_steps, stacklevel=4)
    requires = frozenset[str]() if stopper is None else stopper_requires(stopper, registry)
    if stopper is not None and "horizon" in requires and total_steps is None:
        raise InputError(f"The stopper {stopper.name!r} needs the planned number of steps; pass total_steps=.")
    judgement = Judgement(
        None if stopper is None else build_stopper(stopper, mode=mode, registry=registry),
        WrapperSignals(optimizer, assembly.tells),
        mode=mode,
        requires=requires,
        uses=frozenset() if stopper is None else stopper_uses(stopper, registry),
        guard=policy != "off",
    )
    handover = None
    if policy != "off" and assembly.learned is not None:
        longest, taking_over = made_on.horizon and made_on.horizon[1], None if policy == "raise" else fallback
        handover = handover_of(optimizer, assembly, taking_over, registry, longest, made_on.loss)
    return Run(
        model if isinstance(model, nn.Module) else tensors,
        optimizer,
        scheduler,
        judgement,
        optimizer_signals=assembly.rule_requires,
        keep_best=keep_best,
        guard=None if policy == "off" else GradientGuard(raises=policy == "raise", handover=handover),
        names=names,
    )
