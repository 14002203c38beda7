"""A comparison in plain sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from metaopt.tuning.judging.comparison import Comparison

#: How the tuning trials of a task's own are proposed: at random, or by Optuna's TPE.
Sampler: TypeAlias = Literal["random", "tpe"]
SAMPLERS: dict[Sampler, str] = {"random": "random", "tpe": "TPE"}


def summary(comparison: "Comparison") -> str:
    """One plain sentence, and one for each contender whose interval overlaps."""
    first, *others = comparison.contenders
    mine = comparison.interval(first)
    where = f"{len(comparison.tasks)} tasks{comparison.population}"
    scale = "0 the baseline, .1 a tenth better" if comparison.in_ratios else "0 the baseline, 1 long-tuned"
    sentences = [f"{first.capitalize()} scores {mine} on {where} ({scale})."]
    beaten = [name for name in others if mine.low > comparison.interval(name).high]
    beaten_paired = [name for name in others if name not in beaten and comparison.difference(name, first).low > 0]
    behind = [name for name in others if comparison.interval(name).low > mine.high]
    behind_paired = [name for name in others if name not in behind and comparison.difference(name, first).high < 0]
    level = [name for name in others if name not in (*beaten, *beaten_paired, *behind, *behind_paired)]
    if beaten:
        sentences.append(f"It is better than {_listed(beaten)}, intervals apart.")
    if beaten_paired:
        sentences.append(f"Task by task it is better than {_listed(beaten_paired)}, though the two intervals overlap.")
    if level and np.isnan(mine.low):
        sentences.append(f"Too few tasks for intervals: nothing is claimed against {_listed(level)}.")
    elif level:
        sentences.append(f"Against {_listed(level)} the intervals overlap: nothing is claimed.")
    if behind:
        sentences.append(f"It is worse than {_listed(behind)}, intervals apart.")
    if behind_paired:
        sentences.append(f"Task by task it is worse than {_listed(behind_paired)}, though the two intervals overlap.")
    worth = [
        f"{comparison.trials_worth(first, sampler)} {label}"
        for sampler, label in SAMPLERS.items()
        if comparison.trials(sampler)
    ]
    if worth:
        sentences.append(f"Its first run on a task is worth {_listed(worth)} tuning trials of the task's own.")
    return " ".join(sentences)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
