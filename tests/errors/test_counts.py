import numpy as np
import pytest

from metaopt.errors import InputError, check_positive, is_count


@pytest.mark.parametrize("value", [1, 64, np.int64(3), 2**53 - 1])
def test_positive_whole_numbers_are_counts(value):
    assert is_count(value)
    check_positive("steps", value)


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "5", 2**53, float("nan"), [1]])
def test_what_is_none_is_named(value):
    assert not is_count(value)
    with pytest.raises(InputError, match=r"^steps must be a positive whole number, got .*\.$"):
        check_positive("steps", value, or_none=True)


def test_nothing_will_do_only_where_it_is_allowed():
    check_positive("steps", None, or_none=True)
    with pytest.raises(InputError, match="steps must be a positive whole number, got None"):
        check_positive("steps", None)
