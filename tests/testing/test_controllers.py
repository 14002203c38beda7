"""The kit passes sound controllers and says what is wrong with the others."""

import dataclasses

import numpy as np
import pytest
import torch

import metaopt


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A controller whose multiplier is `formula(info, hparams)`."""

    formula: object

    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        return metaopt.Rate(self.formula(info, hparams)), state


def controller(formula, **arguments):
    given = {
        "name": "mine",
        "version": "1",
        "controller": Schedule(formula),
        "space": {"power": metaopt.Float(0.5, 2.0)},
        "requires": frozenset({"horizon"}),
    }
    return metaopt.ControllerSpec(**{**given, **arguments})


def test_a_sound_controller_passes(failures):
    spec = controller(lambda info, hparams: (1 - info.fraction).clamp(min=0) ** hparams["power"])
    assert failures(spec) == {}


@pytest.mark.parametrize(
    ("formula", "check", "message"),
    [
        (lambda info, hparams: (1 - info.fraction) * hparams["power"], "rates_are_sound", "falls to -"),
        (lambda info, hparams: 1 / (info.fraction * hparams["power"]), "rates_are_sound", "is not finite: [inf"),
        (lambda info, hparams: 0 * hparams["power"], "some_step_moves", "every rate is 0"),
        (lambda info, hparams: info.fraction * hparams["power"], "some_step_moves", "a horizon of 1, every rate is 0"),
        (lambda info, hparams: hparams["power"] if info.step < 9 else info.step, "is_pure", "decides by Python (if"),
        (lambda info, hparams: hparams["power"] * (info.loss is None), "cadence_is_true", "Rate at step 0 told a loss"),
        (lambda info, hparams: hparams["power"].reshape(1), "keeps_its_layout", "must be 0-d, got shape (1,)"),
        (lambda info, hparams: hparams["power"].mul_(0.5), "leaves_inputs_alone", "writes in place (mul_)"),
    ],
)
def test_an_unsound_controller_is_caught(failures, formula, check, message):
    found = failures(controller(formula))
    assert message in found[check]
    assert "test_controllers.py:" in found[check]


@dataclasses.dataclass(frozen=True)
class Stating(Schedule):
    """A controller whose rate is the formula's itself."""

    def update(self, state, info, hparams):
        return metaopt.Rate(self.formula(info, hparams), absolute=True), state


def test_absolute_rates_are_declared(failures):
    stating = Stating(lambda info, hparams: hparams["power"] * torch.ones_like(info.step))
    assert failures(controller(None, controller=stating, absolute=True)) == {}
    found = failures(controller(None, controller=stating))
    assert "Its rates are absolute: declare ControllerSpec(absolute=True)." in found["keeps_its_layout"]
    found = failures(controller(lambda info, hparams: hparams["power"], absolute=True))
    assert "Its rates are not absolute: declare ControllerSpec(absolute=False)." in found["keeps_its_layout"]


class Written:
    """A controller with a line for its rate and one that returns it."""

    def __init__(self, rate):
        self.rate = rate

    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        rate = self.rate(info)
        return metaopt.Rate(rate), state


@pytest.mark.parametrize(
    ("rate", "check", "line"),
    [
        (lambda info: info.step * torch.nan, "rates_are_sound", "return metaopt.Rate(rate), state"),
        (lambda info: 0.5 - info.step, "rates_are_sound", "return metaopt.Rate(rate), state"),
        (lambda info: info.signals["metric"], "takes_bad_metrics", "return metaopt.Rate(rate), state"),
        (lambda info: info.signals["metric"].clamp(min=-1).nan_to_num(1, 1), "takes_bad_metrics", "return metaopt"),
        (lambda info: torch.rand(()), "is_deterministic", "lambda info: torch.rand(())"),
    ],
)
def test_a_rate_that_cannot_be_is_caught_at_the_line_it_comes_from(failures, rate, check, line):
    spec = metaopt.ControllerSpec(
        name="mine", version="1", controller=Written(rate), cadence="validation", requires={"metric"}
    )
    assert line in failures(spec)[check].splitlines()[-1]


def test_a_controller_that_hides_that_it_needs_the_horizon_is_caught(failures):
    spec = controller(lambda info, hparams: 1 - info.step / info.horizon, requires=frozenset())
    assert "TypeError" in failures(spec)["horizon_is_declared"]


def test_a_metric_that_is_nan_must_not_spoil_the_rate(failures):
    class Follow:
        def init(self, hparams):
            return {"rate": torch.ones_like(hparams["power"])}

        def update(self, state, info, hparams):
            rate = 0.9 * state["rate"] + 0.1 * info.signals["metric"].clamp(0, 1)
            return metaopt.Rate(rate), {"rate": rate}

    spec = controller(None, controller=Follow(), cadence="validation", requires=frozenset({"metric"}))
    assert list(failures(spec)) == ["takes_bad_metrics"]


class Answering:
    """A controller that answers with whatever `answer` makes of state, info and hyperparameters."""

    def __init__(self, answer, init=lambda: {}):
        self.answer, self.init_state = answer, init

    def init(self, hparams):
        return self.init_state()

    def update(self, state, info, hparams):
        return self.answer(state, info, hparams)


#: What a controller answers, what it begins with, what must be said, and at which line.
ANSWERS = {
    "a number": (lambda state, info, hparams: (1 - info.fraction, state), dict, "got (a tensor of shape (), a dict"),
    "None": (lambda *_: None, dict, "update must return (Rate, state), got None"),
    "a float for a rate": (
        lambda state, *_: (metaopt.Rate(0.5), state),
        dict,
        "Rate takes a 0-d tensor, or one for each",
    ),
    "a rate of numpy": (lambda state, *_: (metaopt.Rate(np.float64(1)), state), dict, "got a numpy.float64"),
    "a rate of a shape": (
        lambda s, i, h: (metaopt.Rate(h["power"].reshape(1)), s),
        dict,
        "must be 0-d, got shape (1,)",
    ),
    "another key": (
        lambda state, info, hparams: (metaopt.Rate(hparams["power"]), {"y": state["x"]}),
        lambda: {"x": torch.zeros(())},
        "update returned the state keys {y}, init made {x}.",
    ),
    "a float in the state": (
        lambda state, info, hparams: (metaopt.Rate(hparams["power"]), {"x": 0.0}),
        lambda: {"x": torch.zeros(())},
        "got a float (0.0) for 'x'",
    ),
    "a state of None": (lambda state, *_: (None, state), lambda: None, "What init returns must be a dict of tensors"),
    "an exception": (lambda *_: {}["rate"], dict, "It raised KeyError: 'rate' (given step 0)."),
    "randomness": (
        lambda state, info, hparams: (metaopt.Rate(torch.rand(()) + hparams["power"]), state),
        dict,
        "draws from the global random generator",
    ),
    "NaN": (
        lambda s, i, h: (metaopt.Rate(h["power"] * torch.nan), s),
        dict,
        "a horizon of 1, the rate: value is not finite",
    ),
}


@pytest.mark.parametrize(("answer", "init", "message"), ANSWERS.values(), ids=ANSWERS)
def test_one_mistake_is_one_failure(failures, answer, init, message):
    ((_, found),) = failures(controller(None, controller=Answering(answer, init))).items()
    assert message in found
    assert "test_controllers.py:" in found


def test_a_signature_that_does_not_fit_is_one_failure(failures):
    class Short:
        def init(self):
            return {}

        def update(self, state):
            return metaopt.Rate(torch.ones(())), state

    ((_, found),) = failures(controller(None, controller=Short())).items()
    assert "init is called with (hparams), which it does not take: too many positional arguments." in found
    assert "def init(self)" in found


def test_past_the_horizon_is_said_where_a_rate_turns_negative(failures):
    found = failures(controller(lambda info, hparams: (1 - info.fraction) * hparams["power"]))
    assert "past the horizon (info.fraction is 1 and more there: clamp it)" in found["rates_are_sound"]
