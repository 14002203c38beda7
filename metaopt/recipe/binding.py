"""A recipe put to work on a model: its parts built and joined to a run."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import nn

from metaopt.configuration import assemble
from metaopt.contracts import Mode, Scale, Watch
from metaopt.deploy import (
    GRADIENT_SIGNALS,
    PLAIN_SIGNALS,
    ControllerScheduler,
    Distributed,
    GradientGuard,
    GuardPolicy,
    Implementation,
    Judgement,
    ModelNames,
    Params,
    RankGroup,
    Run,
    WrapperSignals,
    as_groups,
    build_optimizer,
    build_stopper,
    check_patterns,
    checked_accelerator,
    handover_of,
    roles_without_parameters,
    stopper_requires,
    stopper_uses,
    tensors_of,
    unwrapped,
)
from metaopt.errors import InputError, check_positive, quoted
from metaopt.multitask import ModuleBalance
from metaopt.plugin import Registry
from metaopt.recipe.initialization import refuse_learner
from metaopt.recipe.provenance import MadeOn
from metaopt.recipe.scaled_rate import line_of, log, scaled_rates

if TYPE_CHECKING:
    from metaopt.recipe.recipe import Recipe

_LOGGER = logging.getLogger("metaopt")


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
    pretrained: bool | None,
    scale_rate: bool,
    accelerator: Any,
    distributed: Distributed,
    watch: Watch | None,
    registry: Registry,
) -> Run:
    """What `Recipe.bind` returns, from its arguments; raises what that raises."""
    if recipe.configuration.learner:
        refuse_learner(recipe.configuration, "bind")
    policy = guard if not isinstance(guard, bool) else "fallback" if guard else "off"
    if policy not in get_args(GuardPolicy):
        raise InputError(f"guard must be 'fallback', 'raise' or 'off', got {quoted(guard)}.")
    if roles is not None:
        check_patterns(roles)
    check_positive("batch_size", batch_size, or_none=True)
    check_positive("total_steps", total_steps, or_none=True)
    if not isinstance(scale_rate, bool):
        raise InputError(f"scale_rate must be True or False, got {quoted(scale_rate)}.")
    if not isinstance(fallback, str):
        raise InputError(f"fallback is the name of an optimizer, such as 'nadamw', got {quoted(fallback)}.")
    model = _readable_twice(model if accelerator is None else unwrapped(model, checked_accelerator(accelerator)))
    stopper, made_on = recipe.stopper, recipe.made_on or MadeOn()
    configuration = recipe.configuration if scale_rate else recipe.configuration.unscaled
    configuration = made_on.for_weights(configuration, pretrained, stacklevel=4)
    scale = Scale(_num_trained(model), batch_size, total_steps)
    assembly = assemble(configuration, registry, scale)
    rates = scaled_rates(assembly, scale)
    names = ModelNames.of(model, assembly, roles)
    optimizer = build_optimizer(
        assembly,
        model,
        patterns=roles,
        names=names,
        implementation=implementation,
        compile=compile,
        theta=recipe.theta,
        horizon=total_steps,
    )
    whole = isinstance(model, nn.Module)
    # Tuned on models of many kinds, it has optimizers for what this one may well lack.
    is_usual = whole and recipe.made_on is not None and roles is None
    if not is_usual or _LOGGER.isEnabledFor(logging.INFO):
        missing = roles_without_parameters(assembly, optimizer.param_groups, names.frozen_roles, optimizers=whole)
        bare = "Parameters without a model are known by their shapes alone; bind the model."
        reason = "An optimizer of the recipe has nothing to train." if whole else bare
        if missing is not None and is_usual:
            _LOGGER.info("%s %s", reason, missing)
        elif missing is not None:
            warnings.warn(f"{reason} {missing}", UserWarning, stacklevel=4)
    spec, values, supplies = assembly.controller, assembly.controller_values, PLAIN_SIGNALS | GRADIENT_SIGNALS
    scheduler = ControllerScheduler(
        optimizer,
        spec,
        values,
        total_steps=total_steps,
        mode=mode,
        supplies=supplies,
        warmup=assembly.configuration.warmup,
    )
    tensors = [param for group in optimizer.param_groups for param in group["params"]]
    if not made_on.warn_if_far(scale, line_of(rates), stacklevel=4):
        log(rates)
    requires = frozenset[str]() if stopper is None else stopper_requires(stopper, registry)
    if stopper is not None and "horizon" in requires and total_steps is None:
        raise InputError(f"The stopper {stopper.name!r} needs the planned number of steps; pass total_steps=.")
    ranks = RankGroup.of(distributed, model, names.names.values())
    judgement = Judgement(
        None if stopper is None else build_stopper(stopper, mode=mode, registry=registry),
        WrapperSignals(optimizer, assembly.tells),
        mode=mode,
        requires=requires,
        uses=frozenset() if stopper is None else stopper_uses(stopper, registry),
        guard=policy != "off",
        ranks=ranks,
    )
    handover = None
    if policy != "off" and assembly.learned is not None:
        longest, taking_over = made_on.horizon and made_on.horizon[1], None if policy == "raise" else fallback
        handover = handover_of(optimizer, assembly, taking_over, registry, longest, made_on.loss)
    parts = None if ranks is None else ranks.of_parts(model)
    trained, tasks = model if isinstance(model, nn.Module) else tensors, None
    if configuration.balances_tasks:
        tasks = ModuleBalance(assembly.tasks.balance, assembly.tasks.hparams(), trained, total_steps)
    return Run(
        trained,
        optimizer,
        scheduler,
        judgement,
        optimizer_signals=assembly.rule_requires,
        keep_best=keep_best,
        guard=None if policy == "off" else GradientGuard(raises=policy == "raise", handover=handover, parts=parts),
        names=names,
        rate=line_of(rates),
        watch=watch,
        accelerator=accelerator,
        tasks=tasks,
    )


def _readable_twice(model: Params) -> Params:
    """The same with lists in place of iterators, which are empty after the first look; also inside param groups."""
    if not isinstance(model, Iterator | list | tuple):
        return model
    return [
        {**item, "params": list(item["params"])}
        if isinstance(item, Mapping) and isinstance(item.get("params"), Iterator)
        else item
        for item in model
    ]


def _num_trained(model: Params) -> int:
    """Trainable numbers, of a sharded tensor all of them; those of a tensor that is there twice once."""
    trained = {id(tensor): tensor for tensor in tensors_of(as_groups(model)) if tensor.requires_grad}
    return sum(tensor.numel() for tensor in trained.values()) or 1  # that there is nothing to train is told later
