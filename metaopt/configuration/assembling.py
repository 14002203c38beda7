"""From a configuration to an assembly: plugins found, hyperparameters checked."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from metaopt.configuration.assembly import Assembly
from metaopt.configuration.configuration import Configuration, by_owner
from metaopt.configuration.learner_assembly import assemble_learner
from metaopt.configuration.role import Role
from metaopt.configuration.task_balance import NO_BALANCE, TaskBalance
from metaopt.contracts import Scale, SteeringRule
from metaopt.errors import InputError, PluginError, listed, quoted
from metaopt.plugin import ControllerSpec, OptimizerSpec, Registry, WrapperSpec
from metaopt.space import Value, resolve

#: A training whose size is that of the laws' anchor.
ANCHORED = Scale()


def assemble(configuration: Configuration, registry: Registry, scale: Scale = ANCHORED) -> Assembly:
    """Find the plugins, check the hyperparameters, and set the rates of a training of this size.

    Args:
        configuration: what shall run.
        registry: where plugins are.
        scale: what the configuration's laws of rates are resolved for; by default they leave `lr` as it is.

    Raises:
        PluginError: a plugin is unknown, the optimizer has no `lr` and the controller is not `constant`, a wrapper
            cannot go around an optimizer (see `misfit`), an optimizer cannot serve a role, or a law or a warm-up
            cannot act.
        InputError: a hyperparameter is unknown or not valid (the message lists the valid ones), or two of the plugins
            have one name.
    """
    if not isinstance(configuration, Configuration):
        raise InputError(f"A recipe is made of a metaopt.Configuration, got {quoted(configuration)}.")
    if configuration.learner:
        return assemble_learner(configuration, registry)
    optimizer = registry.get(OptimizerSpec, configuration.optimizer)
    wrappers = tuple(registry.get(WrapperSpec, name) for name in configuration.wrappers)
    controller = registry.get(ControllerSpec, configuration.controller)
    if not optimizer.has_lr and controller.name != "constant":
        raise PluginError(
            f"{optimizer.name} has no lr for the controller {controller.name!r} to act on; use controller 'constant'"
            f"{_stated_rate(optimizer)}."
        )
    names = dict.fromkeys(role.optimizer for role in configuration.roles.values() if role.optimizer is not None)
    others = tuple(registry.get(OptimizerSpec, name) for name in names if name != optimizer.name)
    tasks = TaskBalance.named(configuration, registry) if configuration.balances_tasks else NO_BALANCE
    stated = by_owner(configuration.hparams, (optimizer, *others, *wrappers, controller, *tasks.specs))
    _check_law(configuration, (optimizer, *others), wrappers, controller)
    whole = _around(configuration, optimizer, wrappers, controller, stated, scale)
    if configuration.balances_tasks:
        whole = replace(whole, tasks=tasks.stated(stated))
    if not whole.has_roles:
        return whole
    _check_leading(whole, others)
    plain = replace(configuration, roles={}, depth_decay=1.0)
    parts = {
        spec.name: _around(replace(plain, optimizer=spec.name), spec, wrappers, controller, stated, scale)
        for spec in others
    }
    roles = {
        name: _of_role(name, role, parts.get(role.optimizer or "", replace(whole, configuration=plain)))
        for name, role in configuration.roles.items()
    }
    return replace(whole, others=parts, roles=roles)


def _check_law(
    configuration: Configuration,
    optimizers: Sequence[OptimizerSpec],
    wrappers: Sequence[WrapperSpec],
    controller: ControllerSpec,
) -> None:
    """Check that a law and a warm-up have a rate to act on."""
    if configuration.warmup and not controller.takes_warmup:
        reason = "gives the rates themselves" if controller.absolute else "has a warm-up of its own"
        raise PluginError(f"The controller {controller.name!r} {reason}; leave out warmup of the configuration.")
    kinds = {spec.name: spec.rate for spec in optimizers} if configuration.rate_law else {}
    for name in configuration.rate_law:
        if name not in kinds:
            raise PluginError(f"rate_law: {quoted(name)} is none of the configuration's optimizers, {listed(kinds)}.")
        setting = next(
            (spec.name for spec in wrappers if spec.sets_rate), controller.name if controller.absolute else None
        )
        if kinds[name] != "rate" or setting is not None:
            reason = f"{setting!r} sets the rate" if setting is not None else f"the lr of {name!r} is no rate"
            raise PluginError(f"rate_law: {reason}, so that no law acts on it; leave out the law of {name!r}.")


def _stated_rate(optimizer: OptimizerSpec) -> str:
    """How a class gets a rate whose signature has one without a number; the end of a sentence."""
    cls = None if optimizer.native is None else optimizer.native.loaded
    if cls is None or "lr" not in inspect.signature(cls).parameters:
        return ""
    return f", or state a rate: optimizer_spec({cls.__name__}, lr=metaopt.Float(1e-4, 1e-1, log=True))"


def _around(
    configuration: Configuration,
    optimizer: OptimizerSpec,
    wrappers: tuple[WrapperSpec, ...],
    controller: ControllerSpec,
    stated: Mapping[str, Mapping[str, Value]],
    scale: Scale,
) -> Assembly:
    """One optimizer in its wrappers, at the rate of a training of this size."""
    parts: tuple[OptimizerSpec | WrapperSpec, ...] = (optimizer, *wrappers)
    reason = misfit(optimizer, wrappers)
    if reason is not None:
        raise PluginError(reason)
    rule_values: dict[str, Value] = {}
    meta_values: dict[str, Value] = {}
    for spec in parts:
        prefix = "" if spec is optimizer else f"{spec.name}."
        for name, value in resolve(spec.full_space, stated[spec.name], spec.name).items():
            if name in spec.space:
                rule_values[f"{prefix}{name}"] = value
            else:
                meta_values[name] = value
    inner_lr = next((spec.inner_lr for spec in wrappers if spec.inner_lr is not None), None)
    if inner_lr is not None and optimizer.has_lr and "lr" not in stated[optimizer.name]:
        rule_values["lr"] = float(inner_lr)  # a factor, and no rate that the bounds of `lr` are meant for
    law = configuration.rate_law.get(optimizer.name)
    if law is not None:
        rule_values["lr"] = float(rule_values["lr"]) * law.factor(scale)
    return Assembly(
        configuration=configuration,
        optimizer=optimizer,
        wrappers=wrappers,
        controller=controller,
        rule_values=rule_values,
        controller_values=resolve(controller.space, stated[controller.name], controller.name),
        meta_values=meta_values,
    )


def _check_leading(whole: Assembly, others: Sequence[OptimizerSpec]) -> None:
    """Check that the rates of roles and layers have one to follow."""
    optimizer = whole.optimizer
    learned = [spec.name for spec in (optimizer, *others) if spec.meta is not None]
    if learned:
        raise PluginError(
            f"{learned[0]!r} is learned for all parameters of a model at once; leave out roles and depth_decay."
        )
    if not optimizer.has_lr:
        raise PluginError(
            f"{optimizer.name!r} has no lr for the rates of roles and layers to follow; make another optimizer the "
            "configuration's own."
        )
    if not whole.rule_values["lr"]:
        raise InputError(
            f"The rates of roles and layers follow {optimizer.name}.lr, which is 0; give it a rate above 0, and call "
            "requires_grad_(False) on what shall stay as it is."
        )


def _of_role(name: str, role: Role, part: Assembly) -> Assembly:
    spec, values = part.optimizer, dict(part.rule_values)
    if spec.takes == "matrices" and name == "vector":
        raise PluginError(
            f"{spec.name!r} takes tensors of two dimensions and more, and the role 'vector' has others; give it "
            "another optimizer."
        )
    if role.rate != 1.0 or role.fan_in is not None:
        if not spec.has_lr:
            raise PluginError(f"{spec.name!r} has no lr for the rate of the role {name!r}; leave that out.")
        values["lr"] = float(values["lr"]) * role.rate
    if role.weight_decay is None:
        return replace(part, rule_values=values)
    if "weight_decay" not in spec.space:
        raise PluginError(f"{spec.name!r} has no weight_decay for the role {name!r}; leave that out.")
    values["weight_decay"] = role.weight_decay
    return replace(part, rule_values=values, configuration=replace(part.configuration, no_decay="none"))


def misfit(optimizer: OptimizerSpec, wrappers: Sequence[WrapperSpec]) -> str | None:
    """Why these wrappers cannot go around the optimizer, one sentence, or None where they can."""
    parts: tuple[OptimizerSpec | WrapperSpec, ...] = (optimizer, *wrappers)
    learned = [spec.name for spec in parts if spec.meta is not None]
    if len(learned) > 1:
        return f"A recipe has one learned part, and {' and '.join(learned)} are; leave one out."
    rule = optimizer.rule
    if rule is None:
        if not wrappers:
            return None
        return (
            f"The wrapper {wrappers[0].name!r} goes around a rule, and {optimizer.name!r} is a library's class without "
            "one; leave it out."
        )
    # What rescales displacement, as Mechanic, goes around any rule; what steers `lr` needs one that follows it.
    steers = [spec for spec in wrappers if spec.sets_rate and isinstance(spec.wrap(rule), SteeringRule)]
    if steers and not optimizer.has_lr:
        return f"The wrapper {steers[0].name!r} sets the learning rate, but the rule inside has none; leave it out."
    if steers and optimizer.sets_rate:
        return f"The wrapper {steers[0].name!r} sets the learning rate, and {optimizer.name!r} its own; leave one out."
    return None


def untaken(optimizer: OptimizerSpec, shapes: Mapping[str, torch.Size]) -> str | None:
    """Why the optimizer cannot train parameters of these shapes, by name: one sentence, or None where it can."""
    vectors = [] if optimizer.takes == "all" else [name for name, shape in shapes.items() if len(shape) < 2]
    if not vectors:
        return None
    more = f" (and {len(vectors) - 1} more)" if vectors[1:] else ""
    return (
        f"{optimizer.name} takes matrices, and the parameter {quoted(vectors[0])}{more} has the shape "
        f"{tuple(shapes[vectors[0]])}; give the others to another optimizer, such as adamw with "
        f"roles={{'matrix': {{'optimizer': {optimizer.name!r}}}}}."
    )
