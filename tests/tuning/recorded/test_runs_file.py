"""Recorded runs are read from a CSV file, and what is wrong with it is said in a sentence."""

import gzip

import numpy as np
import pandas as pd
import pytest

import metaopt
from metaopt.tuning.recorded.runs_file import read_runs
from tests.tuning.recorded.conftest import FLAT, text_of, write


def test_runs_validated_at_other_steps_are_compared_at_the_same_moments(tmp_path):
    rows = [
        ("slow", "a", 10, 0.9),
        ("slow", "a", 100, 0.1),
        ("fast", "a", 1, 0.5),
        ("fast", "a", 40, 0.1),  # ends early, and keeps what it has
        ("slow", "b", 10, 0.9),
        ("fast", "b", 10, 0.8),
    ]
    curves = read_runs(write(tmp_path / "runs.csv", rows)).curves["a"]
    np.testing.assert_array_equal(curves["slow"].steps, curves["fast"].steps)
    assert (curves["fast"].steps[0], curves["fast"].steps[-1]) == (10, 100)
    assert curves["fast"].values[0] == 0.5
    assert curves["fast"].values[-1] == curves["slow"].values[-1] == 0.1
    assert curves["fast"].values.mean() < curves["slow"].values.mean()


def test_a_run_that_diverged_has_the_worst_score(tmp_path):
    rows = [*FLAT[:4], ("bad", "a", 1, 0.1), ("bad", "a", 2, np.inf), ("bad", "b", 1, 0.1)]
    runs = read_runs(write(tmp_path / "runs.csv", rows))
    assert runs.curves["a"]["bad"].diverged
    assert not runs.curves["b"]["bad"].diverged


@pytest.mark.parametrize("name", ["{vision}", "{", "}", "{0}", "100%s", "{task!r}"])
def test_names_with_braces_are_only_names(tmp_path, name):
    path = tmp_path / "runs.csv"
    rows = [
        (candidate, f"{task}{name}", 1, 0.5, f"{task}{candidate}{name}")
        for task in ("t", "u")
        for candidate in ("a", "b")
    ]
    pd.DataFrame(rows, columns=["candidate", "task", "step", "value", "family"]).to_csv(path, index=False)
    with pytest.raises(metaopt.InputError) as caught:
        read_runs(path)
    assert repr(f"ta{name}") in str(caught.value)
    assert repr(f"tb{name}") in str(caught.value)


def test_candidates_without_runs_on_all_tasks_are_left_out(tmp_path):
    runs = read_runs(write(tmp_path / "runs.csv", FLAT[:5]))
    assert (runs.candidates, runs.left_out) == (["good", "fair"], ("bad",))


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (FLAT[:1] + FLAT[1:2], r"has one candidate, 'good'; a portfolio is chosen among several"),
        (FLAT[::2], r"has one task, 'a'; what holds for other tasks needs at least two"),
        (FLAT[:3], r"has 1 candidates that ran on all 2 tasks, of 2; at least two are needed"),
        ([*FLAT, ("good", "a", 1, 0.1)], r"line 8: candidate 'good' has step 1 of task 'a' a second time; keep one"),
        ([*FLAT[:2], ("good", "a", 2, "nan")], r"line 4: value must be a number, got 'nan'; leave the row out"),
        ([*FLAT[:2], ("good", "a", 2, "")], r"line 4: value must be a number, got ''"),
        ([*FLAT[:2], ("good", "a", "two", 1)], r"line 4: step must be a number, got 'two'; count steps"),
        ([*FLAT[:2], ("good", "", 2, 1)], r"line 4: task is empty; name it"),
        ([*FLAT, ("good", "a", 2, -np.inf)], r"line 8: value is infinitely good; write a number"),
        ([], r"has no rows; write one a validation"),
    ],
)
def test_a_table_that_is_wrong_is_one_sentence(tmp_path, rows, match):
    with pytest.raises(metaopt.InputError, match=match):
        read_runs(write(tmp_path / "runs.csv", rows))


def test_columns_and_modes_that_are_wrong_are_named(tmp_path):
    path = write(tmp_path / "runs.csv", [("a", "t", 1)], ("candidate", "task", "value"))
    with pytest.raises(metaopt.InputError, match=r"lacks the column step; a file of runs has candidate, task, step"):
        read_runs(path)
    path = write(
        tmp_path / "runs.csv", [(*row, "down") for row in FLAT], ("candidate", "task", "step", "value", "mode")
    )
    with pytest.raises(metaopt.InputError, match=r"line 2: mode must be min or max, got 'down'"):
        read_runs(path)
    with pytest.raises(metaopt.InputError, match=r"has a column 'mode', so --mode max cannot be given too"):
        read_runs(path, "max")
    rows = [(*row, "f" if place else "g") for place, row in enumerate(FLAT)]
    path = write(tmp_path / "runs.csv", rows, ("candidate", "task", "step", "value", "family"))
    with pytest.raises(metaopt.InputError, match=r"line 4: family of task 'a' was 'g', is 'f'; a task has one"):
        read_runs(path)


@pytest.mark.parametrize("cut", [30, 60, -5])
def test_a_truncated_compressed_file_is_refused(tmp_path, cut):
    (tmp_path / "runs.csv.gz").write_bytes(gzip.compress(text_of(FLAT * 20).encode())[:cut])
    with pytest.raises(metaopt.InputError, match=r"runs\.csv\.gz cannot be read as CSV: it ends too early"):
        read_runs(tmp_path / "runs.csv.gz")


def test_spaces_make_no_further_candidates_or_tasks(tmp_path):
    plain, spaced = tmp_path / "plain.csv", tmp_path / "spaced.csv"
    plain.write_text(text_of(FLAT))
    spaced.write_text("\ufeff" + text_of((f" {c}\u00a0", f"{t}  ", f" {s}\t", f"{v} ") for c, t, s, v in FLAT))
    assert read_runs(spaced).curves.keys() == read_runs(plain).curves.keys()
    assert read_runs(spaced).candidates == read_runs(plain).candidates


@pytest.mark.parametrize("row", ["good,a,9", "good,a,9,1,2", "good"])
def test_rows_of_other_lengths_are_refused(tmp_path, row):
    (tmp_path / "runs.csv").write_text(text_of(FLAT) + row + "\n")
    with pytest.raises(metaopt.InputError, match=r"runs\.csv"):
        read_runs(tmp_path / "runs.csv")


def test_braces_in_a_cell_are_braces(tmp_path):
    rows = [(*row, "{x}" if number else "{y}") for number, row in enumerate(FLAT)]
    write(tmp_path / "runs.csv", rows, ("candidate", "task", "step", "value", "family"))
    with pytest.raises(metaopt.InputError, match=r"family of task 'a' was '\{y\}', is '\{x\}'"):
        read_runs(tmp_path / "runs.csv")


def test_a_curve_is_the_best_value_so_far(tmp_path):
    rows = [("good", "a", step, value) for step, value in ((3, 0.2), (1, 0.5), (2, 0.7))]
    rows += [("fair", "a", step, 0.6) for step in (1, 2, 3)]
    rows += [(candidate, "b", 1, 0.5) for candidate in ("good", "fair")]
    runs = read_runs(write(tmp_path / "runs.csv", rows))
    curve = runs.curves["a"]["good"]
    assert curve.steps.tolist() == [1.0, 2.0, 3.0]
    assert curve.values.tolist() == curve.test.tolist() == [0.5, 0.5, 0.2]
    assert curve.horizon == 3
    assert runs.families == {"a": "runs", "b": "runs"}


def test_where_higher_is_better_values_are_turned_around(tmp_path):
    runs = read_runs(write(tmp_path / "runs.csv", FLAT), mode="max")
    assert runs.curves["a"]["bad"].values.tolist() == [-0.9]


def test_after_a_divergence_there_is_no_value(tmp_path):
    rows = [
        *FLAT,
        ("bad", "a", 2, np.inf),
        ("bad", "a", 3, 0.1),
        *((c, "a", s, 0.5) for c in ("good", "fair") for s in (2, 3)),
    ]
    values = read_runs(write(tmp_path / "runs.csv", rows)).curves["a"]["bad"].values
    np.testing.assert_array_equal(values, [0.9, np.nan, np.nan])
