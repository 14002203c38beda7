"""What a controller computes of 0-d tensors, Python computes of numbers: the same, or it says that it cannot."""

import math

import pytest
import torch

import metaopt
from metaopt.deploy.scheduler.closed_loop import number
from metaopt.deploy.scheduler.scalars import over_scalars
from metaopt.plugin.kinds import ControllerSpec
from metaopt.plugin.registry import current_registry
from metaopt.space import defaults, encode

ODD = [0.0, -0.0, 1.0, -2.5, 3e200, 1e-320, math.inf, -math.inf, math.nan]


def f64(value):
    return torch.tensor(value, dtype=torch.float64)


def test_the_shipped_closed_loops_have_a_form_over_numbers():
    for name in ("plateau", "greedy", "adagrad_norm", "hypergradient", "polyak"):
        spec = current_registry().get(ControllerSpec, name)
        hparams = {key: number(value) for key, value in encode(spec.space, defaults(spec.space)).items()}
        inputs = {key: number(0.5) for key in ("step", "loss", "gradient_norm", "agreement", "metric")}
        state = spec.controller.init(hparams)

        def update(spec=spec, state=state, hparams=hparams, known=inputs):
            info = metaopt.StepInfo(known["step"], None, known["loss"], known)
            rate, new = spec.controller.update(state, info, hparams)
            return [rate.value, *new.values()]

        assert over_scalars(update, [*inputs.values(), *state.values()]) is not None, name


OPERATIONS = {
    "arithmetic": lambda a, b: [a + b, a - b, a * b, a / b, 1 - a, 2 / b, -a, a.abs(), torch.add(a, b, alpha=3)],
    "powers": lambda a, b: [a**2, a.square(), a.sqrt(), a.abs() ** 0.3, a.rsqrt(), a.reciprocal(), 0.5**a],
    "functions": lambda a, b: [a.exp(), a.log(), a.cos(), a.tanh()],
    "comparisons": lambda a, b: [
        torch.where((a < b) & ~(a == 0) | (b >= 1), a, b),
        torch.where(a.isfinite() & torch.logical_not(b.isnan()), a, 0.0),
        (a > b).to(a.dtype) * 2.0,
    ],
    "bounds": lambda a, b: [a.maximum(b), a.minimum(b), a.clamp(-1.0, 1.0), a.clamp(min=0.0), a.clamp_max(2.0)],
    "constants": lambda a, b: [a + torch.ones_like(a), a * torch.full_like(a, 3.0), b + f64(0.1), torch.zeros_like(a)],
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_torchs_for_numbers_that_are_odd_too(name):
    function = OPERATIONS[name]
    first, second = f64(0.3), f64(0.7)
    scalars = over_scalars(lambda: function(first, second), [first, second])
    assert scalars is not None
    for a in ODD:
        for b in ODD:
            expected = [float(number) for number in function(f64(a), f64(b))]
            assert list(scalars(a, b)) == pytest.approx(expected, rel=1e-15, abs=0.0, nan_ok=True), (a, b)


@pytest.mark.parametrize(
    "function",
    [
        lambda a: [a * 2 if float(a) > 0 else a],
        lambda a: [a.float() * 2],
        lambda a: [torch.stack([a, a]).sum()],
        lambda a: [a + torch.rand_like(a)],
        lambda a: [torch.erf(a)],
        lambda a: [a.clone().add_(1.0)],
    ],
    ids=["reads a value", "float32", "vectors", "random", "unknown", "in place"],
)
def test_what_has_no_form_over_numbers_stays_with_tensors(function):
    number = f64(0.5)
    assert over_scalars(lambda: function(number), [number]) is None


def test_numbers_come_in_the_order_of_the_inputs():
    first, second = f64(0.3), f64(0.7)
    scalars = over_scalars(lambda: [first - 2 * second, first], [second, first])
    assert list(scalars(5.0, 1.0)) == [-9.0, 1.0]


def test_tensors_beside_the_inputs_are_constants():
    first, other = f64(0.3), f64(4.0)
    scalars = over_scalars(lambda: [first * other], [first])
    assert list(scalars(2.0)) == [8.0]
