"""A comparison in plain sentences."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from metaopt.recipe import Interval

if TYPE_CHECKING:
    from metaopt.tuning.judging.comparison import Comparison

#: How the tuning trials of a task's own are proposed: at random, or by Optuna's TPE.
Sampler: TypeAlias = Literal["random", "tpe"]
SAMPLERS: dict[Sampler, str] = {"random": "random", "tpe": "TPE"}


def summary(comparison: "Comparison") -> str:
    """One plain sentence, and one for each way in which others compare."""
    first = comparison.contenders[0]
    mine = comparison.interval(first)
    where = f"{counted(len(comparison.tasks))}{comparison.population}"
    scale = "0 the baseline, .1 a tenth better" if comparison.in_ratios else "0 the baseline, 1 long-tuned"
    sentences = [f"{first.capitalize()} scores {mine} on {where} ({scale})."]
    sentences.extend(_on_these_tasks(comparison) if comparison.is_of_these_tasks else _over_tasks(comparison))
    worth = [
        f"{comparison.trials_worth(first, sampler)} {label}"
        for sampler, label in SAMPLERS.items()
        if comparison.trials(sampler)
    ]
    if worth:
        sentences.append(f"Its first run on a task is worth {_listed(worth)} tuning trials of the task's own.")
    return " ".join(sentences)


def counted(tasks: int, kind: str = "task") -> str:
    """A number of tasks as it is said."""
    return f"{tasks} {kind}{'' if tasks == 1 else 's'}"


def _over_tasks(comparison: "Comparison") -> list[str]:
    """What intervals over tasks show, of the tasks' like."""
    first, *others = comparison.contenders
    mine = comparison.interval(first)
    beaten = [name for name in others if mine.low > comparison.interval(name).high]
    beaten_paired = [name for name in others if name not in beaten and comparison.difference(name, first).low > 0]
    behind = [name for name in others if comparison.interval(name).low > mine.high]
    behind_paired = [name for name in others if name not in behind and comparison.difference(name, first).high < 0]
    level = [name for name in others if name not in (*beaten, *beaten_paired, *behind, *behind_paired)]
    sentences = []
    if beaten:
        sentences.append(f"It is better than {_listed(beaten)}, intervals apart.")
    if beaten_paired:
        sentences.append(f"Task by task it is better than {_listed(beaten_paired)}, though the two intervals overlap.")
    if level:
        sentences.append(f"Against {_listed(level)} the intervals overlap: of further tasks nothing is claimed.")
    if behind:
        sentences.append(f"It is worse than {_listed(behind)}, intervals apart.")
    if behind_paired:
        sentences.append(f"Task by task it is worse than {_listed(behind_paired)}, though the two intervals overlap.")
    return sentences


def _on_these_tasks(comparison: "Comparison") -> list[str]:
    """What the noise of seeds, rows and examples leaves of the differences, of the tasks themselves."""
    kinds: dict[str, list[str]] = {}
    for name in comparison.contenders[1:]:
        kinds.setdefault(kind_of_lead(comparison.lead_here(name)), []).append(name)
    words = {"better": "better than", "level": "not measurably better than", "worse": "worse than"}
    parts = [f"{words[kind]} {_listed(kinds[kind])}" for kind in words if kind in kinds]
    sentences = [f"On {_these(len(comparison.tasks))} it is {_listed(parts)}."] if parts else []
    if "unknown" in kinds:
        sentences.append(f"Against {_listed(kinds['unknown'])} nothing is known, so nothing is claimed.")
    return [*sentences, "Too few tasks for intervals: of further ones nothing is claimed."]


def kind_of_lead(lead: Interval | None) -> Literal["better", "worse", "level", "unknown"]:
    """What a lead with its interval is worth."""
    if lead is None or math.isnan(lead.low):
        return "unknown"
    return "better" if lead.low > 0 else "worse" if lead.high < 0 else "level"


def _these(tasks: int) -> str:
    return "this task" if tasks == 1 else f"these {tasks} tasks"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
