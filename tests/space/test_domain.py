"""Intervals as mathematics writes them."""

import math

import pytest

from metaopt.errors import InputError
from metaopt.space import Domain


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("[0, 1)", (0.0, 0.999), (1.0, -0.001)),
        ("(0, inf)", (1e-300, 1e300), (0.0, math.inf)),
        ("(-inf, inf]", (-1e300, math.inf), (-math.inf,)),
        (" [2, 2] ", (2.0,), (1.999, 2.001)),
    ],
)
def test_an_interval_is_read_as_in_mathematics(text, inside, outside):
    interval = Domain.parse(text)
    assert all(value in interval for value in inside)
    assert not any(value in interval for value in outside)
    assert math.nan not in interval
    assert str(interval) == text.strip()


@pytest.mark.parametrize("text", ["", "0, 1", "[0; 1]", "[1, 0]", "{0, 1}", "[a, b]", "[0, 1, 2]", "[nan, 1]"])
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(InputError, match=r"An interval looks like '\[0, 1\)', got"):
        Domain.parse(text)
