"""What plugins of every kind declare."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from metaopt.contracts import Rule
from metaopt.plugin.checks import API, check_declaration, names_of_signals
from metaopt.space import Space, Value, When


@dataclass(frozen=True, kw_only=True)
class PluginSpec:
    """What every plugin declares. Abstract: use the spec of a kind.

    Attributes:
        name: how users call it; lower case letters, digits, `_`.
        version: of the algorithm, a string; recipes record it.
        api: the contract it was written for; 1.
        space: its hyperparameters.
        requires: signals it needs at each step (keys of `metaopt.contracts.SIGNALS`) or observation.
        requires_when: further signals, each needed only where a condition on the hyperparameters holds.
        proposed: whether tuning proposes it without being asked by name.
        references: where the algorithm comes from.
        summary: one line for `metaopt plugins`.
        structural: of optimizers and wrappers: hyperparameters that decide what is computed rather than with which
            numbers, such as a count of iterations. The rule is a frozen dataclass with fields of these names, and all
            param groups share their values.
    """

    kind: ClassVar[str] = ""

    name: str
    version: str
    api: int = API
    space: Space = field(default_factory=dict)
    requires: frozenset[str] = frozenset()
    requires_when: Mapping[str, When] = field(default_factory=dict)
    proposed: bool = True
    references: tuple[str, ...] = ()
    summary: str = ""
    structural: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_declaration(self)
        object.__setattr__(self, "requires", names_of_signals(self, "requires", self.requires))

    @cached_property
    def full_space(self) -> Space:
        """`space`, and for learned plugins the hyperparameters of their meta-training."""
        return self.space

    @property
    def tuned_space(self) -> Space:
        """What tuning searches."""
        return self.space

    def formed(self, rule: Rule, values: Mapping[str, Value]) -> Rule:
        """The optimizer's or wrapper's rule with its structural hyperparameters as they are in `values`, by name."""
        if not self.structural:
            return rule
        structured: Any = rule
        formed: Rule = replace(structured, **{name: values[name] for name in self.structural})
        return formed

    def required(self, hparams: Mapping[str, Value]) -> frozenset[str]:
        """Signals it needs with these hyperparameters, given as people write them."""
        return self.requires | {signal for signal, when in self.requires_when.items() if when.holds(hparams)}
