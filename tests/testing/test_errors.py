"""How a check says that a plugin fails, or that there is nothing to check."""

import unittest

import pytest

from metaopt.testing import ConformanceError, Location, NotApplicable
from metaopt.testing.errors import Blocked, require


def test_what_holds_says_nothing():
    require(True, "Never said.")


def test_what_does_not_hold_says_where_to_look():
    with pytest.raises(ConformanceError, match=r"^Wrong\.$") as raised:
        require(False, "Wrong.", at=len)
    assert raised.value.at is len
    assert raised.value.message == "Wrong."


def test_the_line_follows_the_message_where_it_is_known():
    error = ConformanceError("Wrong.", location=Location("mine.py", 3, "return 1"))
    assert str(error) == "Wrong.\nmine.py:3: return 1"
    assert error.message == "Wrong."


def test_pytest_and_unittest_count_what_does_not_apply_as_skipped():
    class Tests(unittest.TestCase):
        def test_it(self):
            raise Blocked("It could not run.")

    result = unittest.TestResult()
    Tests("test_it").run(result)
    assert [reason for _, reason in result.skipped] == ["It could not run."]
    assert result.wasSuccessful()
    assert issubclass(Blocked, NotApplicable)
    assert issubclass(ConformanceError, AssertionError)
