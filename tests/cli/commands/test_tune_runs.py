"""`metaopt tune RUNS.csv`: a portfolio from runs that somebody recorded, and what has no meaning there."""

import json

import pandas as pd
import pytest

from metaopt.cli.commands.tune_runs import is_runs_file

#: Final values, lower is better: `good` is the best alone, `odd` where that is weak.
VALUES = {
    "good": {"a": 0.1, "b": 0.9, "c": 0.1, "d": 0.2},
    "odd": {"a": 0.9, "b": 0.1, "c": 0.8, "d": 0.9},
    "bad": {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0},
}


@pytest.fixture
def runs(tmp_path):
    """A file of runs of two validations each."""
    rows = [
        (candidate, task, step, value + (0.5 if step == 1 else 0.0))
        for candidate, values in VALUES.items()
        for task, value in values.items()
        for step in (1, 2)
    ]
    rows.append(("seldom", "a", 1, 0.0))
    path = tmp_path / "runs.csv"
    pd.DataFrame(rows, columns=["candidate", "task", "step", "value"]).to_csv(path, index=False)
    return path


def test_a_file_of_runs_is_a_csv_file_that_is_there(tmp_path):
    for name in ("runs.csv", "RUNS.CSV", "runs.csv.gz"):
        assert not is_runs_file(str(tmp_path / name))
        (tmp_path / name).write_text("")
        assert is_runs_file(str(tmp_path / name))
    (tmp_path / "tables.csv").mkdir()
    (tmp_path / "runs.txt").write_text("")
    assert not is_runs_file(str(tmp_path / "tables.csv")), "a folder is a corpus"
    assert not is_runs_file(str(tmp_path / "runs.txt"))


def test_it_prints_and_writes_the_portfolio(run, runs, tmp_path):
    ran = run("tune", runs, "--out", tmp_path / "out", "--portfolio", "2")
    assert ran.code == 0, ran.err
    assert "the first candidate is worth" in " ".join(ran.out.split())
    assert "0 is the task's median candidate, 1 the task's best candidate" in " ".join(ran.out.split())
    assert ran.out.endswith(f"Written to {tmp_path / 'out'}: portfolio.csv, portfolio.json.\n")
    table = pd.read_csv(tmp_path / "out" / "portfolio.csv")
    assert list(table["candidate"]) == ["good", "odd"]
    assert list(table["place"]) == [1, 2]
    assert "score:b" in table
    document = json.loads((tmp_path / "out" / "portfolio.json").read_text())
    assert [row["candidate"] for row in document["portfolio"]] == ["good", "odd"]
    assert document["baseline"] == "median candidate of each task"


def test_candidates_that_lack_tasks_are_named_beside_it(run, runs, tmp_path):
    ran = run("tune", runs, "--out", tmp_path / "out")
    assert ran.err == "Left out, for not all tasks have runs of them: 1 (seldom).\n"


def test_the_baseline_and_the_mode_are_the_users(run, runs, tmp_path):
    ran = run("tune", runs, "--out", tmp_path / "out", "--portfolio", "1", "--baseline", "odd", "--mode", "max")
    assert ran.code == 0, ran.err
    assert "0 is candidate 'odd'" in " ".join(ran.out.split())
    assert list(pd.read_csv(tmp_path / "out" / "portfolio.csv")["candidate"]) == ["bad"], "where higher is better"


@pytest.mark.parametrize(
    "option", [["--n-trials", "5"], ["--optimizers", "adamw"], ["--seeds", "2"], ["--set", "adamw.lr=1e-3..1e-2"]]
)
def test_what_needs_training_is_refused_before_anything_is_written(run, runs, tmp_path, option):
    ran = run("tune", runs, "--out", tmp_path / "out", *option)
    assert ran.code == 2
    sentence = "means nothing for a file of runs, where nothing is trained"
    assert ran.err == f"error: {option[0]} {sentence}: {runs}.\n"
    assert not (tmp_path / "out").exists()


def test_tasks_are_left_out_in_as_many_parts_as_the_user_says(run, runs, tmp_path):
    ran = run("tune", runs, "--out", tmp_path / "out", "--folds", "4", "--workers", "2")
    assert ran.code == 0, ran.err
    assert "4 tasks, chosen on 3 of 4 parts of them" in " ".join(ran.out.split())
    assert json.loads((tmp_path / "out" / "portfolio.json").read_text())["parts"] == 4


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (["--folds", "5"], "--folds must be between 2 and the number of tasks, 4, got 5."),
        (["--folds", "1"], "--folds must be between 2 and the number of tasks, 4, got 1."),
        (["--workers", "0"], "workers must be at least 1, got 0."),
        (["--executor", "rai"], "There is no executor 'rai'; did you mean 'ray'? known: local, ray."),
        (["--address", "auto"], "--address is that of a cluster; choose one with --executor ray."),
    ],
)
def test_where_and_in_what_parts_must_be_possible(run, runs, tmp_path, option, sentence):
    ran = run("tune", runs, "--out", tmp_path / "out", *option)
    assert ran.code == 2
    assert ran.err.splitlines()[-1] == f"error: {sentence}"


def test_what_is_for_files_of_runs_alone_is_refused_elsewhere(run, tmp_path):
    ran = run("tune", "starter", "--out", tmp_path / "out", "--mode", "max")
    assert ran.code == 2
    assert ran.err.startswith("error: --mode is for files of runs alone")
