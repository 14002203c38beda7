"""Tables say what the result says, in words and numbers that people can compare."""

import dataclasses

import metaopt
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.report import tables
from metaopt.tuning.stopping.stopping import PolicyResult


def test_held_out_tasks_stand_beside_tuning_tasks(result):
    table = tables.comparison_table(result.comparison, result.tuning_comparison)
    assert table.columns[:3] == ("contender", "held-out tasks", "tuning tasks")
    assert [row[0] for row in table.rows] == result.comparison.contenders
    found = result.comparison.interval("adamw")
    assert dict(zip(table.columns, table.rows[1], strict=True))["held-out tasks"] == (
        f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
    )


def test_diverged_runs_have_a_column_where_there_are_any(result):
    runs = result.comparison.runs
    runs = runs.assign(diverged=runs["contender"] == "adamw")
    table = tables.comparison_table(dataclasses.replace(result.comparison, runs=runs), None)
    assert [dict(zip(table.columns, row, strict=True))["diverged"] for row in table.rows][:2] == ["0", "18"]
    assert "diverged" not in tables.comparison_table(result.comparison, None).columns


def test_too_few_tasks_have_no_interval(tuning_only):
    (first, *_) = tables.comparison_table(None, tuning_only.tuning_comparison).rows
    assert "[" not in first[1]
    assert "nan" not in " ".join(first)


def test_the_worst_tasks_come_first(result):
    behind = [float(row[-1]) for row in tables.worst_table(result.comparison, 6).rows]
    assert behind == sorted(behind, reverse=True)


def test_a_recipe_is_shown_with_every_default(result):
    table = tables.recipe_table(result.recipe)
    optimizer = result.recipe.configuration.optimizer
    assert table.rows[0][:2] == (f"optimizer {optimizer}", "lr")
    assert all(len(row) == 4 for row in table.rows)


def test_what_roles_have_is_shown(result):
    roles = {"matrix": {"optimizer": "sgd", "fan_in": 64}, "input": {"rate": 0.25, "weight_decay": 0.0}}
    hparams = {"adamw.lr": 0.01, "sgd.lr": 0.5}
    configuration = metaopt.Configuration("adamw", "cosine", hparams=hparams, roles=roles, depth_decay=0.9)
    table = tables.recipe_table(metaopt.Recipe.create(configuration))
    assert table.title == "adamw+sgd+cosine"
    shown = [row[:3] for row in table.rows]
    assert ("optimizer sgd", "lr", "0.5") in shown
    start = shown.index(("role input", "optimizer", "the recipe's own"))
    assert shown[start + 1 :] == [
        ("", "rate", "0.25"),
        ("", "weight_decay", "0"),
        ("role matrix", "optimizer", "sgd"),
        ("", "rate", "1"),
        ("", "fan_in", "64"),
        ("", "weight_decay", "its optimizer's"),
        ("layers", "depth_decay", "0.9"),
    ]
    proposal, outcome = result.judged[0]
    changed = dataclasses.replace(
        result, judged=[(dataclasses.replace(proposal, configuration=configuration), outcome)]
    )
    (row,) = tables.candidates_table(changed).rows
    assert row[1] == "adamw + sgd + cosine"
    words = "lr=0.01, sgd.lr=0.5, input.rate=0.25, input.weight_decay=0, matrix.optimizer=sgd, matrix.fan_in=64"
    assert row[2] == f"{words}, depth_decay=0.9"


def test_the_cost_is_counted_in_full(result):
    rows = dict(tables.cost_table(result).rows)
    parts = [rows[name] for name in list(rows)[:3]]
    assert sum(int(part.replace(",", "")) for part in parts) == len(result.evaluations)
    assert rows["trainings in all"] == f"{len(result.evaluations):,}"


def test_the_front_keeps_the_chosen_policy():
    front = [
        PolicyResult(StopperConfiguration("patience", {"patience": n / 100}), n / 1000, n / 100) for n in range(50)
    ]
    chosen = StopperConfiguration("any", stoppers=(front[7].stopper, StopperConfiguration("divergence")))
    table = tables.front_table(front, chosen)
    assert len(table.rows) == 7
    assert [row[0] for row in table.rows if "(chosen)" in row[0]] == ["patience(patience=0.07) (chosen)"]


def test_the_best_candidates_come_first(result):
    objectives = [float(row[3]) for row in tables.candidates_table(result).rows]
    assert len(objectives) == tables.SHOWN
    assert objectives[0] == max(objectives)
