"""A policy's first answers are checked before anything builds on them."""

import numpy as np
import pytest

import metaopt
from metaopt import Decision, Float
from metaopt.contracts import CurveBatch
from metaopt.testing import ConformanceError, NotApplicable
from metaopt.testing.stoppers.curves import curves
from metaopt.testing.stoppers.policies import (
    answers_soundly,
    configuration,
    pure_answer,
    pure_form,
    registry_with,
    settings_of,
    stopper_of,
    through_json,
)

SPACE = {"level": Float(0.1, 2.0, default=0.5)}


class Counting:
    """Stops at the third validation."""

    def __init__(self, mode, level):
        self.count = 0

    def observe(self, observation):
        self.count += 1
        return Decision(self.count >= 3, "The third." if self.count >= 3 else "")

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


def above(batch, hparams):
    return batch.values > hparams["level"]


def pure(fires=above, **fields):
    return metaopt.StopperSpec(name="mine", version="1", fires=fires, space=SPACE, **fields)


def made(factory=Counting, **fields):
    return metaopt.StopperSpec(name="mine", version="1", factory=factory, space=SPACE, **fields)


@pytest.mark.parametrize("spec", [pure(), made()], ids=["pure", "class"])
def test_sound_policies_pass(spec):
    answers_soundly(spec)


@pytest.mark.parametrize(
    "fires",
    [
        lambda batch, hparams: batch.values,
        lambda batch, hparams: (batch.values > 1).any(axis=1),
        lambda batch, hparams: [True],
    ],
    ids=["numbers", "a shape", "a list"],
)
def test_a_pure_form_must_give_booleans_of_the_values_shape(fires):
    with pytest.raises(ConformanceError, match=r"must return booleans of the shape of batch\.values"):
        answers_soundly(pure(fires))


def test_the_pure_form_answers_for_each_curve_and_validation():
    fires = pure_answer(pure(), CurveBatch.from_curves(curves(())), {"level": 0.5})
    # exp(−t / 6) is above 0.5 for t < 4.16
    assert np.flatnonzero(fires[0]).tolist() == [0, 1, 2, 3, 4]


def test_a_policy_without_a_pure_form_is_not_concerned():
    with pytest.raises(NotApplicable, match="mine has no pure form"):
        pure_form(made())


class Telling(Counting):
    """Answers in another kind."""

    def observe(self, observation):
        return True


class Vague(Counting):
    """Gives no reason that could be read."""

    def observe(self, observation):
        return Decision(True, reason=3)


class Infinite(Counting):
    """Keeps what JSON cannot hold."""

    def state_dict(self):
        return {"best": float("nan")}


class Listing(Counting):
    """Keeps a list."""

    def state_dict(self):
        return [self.count]


class Forgetful:
    """Keeps nothing."""

    def __init__(self, mode, level):
        pass

    def observe(self, observation):
        return Decision(False)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (Telling, r"observe must return a metaopt\.Decision, got a bool"),
        (Vague, r"Decision\.reason must be a string, got an int \(3\)"),
        (Infinite, "state_dict must return plain JSON, without NaN"),
        (Listing, "state_dict must return a dict, got a list"),
        (Forgetful, "which lacks state_dict, load_state_dict"),
        (lambda mode: Counting(mode, 1.0), r"factory is called with \(mode, level\) by keyword"),
    ],
)
def test_unsound_answers_are_caught(factory, message):
    with pytest.raises(ConformanceError, match=message):
        answers_soundly(made(factory))


def test_a_policy_is_built_as_a_loop_holds_it():
    stopper = stopper_of(made(), {"level": 0.5}, "min")
    stops = [stopper.observe(metaopt.Observation(step, 1.0)).stop for step in (1, 2, 3)]
    assert stops == [False, False, True]


def test_a_policy_that_combines_gets_two_others():
    class Together(Counting):
        def __init__(self, mode, level, stoppers):
            super().__init__(mode, level)
            self.stoppers = stoppers

    spec = made(Together, combines=True)
    assert len(configuration(spec, {"level": 0.5}).stoppers) == 2
    assert len(stopper_of(spec, {"level": 0.5}, "min").stoppers) == 2
    assert configuration(made(), {"level": 0.5}).stoppers == ()


def test_the_registry_holds_the_policy_alone_and_what_it_may_combine():
    registry = registry_with(made())
    assert set(registry.names(metaopt.StopperSpec)) == {"mine", "kit_half", "kit_rise"}


def test_settings_are_draws_and_both_ends():
    settings = settings_of(made())
    levels = [values["level"] for values in settings]
    assert len(settings) == 6
    assert levels[3:] == [0.5, 0.1, 2.0]


def test_a_state_that_is_no_json_is_refused():
    assert through_json({"count": 3, "names": ("a",)}) == {"count": 3, "names": ["a"]}
    with pytest.raises(ValueError, match="JSON"):
        through_json({"best": float("inf")})
    with pytest.raises(TypeError):
        through_json({"best": np.zeros(2)})
