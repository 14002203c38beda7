"""Kill it at any moment, run the same command again: the result is that of an uninterrupted run."""

import contextlib
import os
import random
import signal
import sqlite3
import time

import pytest

from metaopt.tuning.ledger import Ledger

KILLS = int(os.environ.get("METAOPT_TEST_KILLS", "6"))


def run(children, url, folder, kill_after=None):
    """Exit status of one child, killed after so many seconds if it lives that long."""
    child = children.begin(url, folder)
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
def test_a_tuning_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(children, tmp_path):
    whole = tmp_path / "whole.db"
    began = time.perf_counter()
    assert run(children, f"sqlite:///{whole}", tmp_path / "whole") == 0
    seconds = time.perf_counter() - began

    moments = random.Random(7)
    kills = 0
    while kills < KILLS:
        killed, folder = tmp_path / f"killed{kills}.db", tmp_path / f"killed{kills}"
        status, before = None, {}
        while status != 0:
            limit = moments.uniform(0, seconds / 3) if kills < KILLS else None
            status = run(children, f"sqlite:///{killed}", folder, limit)
            after = finished(killed)
            assert {key: after.get(key) for key in before} == before  # nothing lost, nothing done again
            before = after
            assert status in (0, -signal.SIGKILL)
            kills += status != 0
        assert set(before) == set(finished(whole))
        assert decided(f"sqlite:///{killed}") == decided(f"sqlite:///{whole}")
        assert children.recipe_in(folder) == children.recipe_in(tmp_path / "whole")
