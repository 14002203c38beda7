"""The law is the formula that is written beside it, and refuses what is no law."""

import math

import pytest

import metaopt
from metaopt import RateLaw
from metaopt.contracts import Scale


def test_the_factor_is_the_formula():
    law, scale = RateLaw(0.4, 0.3, 0.2), Scale(parameters=1e6, batch_size=256, total_steps=5_000)
    assert law.factor(scale) == pytest.approx(100**-0.4 * 4**0.3 * 10**-0.2)


def test_what_is_unknown_counts_as_the_anchor():
    assert RateLaw().factor(Scale()) == 1.0
    assert RateLaw().factor(Scale(batch_size=128)) == pytest.approx(2 ** (1 / 3))


def test_the_formula_is_python_that_computes_the_same():
    law, size = RateLaw(1 / 3, 0.0, 0.25), {"parameters": 3e5, "batch_size": 8, "total_steps": 900}
    expression = law.formula(0.03)
    assert "batch_size" not in expression
    assert eval(expression, dict(size)) == pytest.approx(0.03 * law.factor(Scale(**size)), rel=1e-5)


@pytest.mark.parametrize("law", [RateLaw(), RateLaw(0.1, -0.2, 0.0, 0.7, {"parameters": (1e3, 1e5)})])
def test_json_is_read_back(law):
    assert RateLaw.from_json(law.to_json()) == law
    assert hash(RateLaw.from_json(law.to_json())) == hash(law)


@pytest.mark.parametrize("axis", ["parameters", "batch_size", "total_steps"])
@pytest.mark.parametrize("wrong", [math.nan, math.inf, 2.5, "0.3", None, True])
def test_exponents_that_are_none_are_refused(axis, wrong):
    with pytest.raises(metaopt.InputError, match=f"the exponent of {axis} must be a number from -2 to 2, got"):
        RateLaw(**{axis: wrong})


@pytest.mark.parametrize("wrong", [0, -3, math.inf, math.nan, "many", True])
def test_sizes_that_are_none_are_refused(wrong):
    with pytest.raises(metaopt.InputError, match="batch_size must be a number above 0, got"):
        Scale(batch_size=wrong)


@pytest.mark.parametrize(
    "document",
    [3, [1 / 3], {1: 2}, {"parameter": 0.3}, {"measured": {"steps": [1, 2]}}, {"measured": {"parameters": [2, 1]}}],
)
def test_other_documents_are_refused_in_a_sentence(document):
    with pytest.raises(metaopt.InputError):
        RateLaw.from_json(document)
