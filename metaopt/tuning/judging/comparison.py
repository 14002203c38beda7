"""A recipe beside baselines: same tasks, seeds and budgets, judged on test splits alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from metaopt.configuration import Configuration
from metaopt.contracts import Array
from metaopt.deploy import StopperConfiguration
from metaopt.errors import one_line
from metaopt.plugin import LearnerSpec, OptimizerSpec, Registry
from metaopt.recipe import Interval, Recipe, TrialsWorth
from metaopt.tuning.judging.noise import Difference, combined, paired_difference
from metaopt.tuning.judging.statistics import (
    LEVEL,
    Population,
    bootstrap,
    interquartile_mean,
    trials_worth,
)
from metaopt.tuning.judging.summary import Sampler, summary

RECIPE = "recipe"


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


def contender_named(text: str, registry: Registry | None = None) -> Contender:
    """`"adamw"` or `"adamw+cosine"`: an optimizer at its defaults, at a constant rate unless a controller is named.

    Args:
        text: what is meant.
        registry: where a learner of this name is looked for; None for optimizers alone.
    """
    if registry is not None and text in registry.names(LearnerSpec) and text not in registry.names(OptimizerSpec):
        return Contender(text, Configuration(learner=text))
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
        examples: by (contender, task), the test score on test examples drawn with replacement, less its mean, shape
            (draws,); where all seeds have the same test examples.
        overlaps: by task, see `metaopt.tuning.judging.noise.overlap_of`.
        incumbents: by task, the contender that would have been used there without tuning; where it is left out, the one
            that did best by validation.
        in_ratios: whether scores are log-ratios to the baseline's value, as on black boxes.
    """

    runs: pd.DataFrame
    curves: Mapping[tuple[str, str], Array]
    expected: Mapping[str, Array]
    targets: Mapping[tuple[str, str, int], float]
    guided: Mapping[str, Array] = field(default_factory=dict)
    scaled: Mapping[str, "Comparison"] = field(default_factory=dict)
    over: Population = "tasks"
    examples: Mapping[tuple[str, str], Array] = field(default_factory=dict)
    overlaps: Mapping[str, float] = field(default_factory=dict)
    incumbents: Mapping[str, str] = field(default_factory=dict)
    in_ratios: bool = False

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

    def lead(self) -> Interval | None:
        """Mean over tasks of (score of the first contender − score of the incumbent); None without any other.

        The interval is over tasks where they are enough for one, else see `lead_here`.
        """
        gains = self._gains()
        if gains is None:
            return None
        interval = self._over_tasks(gains, np.mean)
        return self.lead_here() if np.isnan(interval.low) else interval

    def lead_here(self, over: str | None = None) -> Interval | None:
        """As `lead`, of these very tasks: the interval holds the noise of seeds, rows and test examples alone.

        Args:
            over: a contender that is meant instead of the incumbents, on tasks that it ran on.
        """
        if len(self.contenders) < 2:
            return None
        ran = self.tasks if over is None else list(self.task_scores(over).dropna().index)
        first = self.contenders[0]
        parts = [self._difference_on(task, first, over or self.incumbent(task)) for task in ran]
        lead = combined(parts, np.full(len(parts), 1 / max(len(parts), 1)))
        margin = lead.margin((1 + LEVEL) / 2) if parts and np.isfinite(lead.variance) else float("nan")
        return Interval(lead.value, lead.value - margin, lead.value + margin)

    @property
    def is_of_these_tasks(self) -> bool:
        """Whether its tasks are too few for intervals over tasks: of others like them nothing is known."""
        return bool(np.isnan(self.interval(self.contenders[0]).low))

    def incumbent(self, task: str) -> str:
        """The contender that would have been used on this task without tuning."""
        return self.incumbents.get(task) or self.best_by_validation()

    def best_by_validation(self) -> str:
        """Of all contenders but the first, the one with the best mean validation score over all tasks."""
        others = self.runs[self.runs["contender"].isin(self.contenders[1:])]
        by_task = others.groupby(["contender", "task"], sort=False)["validation_score"].mean()
        means = by_task.groupby("contender", sort=False).mean()
        return str(means.idxmax()) if means.notna().any() else self.contenders[1]

    def _gains(self) -> pd.Series | None:
        """By task, the mean score of the first contender less that of the incumbent."""
        if len(self.contenders) < 2:
            return None
        scores = {name: self.task_scores(name) for name in self.contenders}
        first = scores[self.contenders[0]]
        return pd.Series({task: first[task] - scores[self.incumbent(task)][task] for task in first.index})

    def _difference_on(self, task: str, first: str, second: str) -> Difference:
        runs = self.runs[self.runs["task"] == task]
        mine, other = (runs[runs["contender"] == name].set_index("seed")["test_score"] for name in (first, second))
        paired = pd.concat([mine, other], axis=1, join="inner").to_numpy(dtype=np.float64)
        examples = None
        if first != second and (first, task) in self.examples and (second, task) in self.examples:
            examples = self.examples[first, task] - self.examples[second, task]
        return paired_difference(paired[:, 0], paired[:, 1], examples, overlap=self.overlaps.get(task, 0.0))

    def trials_worth(self, contender: str = RECIPE, sampler: Sampler = "random") -> TrialsWorth | None:
        """How many tuning trials of a task's own one run is worth; None where there are no such trials."""
        by_task = self.trials(sampler)
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
        return summary(self)

    @property
    def population(self) -> str:
        """What the intervals speak of, as an addition to a number of tasks; empty where it is those tasks' like."""
        return "" if self.over == "tasks" else f", with intervals over {self.over}"

    def trials(self, sampler: Sampler) -> Mapping[str, Array]:
        """Test score of the best of n tuning trials of the task's own, by task, shape (n,)."""
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
            examples={key: value for part in parts for key, value in part.examples.items()},
            overlaps={key: value for part in parts for key, value in part.overlaps.items()},
            incumbents={key: value for part in parts for key, value in part.incumbents.items()},
            in_ratios=all(part.in_ratios for part in parts),
        )
