"""The sentences that come first: what the recipe is worth, what it cost, and when it has paid for itself."""

import math
from dataclasses import dataclass

from metaopt.contracts import FewShotTask, Task
from metaopt.tuning import AT_ITS_DEFAULTS, LEAST_FREEDOM, RECIPE, Comparison, TrialsWorth, TuneResult, duration

#: How many models it takes where it never pays.
NEVER = "never"
#: Tasks that a sentence names.
NAMED = 6


@dataclass(frozen=True)
class Payback:
    """After how many later models a study has paid for itself.

    Each later model's first run is worth N random tuning trials of its own, so its owner is spared N − 1 trainings; a
    study that took T trainings, all of them counted, has therefore paid after T / (N − 1) models. That takes a training
    of the corpus to cost as much as one of the later model: where the later ones are larger, it pays sooner.

    Attributes:
        models: with N as measured; infinite where N is at most 1.
        fewest: with the upper end of N's interval.
        most: with the lower end of N's interval.
        pooled: models if N were as large as the pool of trials; N beyond it is not measured, so `models` and the
            ends are at most what is said here.
    """

    models: float
    fewest: float
    most: float
    pooled: float

    @classmethod
    def of(cls, worth: TrialsWorth, trainings: int) -> "Payback":
        """After how many models `trainings` are repaid by runs of this worth."""
        numbers = (worth.number, worth.high, worth.low, worth.pool)
        return cls(
            *(_models(number if math.isnan(number) else min(number, worth.pool), trainings) for number in numbers)
        )

    def __str__(self) -> str:
        if math.isinf(self.models):
            return NEVER
        if math.isnan(self.most):
            return f"{self.show(self.models)} (no interval)"
        return f"{self.show(self.models)} [{self.show(self.fewest)}, {self.show(self.most)}]"

    def show(self, models: float) -> str:
        """A number of models, as far as the pool of trials can tell."""
        if not math.isfinite(models):
            return NEVER if math.isinf(models) else "nan"
        return f"{'≤ ' if models <= self.pooled else ''}{models:,.0f}"


def _models(worth: float, trainings: int) -> float:
    if math.isnan(worth):
        return math.nan
    return math.ceil(trainings / (worth - 1)) if worth > 1 else math.inf


def measured(result: TuneResult) -> Comparison | None:
    """The comparison that the headline is about: held out where there is one, else on the tuning tasks."""
    return result.comparison if result.comparison is not None else result.tuning_comparison


def contenders(result: TuneResult) -> list[str]:
    """Everybody that is compared anywhere, in the order of tables: each has one colour on the whole page."""
    parts = (measured(result), result.comparison, result.tuning_comparison)
    return list(dict.fromkeys(name for part in parts if part is not None for name in part.contenders))


def trainings(result: TuneResult) -> int:
    """Training runs of the study, its references and its comparisons together; also those that came with a corpus."""
    cost = result.cost
    return cost.evaluations + cost.reference_evaluations + cost.comparison_evaluations


def payback(result: TuneResult) -> Payback | None:
    """After how many later models it has paid; None where nothing was held out that could stand for later models."""
    worth = None if result.comparison is None else result.comparison.trials_worth()
    return None if worth is None else Payback.of(worth, trainings(result))


def headline(result: TuneResult) -> str:
    """What the first run of a later model is worth, with its interval."""
    comparison = measured(result)
    if comparison is None:
        return "The time was up before the recipe could be compared with anything: what it is worth is not known."
    if few_shot(result):
        return " ".join(_episodes(comparison, task) for task in comparison.tasks)
    worth = comparison.trials_worth()
    if worth is None:
        return f"{comparison.summary()} For black boxes, what a run is worth in tuning trials is not measured."
    if result.comparison is None:
        return (
            f"On the {_tasks(comparison)} that it was tuned on, one run is worth {worth} random tuning trials of a "
            f"task's own{'' if worth.low > 1 else ', which claims nothing'}; what it is worth for a new model was not "
            "measured."
        )
    seen = "of families that tuning never saw" if result.held_out_by == "families" else "that tuning never saw"
    where = f"on {_tasks(comparison)} {seen}"
    if worth.number < 1:
        return (
            f"The first run of a new model is worth less than one random tuning trial of its own {where}: "
            "tuning this family has not paid so far."
        )
    sentence = f"The first run of a new model is worth {worth} random tuning trials of its own {where}."
    if math.isnan(worth.low):
        return f"{sentence} Without an interval, no number of trials is claimed."
    if comparison.over != "tasks":
        sentence = f"{sentence} The interval is over {comparison.over}."
    return sentence if worth.low > 1 else f"{sentence} The interval reaches down to one trial: nothing is claimed."


def few_shot(result: TuneResult) -> bool:
    """Whether the study was of few-shot tasks, which hold out classes of their own."""
    return all(isinstance(task, FewShotTask) for task in result.corpus)


def _episodes(comparison: Comparison, task: str) -> str:
    """What the recipe reaches on unseen episodes of a task, beside the best of the others."""
    rows = comparison.runs[comparison.runs["task"] == task]
    scores, values = (rows.groupby("contender")[column].mean() for column in ("test_score", "test"))
    sentence = f"On unseen episodes of {task!r} the recipe reaches {values[RECIPE]:.4g}"
    others = scores.drop(RECIPE)
    if others.empty:
        return f"{sentence}."
    best = others.idxmax()
    learned = "" if best.endswith(AT_ITS_DEFAULTS) else ", which learned nothing beforehand"
    return f"{sentence}; the best of the others, {best}{learned}, {values[best]:.4g}."


def price(result: TuneResult) -> str:
    """What the study cost, and after how many later models it has paid."""
    cost = result.cost
    sentence = f"It cost {trainings(result):,} trainings, {duration(cost.seconds)} of computing."
    if cost.shipped_evaluations:
        when_made = duration(cost.shipped_seconds)
        sentence += f" {cost.shipped_evaluations:,} of them, {when_made} when made, came with the corpus."
    paid = payback(result)
    if paid is None or math.isnan(paid.most):
        return sentence
    if math.isinf(paid.models):
        return f"{sentence} Worth no more than one trial a model, it never pays for itself."
    return f"{sentence} After {paid} later models it has paid for itself."


def caveats(result: TuneResult) -> list[str]:
    """What a reader must know before believing the rest."""
    sentences = []
    if result.interrupted:
        sentences.append("The time was up before all candidates had run; the same command continues where it stopped.")
    if few_shot(result):
        sentences.append("Episodes that are reported have classes, or functions, that no meta-training saw.")
    elif result.comparison is None:
        flattered = "these numbers are of the tasks that the recipe was tuned on, and flatter it"
        if result.held_out_by is None:
            sentences.append(
                f"No task was held out: {flattered}; use --folds or --held-out to measure its worth elsewhere."
            )
        else:
            sentences.append(f"The held-out tasks are not compared yet: {flattered}.")
    if result.weak:
        sentences.append(weakness(result))
    comparison = measured(result)
    if comparison is not None and comparison.over == "tasks of these families":
        sentences.append(
            "Intervals are over tasks of these families and say nothing of another kind of task: "
            f"{len(set(comparison.families()))} held out, and that takes at least {LEAST_FREEDOM + 1}."
        )
    if comparison is not None and math.isnan(comparison.interval(RECIPE).low) and not few_shot(result):
        few = f"{_tasks(comparison)} {'is' if len(comparison.tasks) == 1 else 'are'} too few for intervals"
        sentences.append(f"{few}: of further tasks nothing is claimed; add tasks.")
    return sentences


def weakness(result: TuneResult) -> str:
    """Which tuning tasks cannot tell settings apart, and what would help."""
    splits = {task.name: len(task.splits.validation) for task in result.corpus if isinstance(task, Task)}
    rows = [splits[name] for name in result.weak]
    span = f"{min(rows):,}" if min(rows) == max(rows) else f"{min(rows):,} to {max(rows):,}"
    names = ", ".join(result.weak[:NAMED]) + (
        f" and {len(result.weak) - NAMED} more" if len(result.weak) > NAMED else ""
    )
    return f"{names}: {span} validation rows cannot tell these settings apart; add rows or tasks."


def _tasks(comparison: Comparison) -> str:
    count = len(comparison.tasks)
    return f"{count} task{'' if count == 1 else 's'}"
