"""A table's rows in its own division, and in those that seeds draw."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import ALL_REDRAWN, REDRAWN
from metaopt.inner import Graphs, Member, train
from metaopt.plugin import current_registry
from metaopt.tasks.tables.columns.features import check_features
from metaopt.tasks.tables.rows import TableRows
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.splitting import redrawn_rows, split_rows
from metaopt.tasks.tables.table import task_from_frame
from metaopt.tasks.tables.target import check_target

#: Of each kind of seed the first, some between, and the last.
SEEDS = (0, 1, 101, REDRAWN - 1, REDRAWN, REDRAWN + 1, REDRAWN + 7, REDRAWN + 101, 31_415, ALL_REDRAWN - 1)
KINDS = {
    "two classes": lambda rows: np.where(rows % 4 == 0, "yes", "no"),
    "five classes": lambda rows: np.array(list("abcde"))[rows % 5],
    "a rare class": lambda rows: np.where(rows < 3, "rare", "common"),
    "regression": lambda rows: np.sin(rows) * 3 + 7.5,
}


def table(kind="two classes", num_rows=60):
    """The column `row` tells rows apart."""
    rows = np.arange(num_rows)
    generator = np.random.default_rng(0)
    order = generator.permutation(num_rows)
    return pd.DataFrame(
        {
            "row": rows + 0.5,
            "gaps": np.where(rows % 7 == 0, np.nan, generator.normal(size=num_rows)),
            "colour": np.array(["red", "green", "blue"])[rows % 3],
            "target": KINDS[kind](order),
        }
    )


def rows_of(frame, name="t", **settings):
    features, refusals = check_features(frame[frame.columns[:-1]], ())
    assert not refusals
    return TableRows.of(features, check_target(frame["target"], None), name, TableSettings(**settings))


def task_of(frame, **settings):
    return task_from_frame(frame, "t", TableSettings(num_steps=4, num_validations=2, batch_size=8, **settings), "t.csv")


def raw(task, frame):
    """Which rows of the table are in each part: the first column, undone by the training rows' mean and scale."""
    parts = (task.splits.train, task.splits.validation, task.splits.test)
    columns = [part.inputs[:, 0].double().numpy() for part in parts]
    everything = np.concatenate(columns)
    order = np.argsort(np.argsort(everything))  # standardising keeps the order, and no row is twice in a division
    assert len(set(everything.round(6))) == len(frame)
    return [set(part.tolist()) for part in np.split(order, np.cumsum([len(column) for column in columns])[:-1])]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_rows", [31, 200])
def test_no_seed_below_a_million_trains_or_validates_on_a_test_row(kind, num_rows):
    task = task_of(table(kind, num_rows))
    own = raw(task, table(kind, num_rows))
    drawn = []
    for seed in SEEDS:
        train_rows, validation, test = raw(task.at(seed), table(kind, num_rows))
        assert test == own[2], seed
        assert not (train_rows | validation) & own[2], seed
        assert not train_rows & validation, seed
        drawn.append(frozenset(train_rows))
    assert len(set(drawn[:4])) == 1  # the table's own
    assert len(set(drawn[3:])) == len(drawn[3:])


@pytest.mark.parametrize("kind", KINDS)
def test_no_row_of_many_divisions_is_a_test_row(kind):
    """The same of rows alone, for many seeds and names."""
    for name in ("a", "b", "another table"):
        target = table(kind)["target"]
        classes = np.zeros(60, dtype=np.int64) if kind == "regression" else pd.factorize(target, sort=True)[0]
        own = split_rows(classes, name)
        for seed in [*range(REDRAWN, REDRAWN + 200), *range(ALL_REDRAWN - 200, ALL_REDRAWN)]:
            train_rows, validation, test = redrawn_rows(classes, own, name, seed, test=False)
            assert test is own[2]
            assert sorted([*train_rows, *validation]) == sorted([*own[0], *own[1]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [REDRAWN, REDRAWN + 1, 31_415, ALL_REDRAWN, ALL_REDRAWN + 101])
def test_draws_have_the_sizes_and_class_counts_of_the_table_s_own_division(kind, seed):
    mine = rows_of(table(kind))
    own, drawn = mine.splits(), mine(seed, test=seed >= ALL_REDRAWN)
    for name in ("train", "validation", "test"):
        before, after = getattr(own, name), getattr(drawn, name)
        assert before.inputs.shape == after.inputs.shape
        assert before.targets.dtype == after.targets.dtype
        if kind != "regression":
            assert before.targets.bincount().tolist() == after.targets.bincount().tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_from_a_million_on_each_row_may_test(kind):
    mine = rows_of(table(kind))
    classes = mine.target.values if kind != "regression" else np.zeros(60, dtype=np.int64)
    tested = set()
    for seed in range(ALL_REDRAWN, ALL_REDRAWN + 40):
        rows = redrawn_rows(classes, mine.own, "t", seed, test=True)
        assert sorted(np.concatenate(rows)) == list(range(60))
        tested |= set(rows[2].tolist())
    assert tested == set(range(60))


def test_a_seed_and_a_name_decide_alone():
    mine, again, other = rows_of(table()), rows_of(table()), rows_of(table(), name="u")
    first, same = mine(REDRAWN, test=False), again(REDRAWN, test=False)
    assert torch.equal(first.train.inputs, same.train.inputs)
    assert torch.equal(first.validation.targets, same.validation.targets)
    for different in (mine(REDRAWN + 1, test=False), other(REDRAWN, test=False), mine(REDRAWN, test=True)):
        assert not torch.equal(first.train.inputs, different.train.inputs)


def test_the_users_own_fractions_are_kept():
    drawn = rows_of(table(), validation=0.3, test=0.1)(REDRAWN, test=False)
    assert [len(part) for part in (drawn.train, drawn.validation, drawn.test)] == [36, 18, 6]


@pytest.mark.parametrize("seed", [REDRAWN, ALL_REDRAWN + 3])
def test_means_scales_and_fills_are_those_of_the_draw_s_own_training_rows(seed):
    mine = rows_of(table())
    frame, rows = table(), redrawn_rows(mine.target.values, mine.own, "t", seed, test=seed >= ALL_REDRAWN)
    drawn = mine(seed, test=seed >= ALL_REDRAWN)
    for column, name in enumerate(["row", "gaps"]):
        values = frame[name].to_numpy()
        median = np.nanmedian(values[rows[0]])
        values = np.where(np.isnan(values), median, values)
        mean, scale = values[rows[0]].mean(), values[rows[0]].std()
        for part, which in zip((drawn.train, drawn.validation, drawn.test), rows, strict=True):
            np.testing.assert_allclose(part.inputs[:, column].numpy(), (values[which] - mean) / scale, atol=1e-5)


def test_targets_of_a_regression_are_in_units_of_the_draw_s_own_training_rows():
    mine = rows_of(table("regression"))
    rows = redrawn_rows(np.zeros(60, dtype=np.int64), mine.own, "t", REDRAWN, test=False)
    drawn, values = mine(REDRAWN, test=False), table("regression")["target"].to_numpy()
    mean, scale = values[rows[0]].mean(), values[rows[0]].std()
    for part, which in zip((drawn.train, drawn.validation, drawn.test), rows, strict=True):
        np.testing.assert_allclose(part.targets[:, 0].numpy(), (values[which] - mean) / scale, atol=1e-5)


def lone_category(row):
    """A table in which one row alone is violet."""
    frame = table()
    frame.loc[row, "colour"] = "violet"
    return frame


def test_a_category_that_a_draw_does_not_train_on_keeps_its_column():
    settled = rows_of(table())
    row = int(settled.own[0][0])  # trains in the table's own division, so that its category has a column
    mine = rows_of(lone_category(row))
    assert mine.splits().train.inputs.shape[1] == 2 + 4
    missing = 0
    for seed in range(REDRAWN, REDRAWN + 20):
        rows = redrawn_rows(mine.target.values, mine.own, "t", seed, test=False)
        drawn = mine(seed, test=False)
        assert drawn.train.inputs.shape[1] == 2 + 4
        violet = [part.inputs[:, 2:].sum(0)[3] for part in (drawn.train, drawn.validation, drawn.test)]  # the last one
        assert sum(violet) == 1
        if row not in rows[0]:
            missing += 1
            assert violet[0] == 0
            assert violet[1] == 1
    assert missing


def test_a_category_that_the_table_s_own_division_does_not_train_on_never_has_a_column():
    row = int(rows_of(table()).own[1][0])
    mine = rows_of(lone_category(row))
    assert mine.splits().train.inputs.shape[1] == 2 + 3
    for seed in range(REDRAWN, REDRAWN + 5):
        rows = redrawn_rows(mine.target.values, mine.own, "t", seed, test=False)
        drawn = mine(seed, test=False)
        parts = torch.cat([drawn.train.inputs, drawn.validation.inputs, drawn.test.inputs])
        assert parts.shape[1] == 2 + 3
        assert (parts[:, 2:].sum(1) == 0).sum() == 1
        where = np.flatnonzero(np.concatenate(rows) == row)[0]
        assert parts[where, 2:].sum() == 0


def test_a_column_that_is_empty_in_a_draw_s_training_rows_is_filled_with_nothing_odd():
    row = int(rows_of(table()).own[0][0])
    frame = table()
    frame["gaps"] = np.where(np.arange(60) == row, 1.0, np.nan)
    mine = rows_of(frame)
    for seed in range(REDRAWN, REDRAWN + 10):
        drawn = mine(seed, test=False)
        assert torch.isfinite(torch.cat([drawn.train.inputs, drawn.validation.inputs, drawn.test.inputs])).all()


def members(seeds, registry):
    return [Member(assemble(Configuration("adamw", hparams={"adamw.lr": 0.01}), registry), seed) for seed in seeds]


def test_draws_share_their_task_s_graphs():
    task, graphs, registry = task_of(table()), Graphs(), current_registry()
    train(task, members([0], registry), graphs=graphs, compile="off")
    made = len(graphs.of_task(task).graphs)
    assert made == len(["gradients", "metrics"])
    train(task, members([REDRAWN, REDRAWN + 1, ALL_REDRAWN], registry), graphs=graphs, compile="off")
    assert len(graphs.of_task(task).graphs) == made
    assert graphs.of_task(task.at(REDRAWN)) is not None


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_what_trains_together_sees_the_rows_that_its_seed_draws(engine):
    task, registry = task_of(table()), current_registry()
    seeds = [REDRAWN + 1, 0, ALL_REDRAWN, REDRAWN, 0, REDRAWN + 1]
    together = train(task, members(seeds, registry), engine=engine, compile="off", resampled=True)
    for seed, result in zip(seeds, together, strict=True):
        fixed = task.at(seed)
        alone = train(fixed_at(fixed), members([seed], registry), engine=engine, compile="off", resampled=True)[0]
        np.testing.assert_allclose(result.curve.values, alone.curve.values, rtol=1e-5)
        np.testing.assert_allclose(result.curve.test, alone.curve.test, rtol=1e-5)
        for name, draws in alone.curve.resampled.items():
            np.testing.assert_allclose(result.curve.resampled[name], draws, rtol=1e-5)
    assert len({result.curve.values[0] for result in together}) == len(set(seeds))


def fixed_at(task):
    """The task with its rows, whatever the seed."""
    return dataclasses.replace(task, redraw=None)
