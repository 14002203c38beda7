"""The kit passes sound controllers and says what is wrong with the others."""

import dataclasses

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
    table = dataclasses.replace(spec, cadence="table")
    assert "cadence is 'table', but it requires ['metric']" in failures(table)["cadence_is_true"]


class Bare:
    """A controller that forgets to say `Rate`."""

    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        return 1 - info.fraction, state


def test_an_answer_that_is_no_rate_is_named_by_every_check(failures):
    found = failures(controller(None, controller=Bare()))
    assert {"is_pure", "keeps_its_layout", "rates_are_sound"} <= set(found)
    for text in found.values():
        assert "update must return (Rate, state), got a Tensor first" in text
        assert "def update" in text
