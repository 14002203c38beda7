"""A recipe's parts put to work on one model: optimizer, scheduler, stopper and guard, as a run."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import Mode
from metaopt.deploy import (
    GRADIENT_SIGNALS,
    PLAIN_SIGNALS,
    ControllerScheduler,
    GradientGuard,
    GuardPolicy,
    Handover,
    Implementation,
    Judgement,
    ModelNames,
    Params,
    RuleOptimizer,
    Run,
    StopperConfiguration,
    Told,
    build_optimizer,
    build_stopper,
    stopper_requires,
    stopper_uses,
)
from metaopt.errors import InputError
from metaopt.plugin import Registry
from metaopt.recipe.made_on import MadeOn


def bind(
    assembly: Assembly,
    model: Params,
    *,
    stopper: StopperConfiguration | None,
    theta: Mapping[str, Tensor] | None,
    made_on: MadeOn,
    total_steps: int | None,
    mode: Mode,
    batch_size: int | None,
    keep_best: str | torch.device | None,
    guard: GuardPolicy,
    fallback: str,
    implementation: Implementation,
    compile: bool,
    registry: Registry,
) -> Run:
    """A run of the assembly on the model; arguments and errors as of `Recipe.bind`."""
    optimizer = build_optimizer(
        assembly, model, implementation=implementation, compile=compile, theta=theta, horizon=total_steps
    )
    scheduler = ControllerScheduler(
        optimizer,
        assembly.controller,
        assembly.controller_values,
        total_steps=total_steps,
        mode=mode,
        supplies=PLAIN_SIGNALS | GRADIENT_SIGNALS,
    )
    tensors = [param for group in optimizer.param_groups for param in group["params"]]
    count = sum(tensor.numel() for tensor in tensors if tensor.requires_grad)
    made_on.warn_if_far(parameters=count, batch_size=batch_size, horizon=total_steps, stacklevel=3)
    judgement = Judgement(
        None if stopper is None else build_stopper(stopper, mode=mode, registry=registry),
        Told(optimizer, assembly.tells),
        mode=mode,
        requires=_required(stopper, total_steps, registry),
        uses=frozenset() if stopper is None else stopper_uses(stopper, registry),
        guard=guard != "off",
    )
    handover = None if guard == "off" else _handover(assembly, optimizer, made_on, guard, fallback, registry)
    return Run(
        model if isinstance(model, nn.Module) else tensors,
        optimizer,
        scheduler,
        judgement,
        optimizer_signals=assembly.rule_requires,
        keep_best=keep_best,
        guard=None if guard == "off" else GradientGuard(raises=guard == "raise", handover=handover),
        names=ModelNames.of(model, assembly),
    )


def _required(stopper: StopperConfiguration | None, total_steps: int | None, registry: Registry) -> frozenset[str]:
    """The signals that the stopper requires."""
    if stopper is None:
        return frozenset()
    required = stopper_requires(stopper, registry)
    if "horizon" in required and total_steps is None:
        raise InputError(f"The stopper {stopper.name!r} needs the planned number of steps; pass total_steps=.")
    return required


def _handover(
    assembly: Assembly, optimizer: Optimizer, made_on: MadeOn, guard: GuardPolicy, fallback: str, registry: Registry
) -> Handover | None:
    """From a learned rule to the fallback, where the rule is one that may be out of its depth."""
    meta = assembly.meta
    if meta is None or meta.handover is None or not isinstance(optimizer, RuleOptimizer):
        return None
    configuration = Configuration(fallback, no_decay=assembly.configuration.no_decay)
    taking = None if guard == "raise" else assemble(configuration, registry)
    horizon = None if made_on.horizon is None else made_on.horizon[1]
    return Handover(optimizer, taking, horizon, known_losses=made_on.loss)
