import time

import pytest

from metaopt.tuning.search.time_limit import TimeLimit, TimeUpError


def test_a_deadline_ends_trainings_only_where_it_is_enforced():
    limit = TimeLimit(time.monotonic() - 1, train=True)
    limit.check()
    with limit.enforced(), pytest.raises(TimeUpError):
        limit.check()
    limit.check()
    assert limit.late
    assert limit.remaining == ", 0 s left"


def test_an_error_inside_lifts_the_deadline_again():
    limit = TimeLimit(time.monotonic() - 1, train=True)
    with pytest.raises(TimeUpError), limit.enforced():
        limit.check()
    limit.check()


def test_without_a_deadline_nothing_is_late():
    limit = TimeLimit(None, train=True)
    with limit.enforced():
        limit.check()
    assert not limit.late
    assert limit.remaining == ""


def test_a_ledger_that_is_only_read_trains_nothing():
    with pytest.raises(TimeUpError):
        TimeLimit(None, train=False).check()
