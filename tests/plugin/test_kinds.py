"""What a plugin declares is refused where it is written if it cannot be, in one sentence that says what to do."""

import dataclasses

import pytest
import torch

import metaopt
from metaopt import PluginError, When


class Constant:
    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        return metaopt.Rate(torch.ones(())), state


DESCENT = metaopt.per_tensor(lambda *_: {}, lambda grad, state, param, hparams, *_: (-hparams["lr"] * grad, state))


def controller(**fields):
    space = {"warmup": metaopt.Float(0.0, 0.3)}
    return metaopt.ControllerSpec(
        **{"name": "mine", "version": "1", "controller": Constant(), "space": space, **fields}
    )


def optimizer(**fields):
    space = {"lr": metaopt.Float(1e-3, 1.0, log=True)}
    return metaopt.OptimizerSpec(**{"name": "mine", "version": "1", "rule": DESCENT, "space": space, **fields})


@pytest.mark.parametrize("signal", ["loss", "gradient_norm", "agreement"])
@pytest.mark.parametrize("cadence", ["table", "validation"])
@pytest.mark.parametrize("conditional", [False, True])
def test_a_controller_cannot_require_what_nobody_knows_when_it_is_asked(signal, cadence, conditional):
    asked = {"requires_when": {signal: When("warmup", above=0.0)}} if conditional else {"requires": {signal}}
    with pytest.raises(
        PluginError, match=f"requires {signal}, which nobody knows .* '{cadence}' .* cadence='step', or"
    ):
        controller(cadence=cadence, **asked)
    assert controller(cadence="step", **asked).cadence == "step"


def test_an_open_loop_knows_no_metric():
    with pytest.raises(PluginError, match=r"say cadence='step' or 'validation', or require no more than \['horizon'\]"):
        controller(requires={"metric"})
    assert controller(requires={"horizon"}).requires == {"horizon"}
    assert controller(requires={"horizon", "metric"}, cadence="validation").cadence == "validation"


def test_plain_code_is_for_what_can_be_written_down():
    with pytest.raises(PluginError, match=r"plain= is for cadence 'table' or 'validation', not 'step'"):
        controller(cadence="step", plain=lambda hparams: "return 1.0")


@pytest.mark.parametrize("make", [controller, optimizer])
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("loss", r"requires must be a set of names, such as \{\"loss\"\}, got 'loss'"),
        (None, "requires must be a set of names"),
        ({"loss": 1.0}, "requires must be a set of names"),
        ([1], "requires must be a set of names"),
        (["los"], r"requires unknown signals \['los'\]; known:"),
    ],
)
def test_signals_are_a_set_of_known_names(make, names, message):
    with pytest.raises(PluginError, match=message):
        make(requires=names)


def test_a_stoppers_signals_are_a_set_too():
    fields = {"name": "mine", "version": "1", "fires": lambda batch, hparams: batch.values > 1}
    for field in ("requires", "uses"):
        with pytest.raises(PluginError, match=f"{field} must be a set of names, such as"):
            metaopt.StopperSpec(**fields, **{field: "train_loss"})
        metaopt.StopperSpec(**fields, **{field: ["anything", "else"]})


def test_a_condition_on_a_signal_is_a_when():
    with pytest.raises(PluginError, match=r"requires_when\['horizon'\] must be a metaopt.When, got 'warmup'"):
        controller(requires_when={"horizon": "warmup"})


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: metaopt.WrapperSpec(name="mine", version="1", wrap=None), "wrap"),
        (lambda: metaopt.CorpusSpec(name="mine", version="1", load="lines.csv"), "load"),
        (lambda: metaopt.StopperSpec(name="mine", version="1", fires=0.5), "fires"),
        (lambda: metaopt.StopperSpec(name="mine", version="1", factory="patience"), "factory"),
    ],
)
def test_functions_can_be_called(make, field):
    with pytest.raises(PluginError, match=f"{field} must be a function, got"):
        make()


def test_a_pure_form_combines_nothing():
    with pytest.raises(PluginError, match="combines= is for policies with factory="):
        metaopt.StopperSpec(name="mine", version="1", fires=lambda batch, hparams: batch.values > 1, combines=True)


def test_a_rules_granularity_is_one_of_four():
    class Layered(metaopt.Rule):
        granularity = "layer"

        def init(self, params, hparams, theta, horizon):
            return {"tensors": {}, "shared": {}}

        def update(self, grads, state, params, hparams, theta, info):
            return {}, state

    with pytest.raises(PluginError, match=r"must be one of \['coordinate', 'tensor', 'sums', 'tree'\], got 'layer'"):
        optimizer(rule=Layered())


def test_a_changed_copy_is_checked_too():
    with pytest.raises(PluginError, match="requires loss, which nobody knows"):
        dataclasses.replace(controller(cadence="step", requires={"loss"}), cadence="validation")


def test_whether_rates_are_absolute_is_true_or_false():
    with pytest.raises(PluginError, match=r"ControllerSpec\(name='mine'\): absolute must be True or False, got 'yes'"):
        controller(absolute="yes")
