"""A recipe beside baselines: same tasks, seeds and budgets, judged on test splits alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from metaopt.configuration import Configuration
from metaopt.contracts import Array
from metaopt.deploy import StopperConfiguration
from metaopt.errors import one_line
from metaopt.recipe import Recipe
from metaopt.tuning.judging.statistics import (
    Interval,
    Population,
    TrialsWorth,
    bootstrap,
    interquartile_mean,
    trials_worth,
)

#: Seeds on which everything that is reported runs; no race and no reference pool uses them.
REPORT_SEEDS = (101, 102, 103)
RECIPE = "recipe"
#: How the tuning trials of a task's own are proposed: at random, or by Optuna's TPE.
Sampler: TypeAlias = Literal["random", "tpe"]
SAMPLERS: dict[Sampler, str] = {"random": "random", "tpe": "TPE"}


@dataclass(frozen=True)
class Contender:
    """Something that is compared.

    Attributes:
        name: in tables.
        configuration: what it trains with.
        stopper: when it stops, or None for the whole budget.
    """

    name: str
    configuration: Configuration
    stopper: StopperConfiguration | None = None

    @classmethod
    def of(cls, recipe: Recipe, name: str = RECIPE) -> "Contender":
        """The recipe as a contender."""
        return cls(name, recipe.configuration, recipe.stopper)


def contender_named(text: str) -> Contender:
    """`"adamw"` or `"adamw+cosine"`: an optimizer at its defaults, at a constant rate unless a controller is named."""
    optimizer, _, controller = text.partition("+")
    return Contender(text, Configuration(optimizer, controller or "constant"))


@dataclass(frozen=True, repr=False)
class Comparison:
    """The result of a comparison.

    Attributes:
        runs: one row a contender, task and seed: `contender, task, family, seed, test, test_score, validation,
            steps, horizon, diverged`; `test` in the task's own orientation, times its sign where it is maximised.
        curves: by (contender, task), the test score of the checkpoint kept so far at each validation, mean over seeds,
            as if nothing had stopped it; empty for black-box tasks.
        expected: expected test score of the best of n random trials on the task itself, by task, shape (pool,).
        targets: steps at which the checkpoint kept so far first was as good on the test split as the baseline's, by
            (contender, task, seed), as a fraction of the horizon; infinite where it never was before the stop.
        guided: test score of the best of the first n trials of a TPE search on the task itself, by task, shape (n,).
        scaled: the recipe beside the baseline on scaled tasks, by what was scaled; scores are log-ratios to the
            baseline's test value.
        over: what the intervals speak of. Over kinds of task, families are drawn too.
    """

    runs: pd.DataFrame
    curves: Mapping[tuple[str, str], Array]
    expected: Mapping[str, Array]
    targets: Mapping[tuple[str, str, int], float]
    guided: Mapping[str, Array] = field(default_factory=dict)
    scaled: Mapping[str, "Comparison"] = field(default_factory=dict)
    over: Population = "tasks"

    def __repr__(self) -> str:
        seeds = self.runs["seed"].nunique()
        return one_line(self, contenders=self.contenders, tasks=len(self.tasks), seeds=seeds, over=self.over)

    @property
    def contenders(self) -> list[str]:
        """Names in the order in which they were given."""
        return list(dict.fromkeys(self.runs["contender"]))

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks."""
        return list(dict.fromkeys(self.runs["task"]))

    def task_scores(self, contender: str) -> pd.Series:
        """Mean test score over seeds, by task."""
        mine = self.runs[self.runs["contender"] == contender]
        return mine.groupby("task", sort=False)["test_score"].mean()

    def families(self) -> list[str]:
        """Family of each task, in the order of `tasks`."""
        return self._families_of(self.tasks)

    def interval(self, contender: str) -> Interval:
        """Mean test score over tasks with its bootstrap interval."""
        return self._over_tasks(self.task_scores(contender), np.mean)

    def middle(self, contender: str) -> Interval:
        """Interquartile mean of the test score over tasks with its bootstrap interval."""
        return self._over_tasks(self.task_scores(contender), interquartile_mean)

    def difference(self, contender: str, to: str = RECIPE) -> Interval:
        """Mean over tasks that both ran on of (score of `to` − score of `contender`), paired by task."""
        return self._over_tasks((self.task_scores(to) - self.task_scores(contender)).dropna(), np.mean)

    def trials_worth(self, contender: str = RECIPE, sampler: Sampler = "random") -> TrialsWorth | None:
        """How many tuning trials of a task's own one run is worth; None where there are no such trials."""
        by_task = self._trials(sampler)
        tasks = [task for task in self.tasks if task in by_task]
        if not tasks:
            return None
        scores = self.task_scores(contender)
        return trials_worth(
            np.asarray([scores[task] for task in tasks]),
            np.stack([by_task[task] for task in tasks]),
            self._families_of(tasks),
            self.over,
        )

    def table(self) -> pd.DataFrame:
        """One row a contender: mean and interquartile mean of the test score, intervals, wins, steps used."""
        mine = self.task_scores(self.contenders[0])
        rows = []
        for name in self.contenders:
            scores = self.task_scores(name)
            middle = self.middle(name)
            runs = self.runs[self.runs["contender"] == name]
            interval, gain = self.interval(name), self.difference(name, self.contenders[0])
            rows.append(
                {
                    "contender": name,
                    "mean_score": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                    "iqm_score": middle.value,
                    "iqm_low": middle.low,
                    "iqm_high": middle.high,
                    "recipe_gain": gain.value,
                    "gain_low": gain.low,
                    "gain_high": gain.high,
                    "tasks_lost_to_it": int((scores - mine > 0).sum()),
                    "steps_used": float((runs["steps"] / runs["horizon"]).mean()),
                    "diverged": int(runs["diverged"].sum()),
                }
            )
        return pd.DataFrame(rows)

    def profile(self, contender: str, taus: Sequence[float]) -> list[float]:
        """Share of runs that are as good as the baseline within τ times the fastest contender's steps."""
        steps = pd.DataFrame(
            {
                name: [self.targets.get((name, task, seed), np.inf) for task, seed in self._pairs()]
                for name in self.contenders
            }
        )
        fastest = steps.min(axis=1)
        return [float((np.isfinite(steps[contender]) & (steps[contender] <= tau * fastest)).mean()) for tau in taus]

    def worst_tasks(self, count: int = 3) -> pd.DataFrame:
        """Tasks on which the first contender falls furthest behind the best other one that ran on them."""
        first, *others = self.contenders
        if not others:
            return pd.DataFrame(columns=["task", "score", "best_other", "by", "behind"])
        scores = pd.DataFrame({name: self.task_scores(name) for name in self.contenders})
        scores = scores[scores[others].notna().any(axis=1)]  # on a black box, tuning trials of its own do not run
        behind = pd.DataFrame(
            {
                "score": scores[first],
                "best_other": scores[others].max(axis=1),
                "by": scores[others].idxmax(axis=1),
            }
        )
        behind["behind"] = behind["best_other"] - behind["score"]
        return behind.sort_values("behind", ascending=False).head(count).reset_index(names="task")

    def summary(self) -> str:
        """One plain sentence, and one for each contender whose interval overlaps."""
        first, *others = self.contenders
        mine = self.interval(first)
        where = f"{len(self.tasks)} tasks{self.population}"
        sentences = [f"{first.capitalize()} scores {mine} on {where} (0 the baseline, 1 long-tuned)."]
        beaten = [name for name in others if mine.low > self.interval(name).high]
        beaten_paired = [name for name in others if name not in beaten and self.difference(name, first).low > 0]
        behind = [name for name in others if self.interval(name).low > mine.high]
        behind_paired = [name for name in others if name not in behind and self.difference(name, first).high < 0]
        level = [name for name in others if name not in (*beaten, *beaten_paired, *behind, *behind_paired)]
        if beaten:
            sentences.append(f"It is better than {_listed(beaten)}, intervals apart.")
        if beaten_paired:
            sentences.append(
                f"Task by task it is better than {_listed(beaten_paired)}, though the two intervals overlap."
            )
        if level and np.isnan(mine.low):
            sentences.append(f"Too few tasks for intervals: nothing is claimed against {_listed(level)}.")
        elif level:
            sentences.append(f"Against {_listed(level)} the intervals overlap: nothing is claimed.")
        if behind:
            sentences.append(f"It is worse than {_listed(behind)}, intervals apart.")
        if behind_paired:
            sentences.append(
                f"Task by task it is worse than {_listed(behind_paired)}, though the two intervals overlap."
            )
        worth = [
            f"{self.trials_worth(first, sampler)} {label}"
            for sampler, label in SAMPLERS.items()
            if self._trials(sampler)
        ]
        if worth:
            sentences.append(f"Its first run on a task is worth {_listed(worth)} tuning trials of the task's own.")
        return " ".join(sentences)

    @property
    def population(self) -> str:
        """What the intervals speak of, as an addition to a number of tasks; empty where it is those tasks' like."""
        return "" if self.over == "tasks" else f", with intervals over {self.over}"

    def _trials(self, sampler: Sampler) -> Mapping[str, Array]:
        return {"random": self.expected, "tpe": self.guided}[sampler]

    def _pairs(self) -> list[tuple[str, int]]:
        """Every task with every seed."""
        return list(dict.fromkeys(zip(self.runs["task"], self.runs["seed"], strict=True)))

    def _families_of(self, tasks: Sequence[str]) -> list[str]:
        by_task = dict(zip(self.runs["task"], self.runs["family"], strict=True))
        return [by_task[task] for task in tasks]

    def _over_tasks(self, values: pd.Series, statistic: Callable[[Array], Any]) -> Interval:
        families = self._families_of(list(values.index))
        return bootstrap(values.to_numpy(), families, lambda resampled: float(statistic(resampled)), self.over)

    @classmethod
    def merged(cls, parts: Sequence["Comparison"]) -> "Comparison":
        """Comparisons on disjoint tasks as one."""
        return cls(
            runs=pd.concat([part.runs for part in parts], ignore_index=True),
            curves={key: value for part in parts for key, value in part.curves.items()},
            expected={key: value for part in parts for key, value in part.expected.items()},
            targets={key: value for part in parts for key, value in part.targets.items()},
            guided={key: value for part in parts for key, value in part.guided.items()},
        )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
