"""The kit tries a wrapper around several rules."""

import dataclasses
from dataclasses import dataclass
from functools import partial

import pytest

import metaopt

pytestmark = pytest.mark.thorough


class Slowed(metaopt.Rule):
    """Halves every step of `inner`; `bias` is what a broken one adds to what it evaluates with."""

    def __init__(self, inner, bias=0.0):
        self.inner, self.granularity, self.bias = inner, inner.granularity, bias

    def init(self, params, hparams, theta, horizon):
        return self.inner.init(params, hparams, theta, horizon)

    def update(self, grads, state, params, hparams, theta, info):
        updates, state = self.inner.update(grads, state, params, hparams, theta, info)
        slowed = {name: hparams[name]["slowed.factor"] * update for name, update in updates.items()}
        return {name: update.to(params[name].dtype) for name, update in slowed.items()}, state

    def evaluation_params(self, params, state, hparams):
        return {name: param + self.bias for name, param in self.inner.evaluation_params(params, state, hparams).items()}


def wrapper(wrap):
    return metaopt.WrapperSpec(
        name="slowed", version="1", wrap=wrap, space={"factor": metaopt.Float(0.1, 1.0, default=0.5)}
    )


def test_a_sound_wrapper_passes(failures):
    assert failures(wrapper(Slowed)) == {}


def test_a_wrapper_that_evaluates_with_nan_is_caught_with_the_inner_rule(failures):
    found = failures(wrapper(lambda inner: Slowed(inner, float("nan"))))["keeps_dtypes_and_shapes"]
    assert "Around plain_descent: evaluation_params of torch.float32 parameters after two steps" in found
    assert "is not finite: [nan" in found


#: What makes a rule of a rule, and what must be said.
WRAPS = {
    "None": (lambda inner: None, "wrap must return a rule, got None, which lacks granularity, init, update"),
    "an exception": (lambda inner: inner.inner, "It raised AttributeError"),
    "another signature": (lambda: None, "is called with (rule), which it does not take"),
    "an update of None": (
        lambda inner: type("Mine", (Slowed,), {"update": lambda self, *given: None})(inner),
        "Around plain_descent: The function must return (updates, new_state), got None.",
    ),
}


@pytest.mark.parametrize(("wrap", "message"), WRAPS.values(), ids=WRAPS)
def test_one_mistake_is_one_failure(failures, wrap, message):
    ((check, found),) = failures(wrapper(wrap)).items()
    assert check == "keeps_dtypes_and_shapes"
    assert message in found
    assert "test_wrappers.py:" in found


class Turned(Slowed):
    """Goes up where the inner rule goes down."""

    def update(self, grads, state, params, hparams, theta, info):
        updates, state = super().update(grads, state, params, hparams, theta, info)
        return {name: -update for name, update in updates.items()}, state


def test_a_wrapper_that_climbs_is_caught(failures):
    assert list(failures(wrapper(Turned))) == ["lowers_a_quadratic"]


@dataclass(frozen=True)
class Steering(metaopt.SteeringRule):
    """Sets a rate of a thousandth by itself; `answer` is what a broken one makes of what it says."""

    prefix = "slowed."
    answer: object = None

    def steer(self, grads, own, params, hparams, theta, info):
        steered = {name: {**each, "lr": 1e-3 * each["lr"]} for name, each in hparams.items()}
        return (steered, own) if self.answer is None else self.answer(steered, own)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda steered, own: None, "steer must return (hparams, own), got None."),
        (
            lambda steered, own: ({}, own),
            "steer must return hyperparameters for each name, got a dict with the keys [].",
        ),
        (lambda steered, own: ({name: {} for name in steered}, own), "steer left out the hyperparameters ['lr',"),
        (
            lambda steered, own: (steered, {}),
            "steer must return the state as {'tensors': ..., 'shared': ...}, got a dict",
        ),
    ],
)
def test_one_mistake_in_steering_is_one_failure(failures, answer, message):
    ((check, found),) = failures(wrapper(partial(Steering, answer=answer))).items()
    assert check == "keeps_dtypes_and_shapes"
    assert message in found
    assert "else self.answer(steered, own)" in found


def test_a_wrapper_that_sets_the_rate_and_does_not_declare_what_lr_is_trains_nothing(failures):
    assert "Around ada" in failures(wrapper(Steering))["lowers_a_quadratic"]
    assert failures(dataclasses.replace(wrapper(Steering), inner_lr=10.0)) == {}


def test_a_wrapper_without_a_prefix_is_told_so_at_its_line(failures):
    @dataclass(frozen=True)
    class Nameless(metaopt.WrappedRule):
        def update(self, grads, state, params, hparams, theta, info):
            inner, own = self.split(state)
            updates, new = self.inner.update(grads, inner, params, hparams, theta, info)
            return updates, self.joined(new, own)

    ((check, found),) = failures(wrapper(Nameless)).items()
    assert check == "keeps_dtypes_and_shapes"
    assert "Nameless has no prefix" in found
    assert "inner, own = self.split(state)" in found
