"""The weighting and the surgery of a configuration, found and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from metaopt.configuration.configuration import Configuration
from metaopt.multitask import Balance, BalanceHparams
from metaopt.plugin import Registry, SurgerySpec, WeightingSpec, level_of
from metaopt.space import Value, encode, resolve


@dataclass(frozen=True)
class TaskBalance:
    """What a configuration does with the losses and gradients of tasks that share a trunk.

    Attributes:
        weighting: the weighting's spec, or None for equal weights.
        surgery: the surgery's spec, or None for the mean of the gradients.
        values: every hyperparameter of both, by `"weighting"` and `"surgery"`, as people write them.
        specs: those that there are.
    """

    weighting: WeightingSpec | None = None
    surgery: SurgerySpec | None = None
    values: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    specs: tuple[WeightingSpec | SurgerySpec, ...] = field(init=False)

    def __post_init__(self) -> None:
        specs = tuple(spec for spec in (self.weighting, self.surgery) if spec is not None)
        object.__setattr__(self, "specs", specs)

    @classmethod
    def named(cls, configuration: Configuration, registry: Registry) -> "TaskBalance":
        """The plugins that a configuration names, at their defaults; PluginError where one is unknown."""
        weighting = registry.get(WeightingSpec, configuration.weighting) if configuration.weighting else None
        return cls(weighting, registry.get(SurgerySpec, configuration.surgery) if configuration.surgery else None)

    def stated(self, stated: Mapping[str, Mapping[str, Value]]) -> "TaskBalance":
        """The same with stated hyperparameters, by plugin; InputError where one is unknown or not valid."""
        values = {spec.kind: resolve(spec.full_space, stated[spec.name], spec.name) for spec in self.specs}
        return TaskBalance(self.weighting, self.surgery, values)

    @property
    def balance(self) -> Balance:
        """Both as pure functions; equal for configurations that may run through one graph."""
        weighting, surgery = self.weighting, self.surgery
        return Balance(
            weigh=None if weighting is None else weighting.weigh,
            mix=None if surgery is None else surgery.mix,
            combine=None if surgery is None else surgery.combine,
            init_weighting=None if weighting is None else weighting.init,
            init_surgery=None if surgery is None else surgery.init,
            level="parameters" if surgery is None else level_of(self.values["surgery"]),
        )

    def numbers(self) -> dict[str, dict[str, float]]:
        """Hyperparameters as the plugins' functions see them, of both."""
        own = {spec.kind: encode(spec.full_space, self.values[spec.kind]) for spec in self.specs}
        return {"weighting": {}, "surgery": {}, **own}

    def hparams(self) -> BalanceHparams:
        """`numbers` as 0-d tensors."""
        return {
            owner: {name: torch.tensor(number) for name, number in own.items()} for owner, own in self.numbers().items()
        }


#: Of a configuration for one loss alone.
NO_BALANCE = TaskBalance()
