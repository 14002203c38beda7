"""Kill it at any moment, run the same command again: the result is that of an uninterrupted run."""

import contextlib
import os
import random
import signal
import sqlite3
import time

import pytest
import torch

import metaopt
from metaopt.tuning.ledger.ledger import Ledger

pytestmark = pytest.mark.thorough

KILLS = int(os.environ.get("METAOPT_TEST_KILLS", "6"))


def run(children, url, folder, kill_after=None, corpus="lines"):
    """Exit status of one child, killed after so many seconds if it lives that long."""
    child = children.begin(url, folder, corpus)
    if kill_after is not None:
        time.sleep(kill_after)
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.kill(child, signal.SIGKILL)
    return children.status()


def finished(path):
    """Every evaluation with the moment at which it was stored."""
    if not path.exists():
        return {}
    connection = sqlite3.connect(path)
    try:
        query = "SELECT configuration_key, task_fingerprint, seed, id, seconds, finished_at FROM metaopt_evaluations"
        return {row[:3]: row[3:] for row in connection.execute(query)}
    except sqlite3.OperationalError:  # killed before there were tables
        return {}
    finally:
        connection.close()


def decided(url):
    ledger = Ledger(url)
    try:
        return ledger.proposals("metaopt"), ledger.outcomes("metaopt")
    finally:
        ledger.close()


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["lines", "waves"])
def test_a_tuning_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(children, tmp_path, corpus):
    """Lines are trained; on waves learned rules are meta-trained, and the recipe has weights."""
    whole = tmp_path / "whole.db"
    began = time.perf_counter()
    assert run(children, f"sqlite:///{whole}", tmp_path / "whole", corpus=corpus) == 0
    seconds = time.perf_counter() - began

    moments = random.Random(7)
    kills, wanted = 0, KILLS if corpus == "lines" else KILLS // 2
    while kills < wanted:
        killed, folder = tmp_path / f"killed{kills}.db", tmp_path / f"killed{kills}"
        status, before = None, {}
        while status != 0:
            limit = moments.uniform(0, seconds / 3) if kills < wanted else None
            status = run(children, f"sqlite:///{killed}", folder, limit, corpus)
            after = finished(killed)
            assert {key: after.get(key) for key in before} == before  # nothing lost, nothing done again
            before = after
            assert status in (0, -signal.SIGKILL)
            kills += status != 0
        assert set(before) == set(finished(whole))
        assert decided(f"sqlite:///{killed}") == decided(f"sqlite:///{whole}")
        assert children.recipe_in(folder) == children.recipe_in(tmp_path / "whole")
        weights = [metaopt.load_recipe(recipe_folder).theta or {} for recipe_folder in (folder, tmp_path / "whole")]
        assert weights[0].keys() == weights[1].keys()
        assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
        assert bool(weights[0]) == (corpus == "waves")
