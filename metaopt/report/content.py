"""What a page says, before it is laid out: sentences, tables, drawings and charts of a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from metaopt.report import tables
from metaopt.report.headlines import NEVER, caveats, contenders, headline, measured, payback, price, trainings
from metaopt.report.hyperparameters import by_change
from metaopt.report.plots.palette import PALETTE
from metaopt.report.tables import Table
from metaopt.report.task_charts import TaskChart, task_charts, with_curves
from metaopt.tuning import RECIPE, TuneResult, duration

if TYPE_CHECKING:
    from metaopt.report.drawings import Drawn

_USE = """\
import metaopt

recipe = metaopt.load_recipe("recipe")   # the folder beside this page
run = recipe.bind(model, total_steps=epochs * len(loader))"""


class Fact(NamedTuple):
    """A key number with a detail below it."""

    name: str
    value: str
    detail: str


class KeyEntry(NamedTuple):
    """Whose a colour is: CSS variable and dashes."""

    name: str
    variable: str
    dashes: str


@dataclass(frozen=True)
class ChartGroup:
    """Small charts of the tasks of one comparison.

    Attributes:
        title: which tasks.
        charts: of the tasks on which the recipe falls furthest behind, these first.
        tasks: how many there are.
    """

    title: str
    charts: list[TaskChart]
    tasks: int


@dataclass(frozen=True)
class Content:
    """Everything on a page. What is empty or None is left out.

    Attributes:
        title: of the page.
        verdict: the first sentence.
        is_bad: whether the verdict is a warning.
        sentences: what it is worth, what it cost.
        caveats: what to know before believing the rest.
        facts: key numbers.
        key: whose each colour is.
        drawings: plots by name.
        charts: curves task by task.
        summary: the comparison in words.
        comparison: contenders with their scores.
        losses: on how many tasks another one is ahead, in words.
        worst: those tasks.
        recipe: its plugins.
        changed: hyperparameters that differ from their defaults.
        unchanged: the others.
        use: lines of code that use the recipe.
        stopping: its policy in words.
        front: policies that no other one beats.
        race: what was tried, in words.
        candidates: the best of it.
        cost: what was spent on what.
        footer: fingerprints and versions.
        emphasised: the contender whose row stands out.
    """

    title: str
    verdict: str
    is_bad: bool
    sentences: list[str]
    caveats: list[str]
    facts: list[Fact]
    key: list[KeyEntry]
    drawings: "Mapping[str, Drawn]"
    charts: list[ChartGroup]
    summary: str
    comparison: Table | None
    losses: str
    worst: Table | None
    recipe: str
    changed: Table
    unchanged: Table
    use: str
    stopping: str
    front: Table | None
    race: str
    candidates: Table
    cost: Table
    footer: str
    emphasised: str = RECIPE

    @classmethod
    def of(cls, result: TuneResult, drawings: "Mapping[str, Drawn] | None") -> "Content":
        """Of a result; drawings are None where they cannot be made."""
        missing = [] if drawings is not None else ["Plots need matplotlib: pip install 'metaopt-torch[report]'."]
        comparison = measured(result)
        losses, worst = _losses(result)
        changed, unchanged = by_change(tables.recipe_table(result.recipe))
        finished = sum(outcome.complete for _, outcome in result.judged)
        return cls(
            title=f"A recipe for {result.corpus.name}",
            verdict=str(result.verdict),
            is_bad=result.verdict.is_bad,
            sentences=[headline(result), price(result)],
            caveats=[*caveats(result), *missing],
            facts=_facts(result),
            key=_key(result),
            drawings=drawings or {},
            charts=_charts(result),
            summary="" if comparison is None else comparison.summary(),
            comparison=None
            if comparison is None
            else tables.comparison_table(result.comparison, result.tuning_comparison),
            losses=losses,
            worst=worst,
            recipe=result.recipe.name.replace("+", " + "),
            changed=changed,
            unchanged=unchanged,
            use=_USE,
            stopping=tables.stopping(result),
            front=tables.front_table(result.front, result.recipe.stopper) if result.front else None,
            race=f"{len(result.judged):,} candidates were tried; {finished:,} of them ran on all tasks.",
            candidates=tables.candidates_table(result),
            cost=tables.cost_table(result),
            footer=_footer(result),
        )


def _facts(result: TuneResult) -> list[Fact]:
    cost = result.cost
    complete = sum(outcome.complete for _, outcome in result.judged)
    facts = [
        Fact("Tasks", f"{len(result.corpus):,}", f"of {len(result.corpus.families)} families"),
        Fact("Candidates", f"{len(result.judged):,}", f"{complete:,} on all tasks"),
        Fact("Cost", f"{trainings(result):,} trainings", f"{duration(cost.seconds)} of computing"),
    ]
    comparison = measured(result)
    worth = None if comparison is None else comparison.trials_worth()
    if comparison is not None:
        score = comparison.interval(RECIPE)
        low, high = f"{score.low:.2f}", f"{score.high:.2f}"
        facts.append(Fact("Test score of the recipe", f"{score.value:.2f}", _range(low, high)))
    if worth is not None:
        number, low, high = (worth.show(end) for end in (worth.number, worth.low, worth.high))
        facts.append(Fact("A first run is worth", f"{number} trials", _range(low, high)))
    paid = payback(result)
    if paid is not None:
        number, low, high = (paid.show(end) for end in (paid.models, paid.fewest, paid.most))
        facts.append(Fact("Paid for after", f"{number}{'' if number == NEVER else ' models'}", _range(low, high)))
    return facts


def _range(low: str, high: str) -> str:
    return "too few tasks for an interval" if "nan" in (low, high) else f"95 %: {low} to {high}"


def _key(result: TuneResult) -> list[KeyEntry]:
    names = contenders(result)
    return [
        KeyEntry(name, PALETTE.variable(name, names), " ".join(f"{length:g}" for length in PALETTE.dashes(name, names)))
        for name in names
    ]


def _charts(result: TuneResult) -> list[ChartGroup]:
    groups = []
    for title, comparison in (("Held-out tasks", result.comparison), ("Tuning tasks", result.tuning_comparison)):
        if comparison is not None and (tasks := with_curves(comparison)):
            groups.append(ChartGroup(title, task_charts(comparison, contenders(result)), len(tasks)))
    return groups


def _losses(result: TuneResult) -> tuple[str, Table | None]:
    comparison = measured(result)
    if comparison is None or len(comparison.contenders) < 2:
        return "", None
    lost = int((comparison.worst_tasks(len(comparison.tasks))["behind"] > 0).sum())
    sentence = (
        f"On {lost} of {len(comparison.tasks)} tasks some other contender, not always the same one, scores higher."
        if lost
        else "No other contender scores higher on any task."
    )
    return sentence, tables.worst_table(comparison, tables.SHOWN)


def _footer(result: TuneResult) -> str:
    record = result.recipe.provenance
    versions = ", ".join(f"{name} {version}" for name, version in record.get("libraries", {}).items())
    return f"Corpus fingerprint {result.corpus.fingerprint}. Recipe created {record.get('created', '')}. {versions}."
