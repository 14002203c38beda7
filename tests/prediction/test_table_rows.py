"""Rows of a table, as a model is fitted to them."""

import torch

import metaopt
from metaopt.prediction.table_rows import TableRows


def test_rows_are_prepared_as_the_task_has_them(tables):
    task = next(task for task in metaopt.load_corpus(tables) if task.name == "rents")
    rows = TableRows(task.splits)
    train, reader = rows.prepared(rows.own[0])
    assert torch.equal(train.inputs, task.splits.train.inputs)
    assert torch.equal(rows.split(reader, rows.own[1]).targets, task.splits.validation.targets)
    assert rows.augmented(train.inputs, 0, 0) is train.inputs
    assert rows.is_known
    assert not rows.is_fixed


def test_a_function_makes_the_model(tables):
    task = next(task for task in metaopt.load_corpus(tables) if task.name == "lets")
    rows = TableRows(task.splits, lambda inputs, outputs: torch.nn.Linear(inputs, outputs))
    _, reader = rows.prepared(rows.own[0])
    assert not rows.is_known
    assert rows.model(reader).out_features == 2


def test_a_division_by_time_stays_as_it_is(tables, tmp_path):
    (tmp_path / "rents.csv").write_bytes((tables / "rents.csv").read_bytes())
    (tmp_path / "corpus.toml").write_text('[rents]\ntime = "built"\n')
    (task,) = metaopt.load_corpus(tmp_path)
    assert TableRows(task.splits).is_fixed
