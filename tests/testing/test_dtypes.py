"""A check that is made in several dtypes says in which of them it fails."""

import pytest
import torch

from metaopt.testing import ConformanceError, NotApplicable
from metaopt.testing.dtypes import in_each

DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def failing(messages):
    def check(dtype):
        if dtype in messages:
            raise ConformanceError(messages[dtype])

    return check


def test_a_check_that_holds_in_all_says_nothing():
    in_each(DTYPES, failing({}), None)


def test_all_run_whatever_fails_first():
    tried = []

    def check(dtype):
        tried.append(dtype)
        raise ConformanceError("No.")

    with pytest.raises(ConformanceError, match=r"^No\. The same in torch\.float64, torch\.bfloat16\.$"):
        in_each(DTYPES, check, None)
    assert tried == list(DTYPES)


def test_failures_that_differ_in_the_dtype_alone_are_one():
    messages = {dtype: f"State of {dtype} is lost." for dtype in DTYPES[1:]}
    with pytest.raises(ConformanceError, match=r"^State of torch\.float64 is lost\. The same in torch\.bfloat16\.$"):
        in_each(DTYPES, failing(messages), None)


def test_failures_of_several_kinds_are_told_apart():
    messages = {torch.float32: "One thing.", torch.bfloat16: "Another."}
    with pytest.raises(ConformanceError, match=r"^In torch\.float32: One thing\. In torch\.bfloat16: Another\.$"):
        in_each(DTYPES, failing(messages), None)


def test_whatever_is_raised_is_a_failure():
    def check(dtype):
        if dtype is torch.bfloat16:
            raise KeyError("m")

    with pytest.raises(ConformanceError, match=r"^It raised KeyError: 'm'\.$"):
        in_each(DTYPES, check, None)


def test_what_does_not_concern_a_plugin_is_no_failure():
    def check(dtype):
        raise NotApplicable("Nothing to check.")

    with pytest.raises(NotApplicable, match="Nothing to check"):
        in_each(DTYPES, check, None)
