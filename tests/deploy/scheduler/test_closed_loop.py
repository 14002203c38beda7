"""Controllers asked over plain numbers say what they say over tensors."""

import copy
import math
import pickle

import pytest
import torch

import metaopt
from metaopt.contracts import Rate
from metaopt.deploy import GRADIENT_SIGNALS, PLAIN_SIGNALS
from metaopt.deploy.scheduler.closed_loop import ClosedLoop, number
from metaopt.deploy.scheduler.scheduler import ControllerScheduler
from metaopt.plugin.kinds import ControllerSpec
from metaopt.plugin.registry import current_registry
from metaopt.space import defaults, encode


def f64(value):
    return torch.tensor(value, dtype=torch.float64)


def training_signals(generator, count=120):
    """Losses, norms, agreements and metrics that fall, jump, and now and then are no numbers."""
    for step in range(count):
        noise = torch.randn(3, generator=generator).tolist()
        loss = 2 * 0.97**step + 0.05 * noise[0]
        odd = {17: math.nan, 18: math.inf, 40: 0.0}.get(step)
        yield (
            step,
            {
                "loss": loss if odd is None else odd,
                "gradient_norm": abs(1 + 0.3 * noise[1]) if odd is None else odd,
                "agreement": math.tanh(noise[2]) if odd is None else odd,
            },
            loss if step % 5 else math.nan,
        )


@pytest.mark.parametrize("name", current_registry().names(ControllerSpec))
def test_numbers_and_tensors_give_the_same_rates_and_states(name):
    spec = current_registry().get(ControllerSpec, name)
    hparams = {key: number(value) for key, value in encode(spec.space, defaults(spec.space)).items()}
    signals = spec.required(defaults(spec.space)) & GRADIENT_SIGNALS
    loop = ClosedLoop(spec, hparams, 100, signals)
    state = spec.controller.init(hparams)
    for step, signals_given, metric in training_signals(torch.Generator().manual_seed(0)):
        rate, _ = loop.ask(step, metric, signals_given)
        info = metaopt.StepInfo(
            f64(float(step)),
            f64(100.0),
            f64(signals_given["loss"]) if "loss" in signals else None,
            {"metric": f64(metric), **{key: f64(signals_given[key]) for key in signals - {"loss"}}},
        )
        expected, state = spec.controller.update(state, info, hparams)
        assert rate == pytest.approx(float(expected.value), rel=1e-14, abs=0.0)
        for key, value in loop.state.items():
            assert value.dtype == state[key].dtype
            assert float(value) == pytest.approx(float(state[key]), rel=1e-14, abs=0.0, nan_ok=True)


class Branching:
    """Halves the rate after each loss above 1, by an `if` over a number, and keeps its state in float32."""

    def init(self, hparams):
        return {"ratio": torch.ones(())}

    def update(self, state, info, hparams):
        ratio = state["ratio"] * 0.5 if float(info.loss) > 1 else state["ratio"]
        return Rate(ratio), {"ratio": ratio}


def test_a_controller_without_such_a_form_is_asked_over_tensors():
    spec = metaopt.ControllerSpec(
        name="branching", version="1", controller=Branching(), cadence="step", space={}, requires=frozenset({"loss"})
    )
    loop = ClosedLoop(spec, {}, None, frozenset({"loss"}))
    rates = [loop.ask(step, math.nan, {"loss": loss})[0] for step, loss in enumerate([2.0, 0.5, 2.0])]
    assert rates == [0.5, 0.5, 0.25]
    assert loop.state["ratio"].dtype == torch.float32
    other = ClosedLoop(spec, {}, None, frozenset({"loss"}))
    other.load(loop.state)
    assert other.ask(3, math.nan, {"loss": 2.0})[0] == 0.125


def test_a_state_loaded_in_the_middle_goes_on_bit_for_bit():
    spec = current_registry().get(ControllerSpec, "greedy")
    hparams = {key: number(value) for key, value in encode(spec.space, defaults(spec.space)).items()}
    losses = [2 * 0.9**step for step in range(40)]
    loop = ClosedLoop(spec, hparams, None, frozenset({"loss"}))
    rates = [loop.ask(step, math.nan, {"loss": loss})[0] for step, loss in enumerate(losses)]
    first, second = (ClosedLoop(spec, hparams, None, frozenset({"loss"})) for _ in range(2))
    for step in range(20):
        first.ask(step, math.nan, {"loss": losses[step]})
    second.load(first.state)
    assert [second.ask(step, math.nan, {"loss": losses[step]})[0] for step in range(20, 40)] == rates[20:]
    first.load(second.state)
    assert first.state == second.state


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda scheduler: pickle.loads(pickle.dumps(scheduler))], ids=["copy", "pickle"]
)
def test_a_copy_goes_its_own_way(copied):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    spec = current_registry().get(ControllerSpec, "greedy")
    supplies = PLAIN_SIGNALS | GRADIENT_SIGNALS
    scheduler = ControllerScheduler(optimizer, spec, defaults(spec.space), total_steps=100, supplies=supplies)
    losses = [2 * 0.9**step for step in range(30)]

    def follow(followed, losses):
        for loss in losses:
            followed.prepare(loss=f64(loss))
            followed.optimizer.step()
            followed.step()
        return followed.get_last_lr()

    follow(scheduler, losses[:15])
    other = copied(scheduler)
    assert follow(other, losses[15:]) != scheduler.get_last_lr()
    assert follow(scheduler, losses[15:]) == other.get_last_lr()
