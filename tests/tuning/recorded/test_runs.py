"""Portfolios from runs that somebody recorded elsewhere."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metaopt
import metaopt_corpora
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
    """Runs of 33 settings on the 34 tasks of the starter corpus, as somebody else might have exported them."""
    spec = metaopt_corpora.metaopt_plugins()[-1]
    rows = [
        {
            "candidate": evaluation.key.configuration_key,
            "task": evaluation.task,
            "family": evaluation.family,
            "step": step,
            "value": value,
        }
        for evaluation in read(Path(spec.reference_runs))
        if evaluation.key.seed == 0
        for step, value in zip(evaluation.curve.steps, evaluation.curve.values, strict=True)
    ]
    path = tmp_path_factory.mktemp("runs") / "starter.csv.gz"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_the_best_alone_comes_first_and_who_complements_it_follows(tmp_path):
    portfolio = portfolio_of_runs(read_runs(write(tmp_path / "runs.csv", FLAT)))
    assert [member.candidate for member in portfolio.members] == ["good", "fair"]
    assert [member.portfolio_score for member in portfolio.members] == pytest.approx([0.5, 1.0])
    assert portfolio.members[0].by_task == pytest.approx({"a": 1.0, "b": 0.0})  # the best of a, the median of b


def test_the_baseline_can_be_named(tmp_path):
    portfolio = portfolio_of_runs(read_runs(write(tmp_path / "runs.csv", FLAT)), baseline="bad")
    assert {member.candidate: member.by_task for member in portfolio.members}["good"] == pytest.approx(
        {"a": 1.0, "b": 0.6}
    )


def test_a_baseline_that_is_no_candidate_is_refused(tmp_path):
    with pytest.raises(metaopt.InputError, match=r"--baseline 'none' is no candidate that ran on all tasks; there are"):
        portfolio_of_runs(read_runs(write(tmp_path / "runs.csv", FLAT)), baseline="none")


def test_higher_is_better_where_it_is_said(tmp_path):
    rows = [(candidate, task, step, 1 - value) for candidate, task, step, value in FLAT]
    expected = portfolio_of_runs(read_runs(write(tmp_path / "min.csv", FLAT)))
    portfolio = portfolio_of_runs(read_runs(write(tmp_path / "max.csv", rows), mode="max"))
    assert [member.candidate for member in portfolio.members] == [member.candidate for member in expected.members]
    mixed = [(*row, "min") for row in FLAT[::2]] + [(*row[:3], 1 - row[3], "max") for row in FLAT[1::2]]
    path = write(tmp_path / "mixed.csv", mixed, ("candidate", "task", "step", "value", "mode"))
    assert [member.score for member in portfolio_of_runs(read_runs(path)).members] == pytest.approx(
        [member.score for member in expected.members]
    )


def test_runs_all_of_which_diverged_are_refused(tmp_path):
    rows = [(name, task, 1, np.inf) for name in ("a", "b") for task in ("t", "u")]
    with pytest.raises(metaopt.InputError, match="All runs of all candidates diverged"):
        portfolio_of_runs(read_runs(write(tmp_path / "runs.csv", rows)))


def test_what_is_said_of_held_out_tasks_is_what_happens_there(starter):
    runs = read_runs(starter)
    portfolio = portfolio_of_runs(runs, size=4)
    assert (portfolio.num_candidates, len(portfolio.tasks)) == (33, 34)
    scores = [member.held_out.value for member in portfolio.members]
    assert scores == sorted(scores)
    first = portfolio.members[0]
    assert first.held_out.low < first.held_out.value < first.held_out.high
    assert 1 < first.worth.low <= first.worth.number <= first.worth.high
    # A portfolio of random candidates is worth as many trials as it has, so one that was chosen is worth more.
    assert all(member.worth.number > place for place, member in enumerate(portfolio.members, start=1))


@pytest.mark.slow
def test_where_nothing_carries_over_a_first_run_is_worth_one_trial(tmp_path):
    generator = np.random.default_rng(0)
    rows = [(f"c{candidate}", f"t{task}", 1, generator.normal()) for candidate in range(40) for task in range(60)]
    worth = portfolio_of_runs(read_runs(write(tmp_path / "noise.csv", rows)), size=1).members[0].worth
    assert worth.low < 1 < worth.high


@pytest.mark.skipif(not ALEXNET.exists(), reason=f"{ALEXNET.name} is not there")
def test_recorded_runs_of_alexnet(tmp_path):
    rows = []
    for training in recorded(ALEXNET):
        for point in training["learning_curve"]:
            rows += [
                (training["iteration"], metric, point["epoch"] + 1, point[metric]) for metric in ("top_1", "top_5")
            ]
        if training["nan_train_loss"]:
            last = training["learning_curve"][-1]["epoch"] + 2 if training["learning_curve"] else 1
            rows += [(training["iteration"], metric, last, -np.inf) for metric in ("top_1", "top_5")]
    portfolio = portfolio_of_runs(read_runs(write(tmp_path / "alexnet.csv", rows), mode="max"))
    assert portfolio.num_candidates == 512
    assert portfolio.members[0].held_out.value > 0.7  # close to the best of 512
    assert "too few tasks for an interval" in portfolio.summary()
    assert portfolio.summary().endswith("Nothing is claimed.")


@pytest.mark.slow
@pytest.mark.skipif(not DEBERTA.exists(), reason=f"{DEBERTA.name} is not there")
def test_recorded_runs_of_deberta(tmp_path):
    rows = []
    for training in recorded(DEBERTA):
        for name, curve in training["learning_curves"].items():
            rows += [(training["iteration"], name, step, value) for step, value in curve]
    portfolio = portfolio_of_runs(read_runs(write(tmp_path / "deberta.csv", rows), mode="max"))
    assert portfolio.num_candidates == 1024
    assert portfolio.members[0].held_out.value > 0.7
