"""What a plugin declares about itself is sound."""

import math

import pytest

import metaopt
from metaopt import Float, When
from metaopt.space import Categorical
from metaopt.testing import ConformanceError, declarations


def spec(space, **fields):
    return metaopt.StopperSpec(
        name="mine", version="1", fires=lambda batch, hparams: batch.values > 1, space=space, **fields
    )


SOUND = spec(
    {
        "wait": Float(1.0, 10.0, log=True, default=2.0, valid="(0, inf)"),
        "kind": Categorical(("mean", "best")),
        "share": Float(0.0, 1.0, default=0.5, when=When("kind", among=("mean",))),
        "late": Float(0.0, 1.0, default=0.5, when=When("wait", above=3.0)),
    },
    references=("Prechelt 1998",),
    summary="Waits.",
)


@pytest.mark.parametrize("check", declarations.CHECKS, ids=lambda check: check.__name__)
def test_sound_declarations_pass(check):
    check(SOUND)


def test_the_end_of_a_range_is_a_value_that_people_may_give():
    with pytest.raises(metaopt.InputError, match=r"mine\.beta must be in \[0, 1\), got 1\.0"):
        declarations.space_is_sound(spec({"beta": Float(0.5, 1.0, default=0.9, valid="[0, 1)")}))


def test_no_hyperparameter_may_be_infinite():
    with pytest.raises(ConformanceError, match=r"cap may be \[inf\] by valid='\[1, inf\]'"):
        declarations.space_is_finite(spec({"cap": Float(1.0, 2.0, valid="[1, inf]")}))
    with pytest.raises(ConformanceError, match=r"floor may be \[-inf\]"):
        declarations.space_is_finite(spec({"floor": Float(1.0, 2.0, valid="[-inf, 3]")}))


def test_json_holds_no_infinity():
    with pytest.raises(ValueError, match="JSON"):
        declarations.space_survives_json(spec({"cap": Float(1.0, 2.0, default=math.inf, valid="[1, inf]")}))


def test_a_condition_that_never_holds_is_caught():
    space = {"wait": Float(0.0, 0.1), "late": Float(0.0, 1.0, when=When("wait", above=0.1))}
    with pytest.raises(ConformanceError, match=r"tuned only when wait > 0\.1, but it is at most 0\.1"):
        declarations.conditions_can_hold(spec(space))
    space = {"wait": Categorical((1, 2, 5)), "late": Float(0.0, 1.0, when=When("wait", above=5.0))}
    with pytest.raises(ConformanceError, match=r"wait > 5\.0, but it is at most 5\.0"):
        declarations.conditions_can_hold(spec(space))


def test_a_condition_on_a_value_that_cannot_be_is_caught():
    space = {"kind": Categorical(("mean", "best")), "late": Float(0.0, 1.0, when=When("kind", among=("worst",)))}
    with pytest.raises(metaopt.InputError, match="'worst'"):
        declarations.conditions_can_hold(spec(space))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"references": ["Prechelt 1998"]}, "references must be a tuple of strings"),
        ({"references": (1998,)}, "references must be strings"),
        ({"summary": "Waits.\nStops."}, "summary must be one line of text"),
    ],
)
def test_references_and_summary_are_plain_text(fields, message):
    with pytest.raises(ConformanceError, match=message):
        declarations.references_are_given(spec({}, **fields))
