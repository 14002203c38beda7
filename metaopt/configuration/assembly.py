"""A configuration with its plugins found: the rule to run, and its hyperparameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce

import torch
from torch import Tensor

from metaopt.configuration.configuration import Configuration
from metaopt.configuration.task_balance import NO_BALANCE, TaskBalance
from metaopt.contracts import CompositeRule, Hparams, MetaTraining, Rule, TensorHparams
from metaopt.errors import PluginError
from metaopt.parameter_roles import fan_in_of
from metaopt.plugin import ControllerSpec, LearnerSpec, OptimizerSpec, PluginSpec, WrapperSpec
from metaopt.space import Value, encode


@dataclass(frozen=True)
class Assembly:
    """A configuration with its plugins found and its hyperparameters checked.

    Attributes:
        configuration: what was asked for.
        optimizer: the optimizer's spec.
        wrappers: the wrappers' specs, innermost first.
        controller: the controller's spec.
        rule_values: every hyperparameter of the rule, as people write it; a wrapper's are prefixed by its name. An `lr`
            that nobody stated is that of the innermost wrapper that declares one (`inner_lr`), else the default.
        controller_values: every hyperparameter of the controller.
        meta_values: every hyperparameter of the learned part's meta-training; empty where there is none.
        others: by name, further optimizers, of roles, each as a configuration's own in the same wrappers.
        roles: by role what serves it: one of these optimizers or the configuration's, with the role's rate and decay.
        learner: the learner's spec, which stands for all: its values are `meta_values`, and the optimizer's rule leaves
            every parameter as it is. None where an optimizer trains.
        tasks: what is done with the losses and gradients of tasks that share a trunk.
    """

    configuration: Configuration
    optimizer: OptimizerSpec
    wrappers: tuple[WrapperSpec, ...]
    controller: ControllerSpec
    rule_values: Mapping[str, Value]
    controller_values: Mapping[str, Value]
    meta_values: Mapping[str, Value] = field(default_factory=dict)
    others: Mapping[str, "Assembly"] = field(default_factory=dict)
    roles: Mapping[str, "Assembly"] = field(default_factory=dict)
    learner: LearnerSpec | None = None
    tasks: TaskBalance = NO_BALANCE

    @cached_property
    def resolved(self) -> Configuration:
        """The configuration with the rates that its laws gave in place of the laws: what it is without their scale."""
        laws = self.configuration.rate_law
        rates = {f"{name}.lr": self.part(name).rule_values["lr"] for name in laws}
        return replace(self.configuration, hparams={**self.configuration.hparams, **rates}, rate_law={})

    def at(self, role: str | None) -> "Assembly":
        """What serves a role: itself for roles that have nothing of their own."""
        return self.roles.get(role, self) if role is not None else self

    def part(self, optimizer: str) -> "Assembly":
        """One of its optimizers, by name, without what roles have of their own."""
        return self.others.get(optimizer, self)

    @cached_property
    def has_roles(self) -> bool:
        """Whether the rate, the decay or the optimizer of a parameter depends on its role or its layer."""
        return bool(self.configuration.roles) or self.configuration.depth_decay != 1.0

    @cached_property
    def optimizers(self) -> tuple[OptimizerSpec, ...]:
        """Its optimizer, then those of roles."""
        return (self.optimizer, *(other.optimizer for other in self.others.values()))

    @cached_property
    def specs(self) -> tuple[PluginSpec, ...]:
        """All plugins: optimizers, wrappers from the innermost on, controller, of tasks; or the learner alone."""
        if self.learner is not None:
            return (self.learner,)
        return (*self.optimizers, *self.wrappers, self.controller, *self.tasks.specs)

    def rule_over(self, roles: Mapping[str, str]) -> Rule:
        """`rule` for tensors of these roles, by name: each optimizer's for the tensors of its roles."""
        if not self.others:
            return self.rule
        assigned = tuple((name, self.at(role).optimizer.name) for name, role in sorted(roles.items()))
        parts = tuple((part.optimizer.name, part.bare_rule) for part in (self, *self.others.values()))
        return self._wrapped(CompositeRule(parts, assigned))

    @cached_property
    def rule(self) -> Rule:
        """The optimizer's rule inside its wrappers; `bare_rule` says what it raises."""
        return self.rule_over({}) if self.others else self._wrapped(self.bare_rule)

    @cached_property
    def pure_rule(self) -> Rule | None:
        """`rule`; None where an optimizer is a library's class without one."""
        return None if any(spec.rule is None for spec in self.optimizers) else self.rule

    @cached_property
    def requires(self) -> frozenset[str]:
        """Signals that any of the plugins requires with these hyperparameters."""
        return self.rule_requires | self.controller.required(self.controller_values)

    @cached_property
    def rule_requires(self) -> frozenset[str]:
        """Signals that the optimizer or a wrapper requires with these hyperparameters; the controller's left out."""
        needed = self.optimizer.required(self._own_values)
        needed = needed.union(*(other.optimizer.required(other._own_values) for other in self.others.values()))
        return needed.union(*(spec.required(self._wrapper_values(spec)) for spec in self.wrappers))

    @cached_property
    def learned(self) -> OptimizerSpec | WrapperSpec | None:
        """The part whose weights are the rule's theta: the optimizer or a wrapper; None where nothing is learned."""
        parts: tuple[OptimizerSpec | WrapperSpec, ...] = (self.optimizer, *self.wrappers)
        return next((spec for spec in parts if spec.meta is not None), None)

    @cached_property
    def meta(self) -> MetaTraining | None:
        """How the learned part gets its weights."""
        return None if self.learned is None else self.learned.meta

    @cached_property
    def tells(self) -> dict[str, str]:
        """Signals that wrappers have for stoppers, and the entries of the rule's shared state that hold them."""
        return {signal: f"{spec.name}.{entry}" for spec in self.wrappers for signal, entry in spec.tells.items()}

    @cached_property
    def title(self) -> str:
        """`adamw`, `adamw+lion` where a role has an optimizer of its own, `averaged(adamw)` where it is wrapped."""
        if self.learner is not None:
            return self.learner.name
        inner = "+".join(spec.name for spec in self.optimizers)
        return reduce(lambda inner, name: f"{name}({inner})", self.wrappers_names, inner)

    @cached_property
    def structure(self) -> tuple[str, ...]:
        """What two configurations must share to run through one vmapped update."""
        parts: tuple[OptimizerSpec | WrapperSpec, ...] = (self.optimizer, *self.wrappers)
        decided = [f"{spec.name}.{name}={self.values_of(spec)[name]}" for spec in parts for name in spec.structural]
        shared = (self.optimizer.name, *self.wrappers_names, self.configuration.no_decay, *decided)
        by_role = [f"{name}: {', '.join(own.structure)}" for name, own in sorted(self.roles.items())]
        by_role += [f"{name} by fan-in" for name in sorted(self.roles) if self.counts_fan_in(name)]
        return (*shared, *by_role, *(["by depth"] if self.configuration.depth_decay != 1.0 else []))

    @cached_property
    def bare_rule(self) -> Rule:
        """The rule of its own optimizer, without wrappers.

        Raises:
            PluginError: the optimizer is a library's class without one.
        """
        rule = self.optimizer.rule
        if rule is None:
            raise PluginError(
                f"{self.optimizer.name!r} is a library's class without a rule, and this needs a rule: choose another "
                "optimizer."
            )
        return self.optimizer.formed(rule, self._own_values)

    @cached_property
    def wrappers_names(self) -> tuple[str, ...]:
        """Names of the wrappers, innermost first."""
        return tuple(spec.name for spec in self.wrappers)

    def counts_fan_in(self, role: str | None) -> bool:
        """Whether the rates of a role depend on the fan-in of its tensors."""
        own = None if role is None else self.configuration.roles.get(role)
        return own is not None and own.fan_in is not None

    def values_at(self, role: str | None, layers_above: int = 0, fan_in: int = 1) -> dict[str, Value]:
        """`rule_values` of what serves a role, the rate lowered for each layer above and for a tensor's fan-in."""
        values = dict(self.at(role).rule_values)
        factor = self.configuration.depth_decay**layers_above
        if self.counts_fan_in(role):
            factor *= self.configuration.roles[str(role)].share(fan_in)
        if "lr" in values and factor != 1.0:
            values["lr"] = float(values["lr"]) * factor
        return values

    def rule_numbers(self, role: str | None = None, layers_above: int = 0, fan_in: int = 1) -> dict[str, float]:
        """The hyperparameters of the rule, as they are for a role, a layer and a fan-in, as numbers."""
        if self.at(role) is not self or layers_above:
            return replace(self.at(role), rule_values=self.values_at(role, layers_above, fan_in)).rule_numbers()
        numbers = encode(self.optimizer.space, self._own_values)
        for spec in self.wrappers:
            own = encode(spec.space, self._wrapper_values(spec))
            numbers.update({f"{spec.name}.{name}": number for name, number in own.items()})
        return numbers

    def controller_numbers(self) -> dict[str, float]:
        """The controller's hyperparameters as numbers."""
        return encode(self.controller.space, self.controller_values)

    def decays(self, param: Tensor) -> bool:
        """Whether `param` gets weight decay."""
        return self.configuration.no_decay == "none" or param.ndim > 1

    def tensor_hparams(
        self,
        params: Mapping[str, Tensor],
        dtype: torch.dtype = torch.float32,
        roles: Mapping[str, str] | None = None,
        layers_above: Mapping[str, int] | None = None,
    ) -> Hparams:
        """For each parameter, its hyperparameters as 0-d tensors; parameters that have the same share a dict.

        Args:
            params: by name.
            dtype: of the hyperparameters.
            roles: role by name; what is absent has none.
            layers_above: by name, for `depth_decay`.
        """
        shared: dict[tuple[str | None, int, int, bool], TensorHparams] = {}
        hparams = {}
        for name, param in params.items():
            role, above = (roles or {}).get(name), (layers_above or {}).get(name, 0)
            decays = self.at(role).decays(param)
            width = fan_in_of(param.shape) if self.counts_fan_in(role) else 1
            key = (role if role in self.roles else None, above, width, decays)
            if key not in shared:
                numbers = self.rule_numbers(role, above, width)
                own = {key: torch.tensor(value, dtype=dtype) for key, value in numbers.items()}
                if "weight_decay" in own and not decays:
                    own["weight_decay"] = torch.zeros((), dtype=dtype)
                shared[key] = own
            hparams[name] = shared[key]
        return hparams

    def values_of(self, spec: PluginSpec) -> dict[str, Value]:
        """Every hyperparameter of one of the plugins, by its own names, those of its meta-training included."""
        if spec is self.learner:
            return dict(self.meta_values)
        if spec is self.controller:
            return dict(self.controller_values)
        if any(spec is own for own in self.tasks.specs):
            return dict(self.tasks.values[spec.kind])
        if spec.name in self.others and spec is self.others[spec.name].optimizer:
            return self.others[spec.name].values_of(spec)
        prefix = "" if spec is self.optimizer else f"{spec.name}."
        own = {name: self.rule_values[f"{prefix}{name}"] for name in spec.space}
        return {**own, **(self.meta_values if spec is self.learned else {})}

    @property
    def _own_values(self) -> dict[str, Value]:
        return {name: self.rule_values[name] for name in self.optimizer.space}

    def _wrapper_values(self, spec: WrapperSpec) -> dict[str, Value]:
        return {name: self.rule_values[f"{spec.name}.{name}"] for name in spec.space}

    def _wrapped(self, rule: Rule) -> Rule:
        for spec in self.wrappers:
            rule = spec.formed(spec.wrap(rule), self._wrapper_values(spec))
        return rule
