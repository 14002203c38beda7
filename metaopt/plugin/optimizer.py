"""What an optimizer declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeAlias, final, get_args

from metaopt.contracts import MetaTraining, RateLaw, Rule
from metaopt.errors import PluginError, known_keywords
from metaopt.plugin.checks import (
    check_meta,
    check_packs,
    check_rate_law,
    check_rule,
    check_signals,
    check_structural,
    check_takes,
)
from metaopt.plugin.native import Native
from metaopt.plugin.plugin_spec import PluginSpec
from metaopt.space import Space, Value

#: Which tensors an optimizer takes: all, or those of two dimensions and more.
Takes: TypeAlias = Literal["all", "matrices"]

#: What an optimizer's `lr` is: a rate, which follows the size of a training; a factor on what it sets by itself; none.
RateKind: TypeAlias = Literal["rate", "factor", "none"]


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class OptimizerSpec(PluginSpec):
    """An optimizer.

    Attributes:
        rule: the pure rule; None for a class that has none (see `metaopt.optimizer_spec`), which then trains in the
            loop, one member after the other.
        native: a class that computes the same, or None; all there is where there is no rule.
        packs: param-group keys that hold several hyperparameters, such as `{"betas": ("beta1", "beta2")}`.
        meta: for learned rules: how they get their weights.
        sets_rate: whether it says by itself how far a step goes, as Prodigy does, so that `lr` is a factor: wrappers
            that set the rate by way of `lr` are refused around it.
        takes: `"matrices"` if it is made for tensors of two dimensions and more, as Muon is: another optimizer has to
            take the rest.
        precise: hyperparameters with which it computes in its state's precision throughout, where its defaults round
            within a step, as Muon in bfloat16: the kit compares reordered sums with these.
        rate_law: how the best `lr` is expected to follow parameters, batch size and steps, before a study measures it:
            `RateLaw()` for rules like Adam's, whose steps have the size of their rate; flat if left out.
    """

    kind: ClassVar[str] = "optimizer"

    rule: Rule | None = None
    native: Native | None = None
    packs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    meta: MetaTraining | None = None
    sets_rate: bool = False
    takes: Takes = "all"
    precise: Mapping[str, Value] = field(default_factory=dict)
    rate_law: RateLaw = field(default_factory=lambda: RateLaw(0.0, 0.0, 0.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rule(self)
        check_takes(self.name, self.takes, get_args(Takes))
        check_signals(self)
        check_structural(self, self.rule)
        check_packs(self, self.packs)
        check_meta(self, self.meta)
        check_rate_law(self)

    @cached_property
    def full_space(self) -> Space:
        """See `PluginSpec`."""
        return self.space if self.meta is None else {**self.meta.full_space, **self.space}

    @property
    def tuned_space(self) -> Space:
        """`full_space`: a study of few-shot tasks meta-trains."""
        return self.full_space

    @cached_property
    def has_lr(self) -> bool:
        """Whether there is an `lr` for a controller to act on."""
        return "lr" in self.space

    @property
    def rate(self) -> RateKind:
        """What its `lr` is: for Prodigy and learned rules a factor, on which no law acts."""
        if not self.has_lr:
            return "none"
        return "factor" if self.sets_rate or self.meta is not None else "rate"

    def pack(self, hparams: Mapping[str, Value]) -> dict[str, Any]:
        """Hyperparameters as a torch param group holds them (`beta1`, `beta2` → `betas`)."""
        packed = {name for names in self.packs.values() for name in names}
        group: dict[str, Any] = {name: value for name, value in hparams.items() if name not in packed}
        for key, names in self.packs.items():
            group[key] = tuple(hparams[name] for name in names)
        return group

    def unpack(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Inverse of `pack`; keys that are no hyperparameters are left out, and `Native.nones` read."""
        values = {name: group[name] for name in self.space if name in group}
        for key, names in self.packs.items():
            if key in group:
                values.update(zip(names, group[key], strict=True))
        nones = {} if self.native is None else self.native.nones
        return {**values, **{name: value for name, value in nones.items() if values.get(name, value) is None}}
