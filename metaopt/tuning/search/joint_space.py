"""One conditional Optuna space over optimizer, wrapper, controller and their hyperparameters."""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metaopt.configuration import Configuration, Role, misfit
from metaopt.contracts import AnyTask
from metaopt.errors import PluginError
from metaopt.plugin import (
    ControllerSpec,
    LearnerSpec,
    OptimizerSpec,
    PluginSpec,
    Registry,
    SurgerySpec,
    WeightingSpec,
    WrapperSpec,
)
from metaopt.space import Categorical, Distribution, Float, Int, Space, Value, as_proposed, defaults, is_active, ordered
from metaopt.tuning.chooser import Chooser, ask
from metaopt.tuning.own_values import OWN, own_space, prefixed
from metaopt.tuning.proposed import proposed_specs
from metaopt.tuning.search.overrides import parsed_setting
from metaopt.tuning.search.rate_laws import LAW, LAW_SPACE, laws_to_json, proposed_laws, proposed_warmup
from metaopt.tuning.search.role_choices import OWNER, SAME, chosen_roles, may_have_roles, role_space

NO_WRAPPER = "none"
_DISTRIBUTIONS = (Float, Int, Categorical)


@dataclass(frozen=True)
class JointSpace:
    """What a study may propose.

    Attributes:
        optimizers: specs to choose from.
        wrappers: wrapper specs to choose from; none is always possible.
        controllers: specs to choose from.
        overrides: `"plugin.hyperparameter"` → the distribution that replaces the declared one, or a fixed value.
        for_matrices: specs of optimizers that take matrices alone, to choose from for the role `matrix`.
        roles: what may be chosen for roles; see `role_space`.
        has_laws: whether proposals come with laws of rates and warm-ups; see `proposed_laws`.
        learners: specs to choose from beside the optimizers, for few-shot tasks.
        weightings: specs to choose from, for tasks that share a trunk; none is always possible. Likewise `surgeries`.
        own: hyperparameters that tasks have of their own.
    """

    optimizers: tuple[OptimizerSpec, ...]
    controllers: tuple[ControllerSpec, ...]
    wrappers: tuple[WrapperSpec, ...] = ()
    overrides: Mapping[str, Distribution | Value] = dataclasses.field(default_factory=dict)
    for_matrices: tuple[OptimizerSpec, ...] = ()
    roles: Space = dataclasses.field(default_factory=dict)
    has_laws: bool = False
    learners: tuple[LearnerSpec, ...] = ()
    weightings: tuple[WeightingSpec, ...] = ()
    surgeries: tuple[SurgerySpec, ...] = ()
    own: Space = dataclasses.field(default_factory=dict)

    def suggest(self, chooser: Chooser) -> Configuration:
        """Ask for one configuration, hyperparameters of inactive plugins and conditions left out."""
        optimizer = _pick(chooser, "optimizer", (*self.optimizers, *self.learners))
        if isinstance(optimizer, LearnerSpec):
            return Configuration(learner=optimizer.name, hparams=self._suggest_hparams(chooser, optimizer))
        wrapper = self._suggest_wrapper(chooser, optimizer)
        hparams = self._suggest_hparams(chooser, optimizer, sets_rate=wrapper is not None and wrapper.sets_rate)
        if wrapper is not None:
            hparams.update(self._suggest_hparams(chooser, wrapper))
        controller: ControllerSpec | None = None
        if optimizer.has_lr:
            controller = _pick(chooser, "controller", self.controllers)
            hparams.update(self._suggest_hparams(chooser, controller))
        roles = self._suggest_roles(chooser, optimizer, wrapper, hparams)
        weighting = self._suggest_optional(chooser, WeightingSpec.kind, self.weightings, hparams)
        surgery = self._suggest_optional(chooser, SurgerySpec.kind, self.surgeries, hparams)
        proposed = Configuration(
            optimizer.name,
            "constant" if controller is None else controller.name,
            () if wrapper is None else (wrapper.name,),
            hparams,
            roles=roles,
            weighting=weighting,
            surgery=surgery,
            values=self._suggest(chooser, OWN, self._overridden(self.own, OWN), self._fixed(OWN, self.own)),
        )
        if not self.has_laws:
            return proposed
        used = [spec for spec in (optimizer, *self.for_matrices) if spec.name in proposed.optimizers]
        laws = proposed_laws(used, wrapper, controller, self._fixed(LAW, LAW_SPACE))
        return dataclasses.replace(proposed, rate_law=laws, warmup=proposed_warmup(controller))

    def defaults(self) -> dict[str, Value]:
        """Every hyperparameter's default by its prefixed name."""
        of_roles = {f"{OWNER}.{name}": value for name, value in defaults(self.roles).items()}
        of_plugins = [(spec.name, defaults(spec.tuned_space)) for spec in self.specs]
        named = {f"{owner}.{name}": value for owner, values in of_plugins for name, value in values.items()}
        return {**of_roles, **prefixed(defaults(self.own)), **named}

    def serving(self, tasks: Sequence[AnyTask]) -> "JointSpace":
        """The space for these tasks alone, without hyperparameters that only others have."""
        return dataclasses.replace(self, own=own_space(tasks))

    @property
    def searched_own(self) -> dict[str, Distribution | Value]:
        """By name, what is proposed of the tasks' own hyperparameters: a distribution, or the value that is fixed."""
        return {**self._overridden(self.own, OWN), **self._fixed(OWN, self.own)}

    @property
    def states_roles(self) -> bool:
        """Whether the user said something about roles."""
        owners = {OWNER, *(spec.name for spec in self.for_matrices)}
        return any(name.partition(".")[0] in owners for name in self.overrides)

    @property
    def without_roles(self) -> "JointSpace":
        """The space as it was before roles could be chosen."""
        return dataclasses.replace(self, for_matrices=(), roles={})

    @property
    def states_laws(self) -> bool:
        """Whether the user said something about laws of rates."""
        return any(name.partition(".")[0] == LAW for name in self.overrides)

    @property
    def without_laws(self) -> "JointSpace":
        """The space as it was before proposals came with laws of rates and warm-ups."""
        return dataclasses.replace(self, has_laws=False)

    def to_json(self) -> dict[str, Any]:
        """Everything that decides what is proposed, in plain JSON."""
        roles, all_optimizers = self._overridden(self.roles, OWNER), [*self.optimizers, *self.for_matrices]
        return {
            "plugins": {
                f"{spec.kind}:{spec.name}": {
                    "version": spec.version,
                    "space": as_proposed(self._overridden(spec.tuned_space, spec.name)),
                }
                for spec in self.specs
            },
            **({"roles": as_proposed(roles)} if roles else {}),
            **({LAW: laws_to_json(all_optimizers, self._fixed(LAW, LAW_SPACE))} if self.has_laws else {}),
            **({OWN: as_proposed(self._overridden(self.own, OWN))} if self.own else {}),
            "fixed": {key: it for key, it in sorted(self.overrides.items()) if not isinstance(it, _DISTRIBUTIONS)},
        }

    @property
    def fingerprint(self) -> str:
        """16 hex digits of `to_json`."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def specs(self) -> tuple[PluginSpec, ...]:
        """All plugins to choose from."""
        trained = (*self.optimizers, *self.for_matrices, *self.learners, *self.wrappers, *self.controllers)
        return (*trained, *self.weightings, *self.surgeries)

    def _suggest_roles(
        self, chooser: Chooser, optimizer: OptimizerSpec, wrapper: WrapperSpec | None, hparams: dict[str, Value]
    ) -> dict[str, Role]:
        """Roles, and in `hparams` the hyperparameters of their optimizers; none beside optimizers that have no rate."""
        if not may_have_roles(optimizer):
            return {}
        values = self._suggest(chooser, OWNER, self._overridden(self.roles, OWNER), self._fixed(OWNER, self.roles))
        around = [] if wrapper is None else [wrapper]
        spec = next((spec for spec in self.for_matrices if spec.name == values.get("matrix")), None)
        if spec is not None and misfit(spec, around) is None:
            hparams.update(self._suggest_hparams(chooser, spec, sets_rate=wrapper is not None and wrapper.sets_rate))
        else:
            values["matrix"] = SAME  # choices are the same for all wrappers
        return chosen_roles(values)

    def _suggest_wrapper(self, chooser: Chooser, optimizer: OptimizerSpec) -> WrapperSpec | None:
        """One that fits; none where the choice falls on another, for choices are the same for all optimizers."""
        if not self.wrappers:
            return None
        names = [NO_WRAPPER, *(spec.name for spec in self.wrappers)]
        chosen = chooser.suggest_categorical("wrapper", names)
        fitting = (spec for spec in self.wrappers if spec.name == chosen and misfit(optimizer, [spec]) is None)
        return next(fitting, None)

    def _suggest_optional(
        self, chooser: Chooser, kind: str, specs: Sequence[PluginSpec], hparams: dict[str, Value]
    ) -> str:
        """The name of one of the plugins, its hyperparameters among the others, or an empty one for none."""
        chosen = chooser.suggest_categorical(kind, [NO_WRAPPER, *(spec.name for spec in specs)]) if specs else ""
        for spec in specs:
            if spec.name == chosen:
                hparams.update(self._suggest_hparams(chooser, spec))
        return "" if chosen == NO_WRAPPER else str(chosen)

    def _suggest_hparams(self, chooser: Chooser, spec: PluginSpec, *, sets_rate: bool = False) -> dict[str, Value]:
        """Values by prefixed name; no `lr` where a wrapper sets the rate, unless the user asked for one."""
        left_out = {"lr"} if sets_rate and f"{spec.name}.lr" not in self.overrides else set()
        space = {
            name: distribution
            for name, distribution in self._overridden(spec.tuned_space, spec.name).items()
            if name not in left_out
        }
        values = self._suggest(chooser, spec.name, space, self._fixed(spec.name, spec.tuned_space))
        # Every candidate has these names; a study keeps each of them once.
        return {sys.intern(f"{spec.name}.{name}"): value for name, value in values.items()}

    def _suggest(self, chooser: Chooser, owner: str, space: Space, fixed: Mapping[str, Value]) -> dict[str, Value]:
        """A value for each name that has an effect."""
        values: dict[str, Value] = {}
        for name in ordered(space):
            if is_active(space, name, values):
                values[name] = (
                    fixed[name] if name in fixed else ask(chooser, sys.intern(f"{owner}.{name}"), space[name])
                )
        return values

    def _overridden(self, declared: Space, owner: str) -> Space:
        """The space with the distributions that the user put in place of those declared."""
        space = dict(declared)
        for name in space:
            override = self.overrides.get(f"{owner}.{name}")
            if isinstance(override, Float | Int | Categorical):
                space[name] = override
        return space

    def _fixed(self, owner: str, declared: Space) -> dict[str, Value]:
        stated = {name: self.overrides.get(f"{owner}.{name}") for name in declared}
        return {name: it for name, it in stated.items() if it is not None and not isinstance(it, _DISTRIBUTIONS)}


def joint_space(
    registry: Registry,
    *,
    optimizers: Sequence[str] | None = None,
    controllers: Sequence[str] | None = None,
    wrappers: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    roles: bool = True,
    laws: bool = True,
    learners: Sequence[str] | None = None,
    weightings: Sequence[str] | None = (),
    surgeries: Sequence[str] | None = (),
    tasks: Sequence[AnyTask] = (),
) -> JointSpace:
    """The space over the named plugins, or over all whose signals an ordinary loop supplies.

    Args:
        registry: where plugins are.
        optimizers: names, or None for all.
        controllers: names, or None for all.
        wrappers: names, or None for all; an empty sequence for none.
        settings: `"plugin.hyperparameter=low..high"` or `"…=value"`, as given to `--set`.
        roles: whether something may be chosen for roles.
        laws: whether proposals come with laws of rates and warm-ups.
        learners: names, or None for none.
        weightings: names, or None for all.
        surgeries: names, or None for all.
        tasks: whose own hyperparameters are searched beside.

    Raises:
        PluginError: a name is unknown or nothing is left to choose from.
        InputError: a setting is malformed, out of range, or names an unknown hyperparameter.
    """
    named = proposed_specs(registry, OptimizerSpec, optimizers)
    for_matrices = tuple(spec for spec in named if spec.takes == "matrices") if roles else ()
    for_all = tuple(spec for spec in named if spec.takes == "all")
    chosen = JointSpace(
        optimizers=for_all,
        controllers=proposed_specs(registry, ControllerSpec, controllers),
        wrappers=proposed_specs(registry, WrapperSpec, wrappers),
        for_matrices=for_matrices,
        roles=role_space(for_all, for_matrices) if roles else {},
        has_laws=laws,
        learners=proposed_specs(registry, LearnerSpec, learners or ()),
        weightings=proposed_specs(registry, WeightingSpec, weightings),
        surgeries=proposed_specs(registry, SurgerySpec, surgeries),
        own=own_space(tasks),
    )
    both = sorted({spec.name for spec in chosen.optimizers} & {spec.name for spec in chosen.learners})
    if both:
        raise PluginError(f"{both[0]!r} is both an optimizer and a learner; leave one of them out.")
    if named and not for_all:
        raise PluginError(
            f"{', '.join(spec.name for spec in named)} takes matrices alone; name one for the rest too, such as adamw."
        )
    if not chosen.learners and not (chosen.optimizers and chosen.controllers):
        raise PluginError("Tuning needs at least one optimizer and one controller; see `metaopt plugins`.")
    spaces = {spec.name: spec.tuned_space for spec in chosen.specs}
    if chosen.own and OWN in spaces:
        raise PluginError(f"A plugin is named {OWN!r}, as are the tasks' own hyperparameters; leave it out.")
    groups = {OWNER: chosen.roles, **({LAW: LAW_SPACE} if laws else {}), **({OWN: chosen.own} if chosen.own else {})}
    overrides = dict(parsed_setting(setting, spaces | groups) for setting in settings)
    return dataclasses.replace(chosen, overrides=overrides)


def _pick(chooser: Chooser, name: str, specs: Sequence[Any]) -> Any:
    chosen = chooser.suggest_categorical(name, [spec.name for spec in specs])
    return next(spec for spec in specs if spec.name == chosen)
