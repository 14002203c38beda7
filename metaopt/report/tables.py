"""The tables of a report, as text that a terminal and a page show alike."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from metaopt.configuration import Configuration, assemble
from metaopt.deploy import StopperConfiguration
from metaopt.plugin import Registry, StopperSpec, current_registry
from metaopt.recipe import Recipe, recorded
from metaopt.report.headlines import payback, trainings
from metaopt.space import Value, defaults, resolve
from metaopt.tuning import (
    BEST,
    TOLERATED_REGRET,
    UNSCALED,
    WORST,
    Comparison,
    PolicyResult,
    TuneResult,
    duration,
    is_chosen,
)

#: Candidates and tasks that the tables of the best and of the worst show.
SHOWN = 10


@dataclass(frozen=True)
class Table:
    """Text in rows.

    Attributes:
        title: what the rows are.
        columns: names.
        rows: a cell a column each.
        num_labels: leading columns that hold text; the others hold numbers.
        note: how to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_labels: int = 1
    note: str = ""


def comparison_table(
    held_out: Comparison | None, tuning: Comparison | None, held_out_label: str = "held-out tasks"
) -> Table:
    """Contenders with their test scores and intervals, held-out tasks beside tuning tasks where both are known."""
    parts = [
        (label, part) for label, part in ((held_out_label, held_out), ("tuning tasks", tuning)) if part is not None
    ]
    if not parts:
        return Table("Test scores", ("contender",), (), note="Nothing was compared.")
    records_of = [part.table().to_dict("records") for _, part in parts]
    columns, cells = ["contender"], [[name] for name in parts[0][1].contenders]
    for (label, _), records in zip(parts, records_of, strict=True):
        columns.append(label)
        for row, record in zip(cells, records, strict=True):
            row.append(interval(record["mean_score"], record["low"], record["high"]))
    shown = records_of[0]
    diverged = any(record["diverged"] for record in shown)
    columns += ["middle half", "recipe ahead", "lost to", "steps", *(["diverged"] if diverged else [])]
    for position, (row, record) in enumerate(zip(cells, shown, strict=True)):
        first = position == 0
        row += [
            f"{record['iqm_score']:.2f}",
            "" if first else interval(record["recipe_gain"], record["gain_low"], record["gain_high"], sign="+"),
            "" if first else f"{record['tasks_lost_to_it']} of {len(parts[0][1].tasks)}",
            f"{record['steps_used']:.0%}",
            *([f"{record['diverged']}"] if diverged else []),
        ]
    about = f" are about the {parts[0][0]}" if len(parts) > 1 else ""
    over = parts[0][1].over
    which = "" if over == "tasks" else f" (that of the {parts[0][0]} over {over})"
    note = (
        f"Mean test score over tasks with its 95 % interval{which}: 0 is the baseline, 1 a long-tuned run. The further "
        f"columns{about}: the interquartile mean; by how much the recipe is ahead, paired by task; on how "
        "many tasks it loses; the share of its steps that a run takes before it stops."
    )
    return Table("Test scores", tuple(columns), tuple(map(tuple, cells)), note=note)


def scaled_table(comparison: Comparison) -> Table:
    """The recipe beside the baseline on scaled tasks."""
    rows = []
    has_law = any(UNSCALED in part.contenders for part in comparison.scaled.values())
    for name, part in comparison.scaled.items():
        first = part.contenders[0]
        ahead, scores = part.interval(first), part.task_scores(first)
        own = part.runs[part.runs["contender"] == first]
        law = part.difference(UNSCALED, first) if has_law else None
        rows.append(
            (
                name,
                f"{len(part.tasks)}",
                interval(ahead.value, ahead.low, ahead.high, sign="+"),
                f"{int((scores > 0).sum())} of {len(scores)}",
                f"{int(own['diverged'].sum())} of {len(own)}",
                *([] if law is None else [interval(law.value, law.low, law.high, sign="+")]),
            )
        )
    note = (
        "The recipe as it is, on tasks that are scaled: mean log-ratio of the baseline's test value to the recipe's, "
        "with its 95 % interval; +0.10 is a value about a tenth lower than the baseline's there, 0 is as good as it. "
        f"Each task is clipped to [{WORST:g}, {BEST:g}], a run that diverged counts {WORST:g}."
    )
    columns = ("what", "tasks", "ahead of baseline", "better on", "diverged")
    return Table("Scaled tasks", (*columns, *(["ahead of its stated rate"] if has_law else [])), tuple(rows), note=note)


def worst_table(comparison: Comparison, count: int = 3) -> Table:
    """Tasks on which the recipe falls furthest behind the best other contender."""
    records = comparison.worst_tasks(count).to_dict("records")
    rows = [
        (
            str(record["task"]),
            str(record["by"]),
            f"{record['score']:.2f}",
            f"{record['best_other']:.2f}",
            f"{round(record['behind'], 2) + 0.0:+.2f}",
        )
        for record in records
    ]
    note = "Sorted by how far the best other contender is ahead; a negative number means that the recipe is."
    return Table("Worst tasks", ("task", "best other", "recipe", "other", "behind by"), tuple(rows), 2, note)


def recipe_table(recipe: Recipe, registry: Registry | None = None) -> Table:
    """Every plugin of a recipe with all its hyperparameters, beside their defaults."""
    plugins = current_registry(registry)
    assembly = assemble(recipe.configuration, plugins)
    usual = assemble(replace(recipe.configuration, hparams={}), plugins)
    rows: list[tuple[str, ...]] = []
    for spec in assembly.specs:
        rows += _rows(f"{spec.kind} {spec.name}", assembly.values_of(spec), usual.values_of(spec))
    for name, role in recipe.configuration.roles.items():
        own = {field.name: getattr(role, field.name) for field in fields(role)}
        usual_own = {field.name: field.default for field in fields(role)}
        rows += _rows(f"role {name}", _stated(own), _stated(usual_own))
    if recipe.configuration.depth_decay != 1.0:
        rows += _rows("layers", {"depth_decay": recipe.configuration.depth_decay}, {"depth_decay": 1.0})
    for name, law in recipe.rate_law.items():
        rows += _rows(f"rate law of {name}", law.exponents, assembly.part(name).optimizer.rate_law.exponents)
    if recipe.configuration.warmup:
        rows += _rows("rates", {"warmup": recipe.configuration.warmup}, {"warmup": 0.0})
    if recipe.values:
        own_space = recorded(recipe.provenance, "own_space")
        usual_values = {name: recorded(own_space, name).get("default", "") for name in recipe.values}
        rows += _rows("the tasks' own", recipe.values, usual_values)
    if recipe.stopper is not None:
        rows += _stopper_rows(recipe.stopper, plugins)
    return Table(recipe.name, ("plugin", "hyperparameter", "value", "default"), tuple(rows), 2)


def cost_table(result: TuneResult) -> Table:
    """What was spent on what."""
    cost = result.cost
    rows = [
        ("candidates and finalists", f"{cost.evaluations:,}"),
        ("references: baselines, and each task's own tuning trials", f"{cost.reference_evaluations:,}"),
        ("comparisons on fresh seeds, and cross-validation", f"{cost.comparison_evaluations:,}"),
        ("trainings in all", f"{trainings(result):,}"),
        ("computing time", duration(cost.seconds)),
    ]
    if cost.shipped_evaluations:
        shipped = f"{cost.shipped_evaluations:,} trainings, {duration(cost.shipped_seconds)} when made"
        rows.append(("of which came with the corpus", shipped))
    paid = payback(result)
    if paid is not None:
        rows.append(("later models after which it has paid", str(paid)))
    note = (
        "Each later model is spared N − 1 trainings, N being what its first run is worth. A study of T trainings, all "
        "of them counted, has paid after T / (N − 1) models, if one of their trainings costs as much as one here did."
    )
    return Table("Cost", ("what", "how much"), tuple(rows), note=note if paid is not None else "")


def candidates_table(result: TuneResult, count: int = SHOWN) -> Table:
    """The best candidates of the race."""
    rows = [
        (
            f"{proposal.number}",
            _name(proposal.configuration),
            _hparams(proposal.configuration),
            f"{outcome.objective:.3f}",
            f"{outcome.tasks_done}{'' if outcome.complete else ' (dropped)'}",
        )
        for proposal, outcome in list(result.judged)[:count]
    ]
    return Table("Best candidates", ("no.", "plugins", "hyperparameters", "objective", "tasks"), tuple(rows), 3)


def front_table(front: Sequence[PolicyResult], chosen: StopperConfiguration | None, count: int = 6) -> Table:
    """Stopping policies that no other one beats: the recipe's, and others spread evenly over the front."""
    spread = {round(position * (len(front) - 1) / max(count - 1, 1)) for position in range(count)}
    shown = [policy for position, policy in enumerate(front) if position in spread or is_chosen(policy, chosen)]
    rows = [
        (
            f"{describe(policy.stopper)}{' (chosen)' if is_chosen(policy, chosen) else ''}",
            f"{policy.steps_saved:.0%}",
            f"{policy.regret:.4f}",
        )
        for policy in shown
    ]
    note = (
        f"{len(shown)} of the {len(front)} policies that no other one beats, replayed over curves of the finalists. "
        "Quality given up is in units of the distance between a task's references."
    )
    return Table("Stopping policies", ("policy", "steps saved", "quality given up"), tuple(rows), note=note)


def stopping(result: TuneResult) -> str:
    """Steps saved and quality given up by the recipe's stopping policy; empty where no policy was looked for."""
    if not result.front:
        return ""
    chosen = result.stopping
    own = result.recipe.stopper
    if chosen is None and own is not None and any(part.name != "divergence" for part in own.stoppers or (own,)):
        return f"The recipe keeps the stopping policy that it came with, {describe(own)}."
    if chosen is None:
        return (
            f"No stopping policy saved steps and gave up at most {TOLERATED_REGRET:g} of the distance between a task's "
            "references: the recipe trains to the end."
        )
    return (
        f"The recipe stops by {describe(chosen.stopper)}: replayed over the finalists' curves it saves "
        f"{chosen.steps_saved:.0%} of the steps and gives up {chosen.regret:.4f} of the distance between a task's "
        f"references; {TOLERATED_REGRET:g} is tolerated."
    )


def describe(stopper: StopperConfiguration) -> str:
    """A stopper in one line, such as `patience(patience=0.2)`."""
    inner = [f"{name}={number(value)}" for name, value in stopper.hparams.items()]
    return f"{stopper.name}({', '.join([*map(describe, stopper.stoppers), *inner])})"


def interval(value: float, low: float, high: float, sign: str = "") -> str:
    """An estimate with its interval, if it has one."""
    return f"{value:{sign}.2f}" if math.isnan(low) else f"{value:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def number(value: Value | None) -> str:
    """A hyperparameter with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _rows(label: str, values: Mapping[str, Value], usual: Mapping[str, Value]) -> list[tuple[str, ...]]:
    rows = [(name, number(value), number(usual.get(name))) for name, value in values.items()]
    return [(label if position == 0 else "", *row) for position, row in enumerate(rows or [("", "", "")])]


def _stopper_rows(stopper: StopperConfiguration, registry: Registry) -> list[tuple[str, ...]]:
    spec = registry.get(StopperSpec, stopper.name)
    rows = _rows(f"stopper {stopper.name}", resolve(spec.space, stopper.hparams, spec.name), defaults(spec.space))
    return rows + [row for child in stopper.stoppers for row in _stopper_rows(child, registry)]


def _stated(role: Mapping[str, Any]) -> dict[str, Value]:
    """What a role has, in words where it is what its optimizer or the configuration has."""
    return {
        "optimizer": role["optimizer"] or "the recipe's own",
        "rate": role["rate"],
        **({} if role["fan_in"] is None else {"fan_in": role["fan_in"]}),
        "weight_decay": "its optimizer's" if role["weight_decay"] is None else role["weight_decay"],
    }


def _name(configuration: Configuration) -> str:
    if configuration.learner:
        return configuration.learner
    tasks = [name for name in (configuration.weighting, configuration.surgery) if name]
    return " + ".join([*configuration.optimizers, *configuration.wrappers, configuration.controller, *tasks])


def _hparams(configuration: Configuration) -> str:
    """Hyperparameters, those of a role's optimizer with its name, and what roles have of their own."""
    others = configuration.optimizers[1:]
    shown = {
        name if name.partition(".")[0] in others else name.partition(".")[2]: value
        for name, value in configuration.hparams.items()
    }
    for role, own in configuration.roles.items():
        shown.update({f"{role}.{name}": value for name, value in own.to_json().items()})
    if configuration.depth_decay != 1.0:
        shown["depth_decay"] = configuration.depth_decay
    shown.update(configuration.values)
    return ", ".join(f"{name}={number(value)}" for name, value in shown.items())
