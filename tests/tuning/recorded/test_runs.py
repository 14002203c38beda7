"""Portfolios from runs that somebody recorded elsewhere."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metaopt
import metaopt_corpora
from metaopt.cli import run
from metaopt.tuning.judging.shipped_references import read
from metaopt.tuning.recorded.runs import portfolio_of_runs
from metaopt.tuning.recorded.runs_file import read_runs
from tests.tuning.recorded.conftest import FLAT, write

CURVES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "curves"
ALEXNET = CURVES / "alexnet_tuning.results.jsonl.gz"
DEBERTA = CURVES / "deberta-base_tuning.results.jsonl.gz"


def recorded(path):
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    """Runs of 33 settings on the 25 tasks of the starter corpus, as somebody else might have exported them."""
    spec = metaopt_corpora.metaopt_plugins()[-1]
    rows = [
        {"candidate": one.key.configuration_key, "task": one.task, "family": one.family, "step": step, "value": value}
        for one in read(Path(spec.reference_runs))
        if one.key.seed == 0
        for step, value in zip(one.curve.steps, one.curve.values, strict=True)
    ]
    path = tmp_path_factory.mktemp("runs") / "starter.csv.gz"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_the_best_alone_comes_first_and_who_complements_it_follows(tmp_path):
    found = portfolio_of_runs(read_runs(write(tmp_path / "runs.csv", FLAT)))
    assert [one.candidate for one in found.members] == ["good", "fair"]
    assert [one.portfolio_score for one in found.members] == pytest.approx([0.5, 1.0])
    assert found.members[0].by_task == pytest.approx({"a": 1.0, "b": 0.0})  # the best of a, the median of b


def test_the_baseline_can_be_named(tmp_path):
    found = portfolio_of_runs(read_runs(write(tmp_path / "runs.csv", FLAT)), baseline="bad")
    assert {one.candidate: one.by_task for one in found.members}["good"] == pytest.approx({"a": 1.0, "b": 0.6})


def test_a_baseline_that_is_no_candidate_is_refused(tmp_path):
    with pytest.raises(metaopt.InputError, match=r"--baseline 'none' is no candidate that ran on all tasks; there are"):
        portfolio_of_runs(read_runs(write(tmp_path / "runs.csv", FLAT)), baseline="none")


def test_higher_is_better_where_it_is_said(tmp_path):
    rows = [(candidate, task, step, 1 - value) for candidate, task, step, value in FLAT]
    expected = portfolio_of_runs(read_runs(write(tmp_path / "min.csv", FLAT)))
    found = portfolio_of_runs(read_runs(write(tmp_path / "max.csv", rows), mode="max"))
    assert [one.candidate for one in found.members] == [one.candidate for one in expected.members]
    mixed = [(*row, "min") for row in FLAT[::2]] + [(*row[:3], 1 - row[3], "max") for row in FLAT[1::2]]
    path = write(tmp_path / "mixed.csv", mixed, ("candidate", "task", "step", "value", "mode"))
    assert [one.score for one in portfolio_of_runs(read_runs(path)).members] == pytest.approx(
        [one.score for one in expected.members]
    )


def test_runs_all_of_which_diverged_are_refused(tmp_path):
    rows = [(name, task, 1, np.inf) for name in ("a", "b") for task in ("t", "u")]
    with pytest.raises(metaopt.InputError, match="All runs of all candidates diverged"):
        portfolio_of_runs(read_runs(write(tmp_path / "runs.csv", rows)))


def test_what_is_said_of_held_out_tasks_is_what_happens_there(starter):
    runs = read_runs(starter)
    found = portfolio_of_runs(runs, size=4)
    assert (found.num_candidates, len(found.tasks)) == (33, 25)
    scores = [one.held_out.value for one in found.members]
    assert scores == sorted(scores)
    first = found.members[0]
    assert first.held_out.low < first.held_out.value < first.held_out.high
    assert 1 < first.worth.low <= first.worth.number <= first.worth.high
    # A portfolio of random candidates is worth as many trials as it has, so one that was chosen is worth more.
    assert all(one.worth.number > place for place, one in enumerate(found.members, start=1))


def test_where_nothing_carries_over_a_first_run_is_worth_one_trial(tmp_path):
    generator = np.random.default_rng(0)
    rows = [(f"c{one}", f"t{task}", 1, generator.normal()) for one in range(40) for task in range(60)]
    worth = portfolio_of_runs(read_runs(write(tmp_path / "noise.csv", rows)), size=1).members[0].worth
    assert worth.low < 1 < worth.high


def test_the_command_prints_and_writes(tmp_path, starter, capsys):
    assert run(["tune", str(starter), "--out", str(tmp_path / "out"), "--portfolio", "3"]) == 0
    said = capsys.readouterr()
    assert "the first candidate is worth" in said.out
    assert said.err == ""
    table = pd.read_csv(tmp_path / "out" / "portfolio.csv")
    assert list(table["place"]) == [1, 2, 3]
    assert "score:iris_mlp" in table
    document = json.loads((tmp_path / "out" / "portfolio.json").read_text())
    assert [row["candidate"] for row in document["portfolio"]] == list(table["candidate"])
    assert document["baseline"] == "median candidate of each task"


def test_the_command_refuses_what_needs_training(tmp_path, capsys):
    path = str(write(tmp_path / "runs.csv", FLAT))
    assert run(["tune", path, "--out", str(tmp_path / "out"), "--n-trials", "5"]) == 2
    assert "error: --n-trials means nothing for a file of runs, where nothing is trained" in capsys.readouterr().err
    assert run(["tune", "starter", "--out", str(tmp_path / "out"), "--mode", "max"]) == 2
    assert "error: --mode is for files of runs alone" in capsys.readouterr().err


@pytest.mark.skipif(not ALEXNET.exists(), reason=f"{ALEXNET.name} is not there")
def test_recorded_runs_of_alexnet(tmp_path):
    rows = []
    for one in recorded(ALEXNET):
        for point in one["learning_curve"]:
            rows += [(one["iteration"], metric, point["epoch"] + 1, point[metric]) for metric in ("top_1", "top_5")]
        if one["nan_train_loss"]:
            last = one["learning_curve"][-1]["epoch"] + 2 if one["learning_curve"] else 1
            rows += [(one["iteration"], metric, last, -np.inf) for metric in ("top_1", "top_5")]
    found = portfolio_of_runs(read_runs(write(tmp_path / "alexnet.csv", rows), mode="max"))
    assert found.num_candidates == 512
    assert found.members[0].held_out.value > 0.7  # close to the best of 512
    assert "too few tasks for an interval" in found.summary()
    assert found.summary().endswith("Nothing is claimed.")


@pytest.mark.skipif(not DEBERTA.exists(), reason=f"{DEBERTA.name} is not there")
def test_recorded_runs_of_deberta(tmp_path):
    rows = []
    for one in recorded(DEBERTA):
        for name, curve in one["learning_curves"].items():
            rows += [(one["iteration"], name, step, value) for step, value in curve]
    found = portfolio_of_runs(read_runs(write(tmp_path / "deberta.csv", rows), mode="max"))
    assert found.num_candidates == 1024
    assert found.members[0].held_out.value > 0.7
