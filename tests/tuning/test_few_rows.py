"""Tables of few rows: rows are drawn by seed, what is handed over can be trusted, and a kill changes nothing."""

import contextlib
import os
import random
import signal
import sqlite3
import time

import numpy as np
import pandas as pd
import pytest

import metaopt
from metaopt.contracts import ALL_REDRAWN, REDRAWN
from metaopt.tuning.ledger.ledger import Ledger

pytestmark = pytest.mark.thorough

SETTINGS = "num_steps = 12\nnum_validations = 3\nbatch_size = 16\n"


def write(folder, *, noise):
    """Two tables, of 120 and 150 rows; with noise alone for targets they say nothing of any setting."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name, num_rows in (("waves", 120), ("sides", 150)):
        columns = generator.normal(size=(num_rows, 3))
        waves = np.sin(columns[:, 0]) * 5 + columns[:, 1] + 0.1 * generator.normal(size=num_rows)
        target = waves if name == "waves" else np.where(columns.sum(1) > 0, "up", "down")
        target = generator.permutation(target) if noise else target
        frame = pd.DataFrame(columns, columns=["a", "b", "c"]).assign(target=target)
        frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / "corpus.toml").write_text("".join(f"[{name}]\n{SETTINGS}" for name in ("waves", "sides")))
    return folder


@pytest.fixture(scope="module")
def signal_tables(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tables") / "signal", noise=False)


@pytest.fixture(scope="module")
def noise_tables(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tables") / "noise", noise=True)


def tuned(folder, url="sqlite://", **arguments):
    given = {"n_trials": 6, "optimizers": ["adamw", "sgd"], "controllers": ["constant"], "wrappers": [], **arguments}
    return metaopt.tune(folder, storage=url, against=[], **given)


@pytest.fixture(scope="module")
def of_signal(signal_tables, tmp_path_factory):
    """A study of tables on which settings differ, and its ledger."""
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'study.db'}"
    return tuned(signal_tables, url, folds=2), url


@pytest.fixture(scope="module")
def of_noise(noise_tables):
    return tuned(noise_tables)


def test_a_tuned_recipe_that_is_clearly_better_than_what_may_be_handed_over_is_handed_over(of_signal):
    """The shipped recipe, which `optimizers` excludes, is about as good: the verdict is on AdamW, which it allows."""
    result, _ = of_signal
    judged = {proposal.configuration.key for proposal, _ in result.judged}
    assert result.recipe.configuration.key in judged
    assert result.tuning_comparison.task_scores("recipe").mean() > 0.3  # AdamW is at 0
    assert result.verdict.incumbent == "adamw"
    assert result.verdict.excluded is None
    assert result.verdict.kind in ("level", "better")
    assert result.weak == ()
    assert result.recipe.provenance["verdict"] == result.verdict.to_json()


def test_pure_noise_hands_over_nothing_as_a_win(of_noise):
    assert of_noise.verdict.kind != "better"
    assert "Better than" not in str(of_noise.verdict)
    assert of_noise.portfolio.recipes[0] == of_noise.recipe
    if of_noise.verdict.kind == "untuned":
        assert str(of_noise.verdict).endswith("itself is handed over.")


def test_no_run_that_anything_is_chosen_by_drew_test_rows(of_noise):
    """The ledger says with which rows each run trained, for they follow from its seed."""
    seeds = {evaluation.key.seed for evaluation in of_noise.evaluations}
    assert max(seeds) < ALL_REDRAWN
    assert {0, REDRAWN, REDRAWN + 101} <= seeds


def test_held_out_tables_are_tested_on_rows_that_seeds_draw(of_signal):
    result, _ = of_signal
    assert set(result.comparison.runs["seed"]) == set(range(ALL_REDRAWN + 101, ALL_REDRAWN + 109))
    assert set(result.tuning_comparison.runs["seed"]) == set(range(REDRAWN + 101, REDRAWN + 109))
    assert result.verdict.where == "on 2 held-out tasks alone"  # two speak of no others


def test_the_same_call_again_trains_nothing_and_hands_over_the_same(of_signal, signal_tables):
    result, url = of_signal
    ledger = Ledger(url)
    before = ledger.evaluations(task.fingerprint for task in result.corpus)
    again = tuned(signal_tables, url, folds=2)
    assert len(ledger.evaluations(task.fingerprint for task in result.corpus)) == len(before)
    ledger.close()
    assert again.recipe.configuration == result.recipe.configuration
    assert again.recipe.provenance["scores"] == result.recipe.provenance["scores"]
    assert again.verdict == result.verdict


def finished(path):
    """Number of evaluations that are stored."""
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            return connection.execute("SELECT COUNT(*) FROM metaopt_evaluations").fetchone()[0]
        except sqlite3.OperationalError:  # killed before there were tables
            return 0


def test_a_study_that_is_killed_in_its_races_and_its_finals_hands_over_the_same(children, signal_tables, tmp_path):
    def run(name, kill_after=None):
        child = children.begin(f"sqlite:///{tmp_path / name}.db", tmp_path / name, signal_tables)
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                os.kill(child, signal.SIGKILL)
        return children.status()

    began = time.perf_counter()
    assert run("whole") == 0
    seconds = time.perf_counter() - began
    moments, kills = random.Random(3), 0
    for share in (0.5, 0.7):
        status = run("killed", share * seconds * moments.uniform(0.9, 1.1))
        kills += status == -signal.SIGKILL
        if status == 0:
            break
    assert run("killed") == 0
    assert kills
    assert finished(tmp_path / "killed.db") == finished(tmp_path / "whole.db") > 0
    assert children.recipe_in(tmp_path / "killed") == children.recipe_in(tmp_path / "whole")
