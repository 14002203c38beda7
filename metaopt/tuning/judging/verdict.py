"""The verdict on what a study hands over: better or not than what would have been used without it, and by how much."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from metaopt.recipe import Interval
from metaopt.tuning.judging.comparison import Comparison
from metaopt.tuning.judging.noise import Difference
from metaopt.tuning.judging.summary import counted, kind_of_lead

#: `"level"` is a difference inside its noise; `"untuned"`, that a baseline itself is handed over.
Kind: TypeAlias = Literal["better", "worse", "level", "untuned", "unknown"]


_COMPARATIVES = {("better", False): "Better", ("worse", False): "Worse", ("worse", True): "WORSE"}


@dataclass(frozen=True)
class Verdict:
    """What became of a study.

    Attributes:
        kind: of the verdict.
        incumbent: what would have been used: the best baseline by validation; None where there was none.
        lead: test score of what is handed over less that of the incumbent; None where nothing was compared.
        where: the tasks that it was compared on.
        in_ratios: whether the lead is a log-ratio of values, as on black boxes; else in units of the references'
            distance.
        promised: validation score of the best tuned candidate less that of the incumbent, in the finals.
        excluded: the option of the user's that forbids to hand the incumbent over.
    """

    kind: Kind
    incumbent: str | None
    lead: Interval | None
    where: str
    in_ratios: bool = False
    promised: Difference | None = None
    excluded: str | None = None

    @classmethod
    def of(
        cls,
        comparison: Comparison | None,
        where: str,
        *,
        handed_over: str | None = None,
        incumbent: str | None = None,
        promised: Difference | None = None,
        excluded: str | None = None,
        here: bool = False,
    ) -> "Verdict":
        """Judge a comparison.

        Args:
            comparison: whose first contender is handed over; None where the time was up before there was one.
            where: the tasks of it, for sentences.
            handed_over: name of the baseline that is handed over, if no tuned candidate is.
            incumbent: name of what would have been used; the one that the comparison knows if left out.
            promised: see the attribute.
            excluded: see the attribute.
            here: whether the verdict is on these very tasks, which stand for no others.
        """
        lead = None
        if comparison is not None:
            lead = comparison.lead_here() if here else comparison.lead()
        if incumbent is None and comparison is not None and len(comparison.contenders) > 1:
            incumbent = comparison.incumbent(comparison.tasks[0])
        is_incumbent = handed_over is not None and handed_over == incumbent
        kind: Kind = "untuned" if is_incumbent else kind_of_lead(lead)
        in_ratios = comparison is not None and comparison.in_ratios
        return cls(kind, incumbent, lead, where, in_ratios, promised, excluded)

    @property
    def is_bad(self) -> bool:
        """Whether what is handed over is worse than what would have been used."""
        return self.kind == "worse" and self.excluded is None

    def __str__(self) -> str:
        """One sentence: better or not, than what, by how much, on what."""
        name = self.incumbent
        if name is None:
            return "There is nothing to compare the recipe with, so nothing is claimed."
        if self.kind == "untuned":
            lead = "" if self.promised is None else f" (the best of them: {self._promised(self.promised)})"
            return (
                f"No tuned candidate was surely better than {name}{lead}, which you would have used without tuning: "
                f"{name} itself is handed over."
            )
        if self.lead is None or self.kind == "unknown":
            excludes = f", which {self.excluded} excludes," if self.excluded else ""
            by = "" if self.lead is None else f" ({self._shown(self.lead.value, True)} {self.where})"
            return f"Whether the recipe is better than {name}{excludes} is not known{by}: nothing is claimed."
        why = f"{self.excluded} excludes" if self.excluded else "you would have used without tuning"
        would = f"{name}, which {why}"
        size = f"{self._shown(self.lead.value, self.kind == 'level')} [{self._ends()}] {self.where}"
        if self.kind == "level":
            return f"Not measurably better than {would}: {size}; the difference is inside its noise."
        return f"{_COMPARATIVES[self.kind, self.is_bad]} than {would}: by {size}."

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as recipes keep it."""
        lead = None if self.lead is None else [self.lead.value, self.lead.low, self.lead.high]
        return {
            "kind": self.kind,
            "incumbent": self.incumbent,
            "lead": None if lead is None else [round(end, 4) if math.isfinite(end) else None for end in lead],
            "where": self.where,
            "in": "log-ratio of values" if self.in_ratios else "distance of the references",
            "sentence": str(self),
        }

    def _shown(self, value: float, signed: bool) -> str:
        """A difference as people read it: percent of the value, or hundredths of the references' distance."""
        number = value if signed else abs(value)
        if self.in_ratios:
            return f"{100 * math.expm1(number):{'+' if signed else ''}.1f} %"
        return f"{number:{'+' if signed else ''}.2f}"

    def _promised(self, promised: Difference) -> str:
        shown = self._shown(promised.value, True)
        return f"{shown} ± {self._shown(promised.error, False)}" if math.isfinite(promised.variance) else shown

    def _ends(self) -> str:
        assert self.lead is not None
        ends = (self.lead.low, self.lead.high)
        if self.kind == "worse":
            ends = (-self.lead.high, -self.lead.low)
        return ", ".join(self._shown(end, self.kind == "level" or end < 0) for end in ends)


def verdict_on(comparison: Comparison) -> Verdict:
    """On a recipe that was made elsewhere, beside the best of the others by validation."""
    return Verdict.of(comparison, f"on {counted(len(comparison.tasks))}{likes_of(comparison)}")


def likes_of(comparison: Comparison) -> str:
    """What is added to a number of tasks: whether they speak of others, and of which."""
    return " alone" if comparison.is_of_these_tasks else comparison.population
