"""A data frame as a task."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from torch.func import functional_call

from metaopt.configuration import Configuration, assemble
from metaopt.errors import InputError
from metaopt.inner import Member, train
from metaopt.plugin import current_registry
from metaopt.tasks.tables.metrics import auc
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.splitting import split_rows
from metaopt.tasks.tables.table import task_from_frame


def frame(num_rows=60):
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": generator.normal(5, 3, num_rows),
            "gaps": np.where(np.arange(num_rows) % 7 == 0, np.nan, generator.normal(size=num_rows)),
            "colour": np.array(["red", "green", "blue"])[np.arange(num_rows) % 3],
            "target": np.array(["no", "yes"])[np.arange(num_rows) % 2],
        }
    )


def make(table, **settings):
    return task_from_frame(table, "t", TableSettings(**settings), "t.csv")


def test_a_classification_has_codes_for_targets():
    task = make(frame())
    assert task.family == "tabular_classification"
    assert task.loss is torch.nn.functional.cross_entropy
    assert task.splits.train.inputs.shape == (36, 2 + 3)
    assert task.splits.train.inputs.dtype == torch.float32
    assert task.splits.train.targets.dtype == torch.int64
    assert task.build(0)(task.splits.test.inputs).shape == (12, 2)


def test_a_regression_has_standardised_targets():
    task = make(frame().assign(target=np.random.default_rng(1).normal(100, 20, 60)))
    targets = task.splits.train.targets
    assert task.family == "tabular_regression"
    assert targets.shape == (36, 1)
    assert targets.mean().item() == pytest.approx(0, abs=1e-6)
    assert targets.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert task.build(0)(task.splits.test.inputs).shape == (12, 1)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_preprocessing_is_fitted_on_training_rows_alone(kind):
    table = frame()
    if kind == "regression":
        table["target"] = np.random.default_rng(1).normal(size=60)
    changed = table.copy()
    classes = np.unique(table["target"], return_inverse=True)[1] if kind == "classification" else np.zeros(60)
    _, validation, test = split_rows(classes, "t")
    rows = np.concatenate([validation, test])
    changed.loc[rows, "x"] = 1e6
    changed.loc[rows, "gaps"] = -1e6
    changed.loc[rows, "colour"] = "violet"
    if kind == "regression":
        changed.loc[rows, "target"] = 1e6
    before, after = make(table).splits, make(changed).splits
    torch.testing.assert_close(after.train.inputs, before.train.inputs, rtol=0, atol=0)
    torch.testing.assert_close(after.train.targets, before.train.targets, rtol=0, atol=0)
    assert not torch.equal(after.test.inputs, before.test.inputs)


def test_the_same_table_makes_the_same_task():
    assert make(frame()).fingerprint == make(frame()).fingerprint
    assert make(frame()).fingerprint != make(frame(), num_steps=7).fingerprint


def test_settings_reach_the_task():
    task = make(frame(), family="mine", batch_size=500, num_steps=30, num_validations=3, drop=("gaps",))
    assert (task.family, task.batch_size, task.num_steps, task.num_validations) == ("mine", 36, 30, 3)
    assert task.splits.train.inputs.shape[1] == 1 + 3


def test_loss_and_model_can_be_vmapped():
    for table in (frame(), frame().assign(target=np.arange(60) / 7)):
        task = make(table)
        module = task.build(0)
        params = {name: torch.stack([value.detach()] * 2) for name, value in module.named_parameters()}
        loss = torch.vmap(
            torch.func.grad_and_value(
                lambda p, t=task, m=module: t.loss(
                    functional_call(m, p, (t.splits.train.inputs,)), t.splits.train.targets
                )
            )
        )
        assert loss(params)[1].shape == (2,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"drop": ("colours",)},
            "t.csv has no feature 'colours', which drop in corpus.toml lists; it has x, gaps, colour.",
        ),
        (
            {"categories": ("target",)},
            "t.csv has no feature 'target', which categories in corpus.toml lists; it has x,",
        ),
        ({"drop": ("x", "gaps", "colour")}, "t.csv has no feature left; drop fewer columns."),
        (
            {"task": "regression"},
            "t.csv, column 'target': row 1 after the header holds 'no', which is no finite number",
        ),
        ({"model": "torch.nn:Linear2"}, "Module 'torch.nn' has no attribute 'Linear2'"),
        (
            {"model": "torch.nn:Identity"},
            "t.csv: model 'torch.nn:Identity' must turn two rows into a tensor of shape (2, 2)",
        ),
        ({"model": "torch.nn:Conv2d"}, "t.csv: model 'torch.nn:Conv2d' raised TypeError"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_sentence(settings, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make(frame(), **settings)


def test_a_model_of_the_users_own():
    task = make(frame(), model="torch.nn:Linear")
    assert isinstance(task.build(0), torch.nn.Linear)


def test_all_columns_that_cannot_be_used_are_named_at_once():
    table = frame()
    table.insert(0, "user_id", range(60))
    table.insert(0, "price", [f"{'$€'[row % 2]}{row + 1000:,}.50" for row in range(60)])
    table.insert(0, "day", [f"0{row % 3 + 1}/0{row % 5 + 1}/2021" for row in range(60)])
    table["target"] = [f"{row % 2},5" if row else "" for row in range(60)]
    table.loc[0, "target"] = None
    with pytest.raises(InputError) as caught:
        make(table)
    text = str(caught.value)
    assert text.startswith("t.csv has 4 columns that cannot be used: 'target': row 1 after the header has no target")
    assert "'day' holds dates such as '01/04/2021', which may be 2021-04-01 (day-first) or" in text
    assert "'price' mixes units, such as" in text


def test_many_columns_that_cannot_be_used_are_counted():
    names = [f"share {'x' * 200} {column}" for column in range(500)]
    table = pd.DataFrame({**{name: [f"key {row}" for row in range(60)] for name in names}, **frame()})
    with pytest.raises(
        InputError, match=r"has 500 columns that cannot be used: .*; and 49\d more: correct them"
    ) as caught:
        make(table)
    assert len(str(caught.value)) < 500


def test_such_columns_can_be_dropped_or_taken_for_labels():
    table = frame().assign(gaps=[f"{row % 4}%" for row in range(60)])
    assert make(table, drop=("gaps",)).splits.train.inputs.shape[1] == 1 + 3
    assert make(table, categories=("gaps",)).splits.train.inputs.shape[1] == 1 + 4 + 3
    labels = frame().assign(target=[f"{row % 4}%" for row in range(60)])
    assert make(labels, task="classification").splits.train.targets.max() == 3


def test_the_target_may_be_any_column():
    task = make(frame(), target="colour")
    assert task.build(0)(task.splits.test.inputs).shape == (12, 3)
    with pytest.raises(InputError, match=r"t\.csv has no column 'color' \(did you mean 'colour'\?\), which target"):
        make(frame(), target="color")


def test_a_metric_is_measured_and_the_loss_is_trained_on():
    task = make(frame(), metric="auc")
    assert (task.loss, task.metric, task.mode) == (torch.nn.functional.cross_entropy, auc, "max")
    with pytest.raises(InputError, match=r"t\.csv is a classification, which metric = 'r2' in corpus\.toml does not"):
        make(frame(), metric="r2")


def test_rows_without_a_target_can_be_left_out():
    table = frame()
    table.loc[[3, 7], "target"] = None
    with pytest.raises(InputError, match=r'drop_rows = \["no_target"\]'):
        make(table)
    splits = make(table, drop_rows=("no_target",)).splits
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 58


def test_the_group_is_no_input_and_its_rows_are_divided_once_and_for_all():
    table = frame()
    table.insert(0, "patient", [f"p{row // 4}" for row in range(60)])
    task = make(table, group="patient")
    assert task.splits.train.inputs.shape[1] == 2 + 3
    assert task.redraw is None


def test_many_values_do_not_tell_a_training_row_its_own_target():
    generator = np.random.default_rng(0)
    cities = [f"city {code}" for code in generator.integers(0, 250, 800)]
    table = pd.DataFrame({"city": cities, "target": generator.normal(size=800)})
    train, validation = (part for part in (make(table).splits.train, make(table).splits.validation))
    for part in (train, validation):  # noise says nothing about noise
        assert abs(np.corrcoef(part.inputs[:, 0], part.targets[:, 0])[0, 1]) < 0.25
    assert torch.equal(make(table).splits.train.inputs, train.inputs)
    redrawn = make(table).at(1_500_000).splits.train
    assert not torch.equal(redrawn.inputs, train.inputs)


def test_later_rows_are_not_trained_on_where_time_counts():
    table = frame()
    table.insert(0, "day", pd.date_range("2021-01-01", periods=60).strftime("%d.%m.%Y"))
    rows = make(table, time="day")
    assert rows.redraw is None
    assert rows.splits.train.inputs.shape[1] == 4 + 2 + 3  # no years and no days gone by


@pytest.mark.parametrize("settings", [{"metric": "auc", "class_weights": "balanced"}, {"metric": "f1"}])
def test_what_is_measured_without_a_gradient_is_measured_in_the_engine(settings):
    task = make(frame(), num_steps=4, num_validations=2, **settings)
    assembly = assemble(Configuration("sgd"), current_registry())
    curves = [trained.curve for trained in train(task, [Member(assembly, seed) for seed in (0, 1)], compile="off")]
    assert all(np.isfinite(curve.values).all() and (curve.values <= 0).all() for curve in curves)  # the sign of "max"
