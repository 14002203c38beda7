"""From an assembly, or a plugin's name, to a torch optimizer: the native class where it can serve, else the rule."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import torch
from torch.optim import Optimizer

from metaopt.configuration import Assembly, NoDecay
from metaopt.contracts import SteeringRule, Theta
from metaopt.deploy.optimizer.assembly_optimizer import AssemblyOptimizer
from metaopt.deploy.optimizer.classes.class_hooks import ClassSteps
from metaopt.deploy.optimizer.classes.class_needs import check_followed, check_needs, warn_of_needs
from metaopt.deploy.optimizer.classes.class_trial import tried
from metaopt.deploy.optimizer.classes.native_class import build_native, class_maker, obstacle
from metaopt.deploy.optimizer.hparams import assemble_named
from metaopt.deploy.optimizer.parameters import Group, Params, check_trained, spares, tensors_of, without_names
from metaopt.deploy.optimizer.rule_optimizer import RuleOptimizer
from metaopt.deploy.optimizer.steered_optimizer import SteeredOptimizer, steering_obstacle
from metaopt.deploy.roles.composite_optimizer import CompositeOptimizer
from metaopt.deploy.roles.later_groups import join_by_role
from metaopt.deploy.roles.role_groups import by_optimizer, role_groups, roles_without_parameters
from metaopt.deploy.roles.stated_roles import patterns_and_settings
from metaopt.deploy.sharding.obstacles import check_flattened
from metaopt.deploy.state.class_loading import ClassLoading
from metaopt.deploy.state.model_names import ModelNames, reference_to
from metaopt.deploy.step_hooks import look_at_gradients, warn_of_unfrozen, watch_frozen
from metaopt.errors import InputError, PluginError, quoted, refuse_mistyped
from metaopt.plugin import OptimizerSpec, current_registry

Implementation: TypeAlias = Literal["auto", "native", "rule"]


def create_optimizer(
    name: str,
    params: Params,
    *,
    wrappers: Sequence[str] = (),
    no_decay: NoDecay = "none",
    roles: Mapping[str, Any] | None = None,
    depth_decay: float = 1.0,
    implementation: Implementation = "auto",
    compile: bool = False,
    theta: Theta | None = None,
    total_steps: int | None = None,
    maximize: bool = False,
    **hparams: Any,
) -> Optimizer:
    """A torch optimizer by the name of its plugin.

    Args:
        name: an optimizer plugin (`metaopt plugins` lists them).
        params: a model, of which those that require gradients are taken, or what torch's optimizers take.
        wrappers: wrapper plugins, innermost first.
        no_decay: `"1d"` spares parameters of at most one dimension from weight decay; `"none"` spares none, as torch.
        roles: what roles have of their own, `{"matrix": {"optimizer": "lion"}, "input": {"rate": 0.25}}`, and patterns
            of names that override what `metaopt.roles` finds, `{"lm_head.*": "head"}`.
        depth_decay: factor on the rate of each parameter for each layer above it.
        implementation: `"native"` is the library's class that computes the same, steered where a wrapper does nothing
            else, `"rule"` the rule itself, `"auto"` the first where it can serve.
        compile: run the rule, where it is the rule that runs, as a compiled graph.
        theta: weights of a learned rule; those that ship with it if left out.
        total_steps: planned number of steps, for rules that require it.
        maximize: go up the gradient.
        hparams: hyperparameters, by the plugin's names (`beta1=0.9`) or packed as torch does (`betas=(0.9, 0.999)`); a
            wrapper's, or those of a role's optimizer, as `**{"averaged.decay": 0.99}`.

    Returns:
        A `torch.optim.Optimizer`.

    Raises:
        PluginError: the plugin is unknown, or `"native"` cannot serve.
        InputError: a hyperparameter is unknown or not valid; the message lists the valid ones. Also where nothing can
            be trained: no parameter requires gradients, or one is lazy, on the meta device or expanded. Also where no
            parameter has a role that `roles` has something for.

    Warns:
        UserWarning: at a step, a frozen parameter of the model is no longer, and no group holds it.

    Example:
        >>> import torch, metaopt
        >>> metaopt.create_optimizer("adamw", torch.nn.Linear(2, 1), lr=1e-3).param_groups[0]["lr"]
        0.001
    """
    spec = current_registry().get(OptimizerSpec, name)
    refuse_mistyped(create_optimizer, hparams, {*spec.full_space, *spec.packs})
    patterns, settings = patterns_and_settings(roles)
    assembly = assemble_named(
        name, hparams, wrappers=wrappers, no_decay=no_decay, roles=settings, depth_decay=depth_decay
    )
    names = ModelNames.of(params, assembly, patterns)
    optimizer = build_optimizer(
        assembly,
        params,
        patterns=patterns,
        names=names,
        implementation=implementation,
        compile=compile,
        theta=theta,
        horizon=total_steps,
        maximize=maximize,
    )
    missing = roles_without_parameters(assembly, optimizer.param_groups, names.frozen_roles)
    if missing is not None:
        raise InputError(missing)
    return optimizer


def build_optimizer(
    assembly: Assembly,
    params: Params,
    *,
    patterns: Mapping[str, str] | None = None,
    names: ModelNames | None = None,
    implementation: Implementation = "auto",
    compile: bool = False,
    theta: Theta | None = None,
    horizon: int | None = None,
    maximize: bool = False,
) -> Optimizer:
    """The torch optimizer of an assembly.

    Arguments as for `create_optimizer`; `horizon` is its `total_steps`, `patterns` are those among its `roles`, `names`
    are those of the model, if the caller has them.
    """
    if implementation not in ("auto", "native", "rule"):
        raise InputError(f"implementation must be 'auto', 'native' or 'rule', got {quoted(implementation)}.")
    for argument, value in (("compile", compile), ("maximize", maximize)):
        if not isinstance(value, bool):
            raise InputError(f"{argument} must be True or False, got {quoted(value)}.")
    names = names or ModelNames.of(params, assembly, patterns)
    groups = role_groups(params, assembly, patterns, names.places if names.places.roles else None)
    check_trained(tensors_of(groups))
    if torch.distributed.is_available() and torch.distributed.is_initialized():  # or nobody has flattened anything
        check_flattened(params, groups, assembly)
    steered = _is_steered(assembly)
    reason: str | None
    if assembly.pure_rule is None:
        reason = (
            _composite_obstacle(assembly, groups, maximize)
            if assembly.others
            else obstacle(assembly, groups, theta=theta, maximize=maximize)
        )
        if reason is not None or implementation == "rule":
            raise PluginError(f"{assembly.optimizer.name!r} cannot run here: {reason or 'it has no rule'}.")
    elif implementation == "rule":
        reason = "the rule was asked for"
    elif assembly.others:
        reason = _composite_obstacle(assembly, groups, maximize)
    elif steered:
        reason = steering_obstacle(assembly, groups, maximize=maximize)
    else:
        reason = obstacle(assembly, groups, theta=theta, maximize=maximize)
    if implementation == "native" and reason is not None:
        raise PluginError(f"{assembly.optimizer.name!r} cannot run as a library's class here: {reason}.")
    optimizer: Optimizer
    if reason is None and assembly.others:
        optimizer = _composite(assembly, groups, names, maximize)
    elif reason is None and not steered:
        optimizer = _native(assembly, groups, names, maximize)
    elif reason is None:
        optimizer = SteeredOptimizer(groups, assembly, theta=theta, horizon=horizon, maximize=maximize)
    else:
        optimizer = RuleOptimizer(groups, assembly, compile=compile, theta=theta, horizon=horizon, maximize=maximize)
    if isinstance(optimizer, AssemblyOptimizer):
        optimizer.names = names
        optimizer.model = reference_to(params)
    if names.frozen:
        watch_frozen(optimizer, names.frozen, warn_of_unfrozen(optimizer, names.names))
    return optimizer


def _is_steered(assembly: Assembly) -> bool:
    """Whether the one wrapper around the optimizer does nothing but steer it."""
    rule = assembly.pure_rule
    has_one_inside = len(assembly.wrappers) == 1 and not assembly.others
    return has_one_inside and isinstance(rule, SteeringRule) and rule.inner == assembly.bare_rule


def _composite_obstacle(assembly: Assembly, groups: list[Group], maximize: bool) -> str | None:
    """Why one of the classes of several optimizers cannot serve, as the end of a sentence, or None where all can."""
    if assembly.wrappers:
        return f"it is wrapped in {', '.join(assembly.wrappers_names)}"
    for name, places in by_optimizer(groups, assembly).items():
        part = assembly.part(name)
        if part.optimizer.native is not None and part.optimizer.native.modes:
            return f"{name}: its class has to be told train() and eval()"
        reason = obstacle(part, [groups[place] for place in places], maximize=maximize)
        if reason is not None:
            return f"{name}: {reason}"
    return None


def _native(assembly: Assembly, groups: list[Group], names: ModelNames, maximize: bool) -> Optimizer:
    # Names that the user did not give would keep groups without names from joining later.
    members = without_names(groups) if names.names else groups
    optimizer = build_native(assembly, members, maximize=maximize)
    native = assembly.optimizer.native
    made, trial = class_maker(assembly), None
    if assembly.pure_rule is None and native is not None:
        check_followed(optimizer, native)
        trial = partial(tried, native, made)
        check_needs(optimizer, native, trial(optimizer.param_groups))
        warn_of_needs(native, stacklevel=5)
    if assembly.has_roles or spares(assembly) or (native is not None and native.matrix_entry is not None):
        join_by_role(optimizer, assembly, names.places, maximize)
    ClassLoading(assembly, names).attach(optimizer)
    steps = ClassSteps(optimizer, made, trial)
    if native is not None and native.takes_closure:
        optimizer.register_step_pre_hook(lambda own, args, kwargs: steps.look_at_groups(own))
    look_at_gradients(optimizer, steps.look)
    return optimizer


def _composite(assembly: Assembly, groups: list[Group], names: ModelNames, maximize: bool) -> Optimizer:
    optimizer = CompositeOptimizer(without_names(groups) if names.names else groups, assembly, maximize=maximize)
    optimizer.places = names.places
    ClassLoading(assembly, names).attach(optimizer)
    look_at_gradients(optimizer, optimizer.look)
    return optimizer
