"""Every rule walks the path of the optimizer it is named after, for 100 steps."""

import contextlib
import importlib
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import prodigyopt
import pytest
import pytorch_optimizer
import schedulefree
import torch
from torch import Tensor

import metaopt_optimizers

pytestmark = pytest.mark.thorough

OptimizerFactory = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Parity:
    """A rule, its reference and what the two groups of parameters give both of them."""

    name: str
    reference: OptimizerFactory
    groups: tuple[Mapping[str, Any], Mapping[str, Any]]
    ill_conditioned: bool = False  # in float32 the reference itself is off by more than 1e-6
    rounds: float = 0.0  # by how much the reference rounds within a step in float64

    def __str__(self) -> str:
        return f"{self.name}: {self.groups[0]}"


def _nadamw(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.NAdam(groups, decoupled_weight_decay=True)


def _adagrad(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    # torch reads the initial value from its constructor's argument alone, whatever a group says.
    return torch.optim.Adagrad(groups, initial_accumulator_value=groups[0].get("initial_accumulator_value", 0.0))


def _prodigy(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    # The first d comes from the constructor's argument too.
    with contextlib.redirect_stdout(io.StringIO()):
        return prodigyopt.Prodigy(groups, d0=groups[0].get("d0", 1e-6))


class TwoMomenta(torch.optim.Optimizer):
    """The update of Apple's ml-ademamix, in whose code each tensor counts its own steps; `warmup` of 100 steps."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        plain = {"lr": 1e-3, "betas": (0.9, 0.999, 0.9999), "alpha": 5.0, "eps": 1e-8, "weight_decay": 1e-2}
        super().__init__(groups, {**plain, "warmup": 1.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            beta1, beta2, last = group["betas"]
            for param in group["params"]:
                if param.grad is None:
                    continue
                state, grad = self.state[param], param.grad
                t = state["t"] = state.get("t", 0) + 1
                alpha, beta3, share = group["alpha"], last, t / (100 * group["warmup"] or 1)
                if share < 1:
                    half_lives = [math.log(0.5) / math.log(beta) - 1 for beta in (beta1, last)]
                    beta3 = 0.5 ** (1 / ((1 - share) * half_lives[0] + share * half_lives[1] + 1))
                    alpha = share * alpha
                moments = {"fast": (grad, beta1), "slow": (grad, beta3), "square": (grad * grad, beta2)}
                for key, (value, beta) in moments.items():
                    state[key] = state.get(key, torch.zeros_like(param)).lerp(value, 1 - beta)
                fast, slow, square = (state[key] for key in moments)
                denominator = square.sqrt() / (1 - beta2**t) ** 0.5 + group["eps"]
                update = (fast / (1 - beta1**t) + alpha * slow) / denominator
                param.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * update)


#: torch has Muon from 2.9 on.
HAS_MUON = hasattr(torch.optim, "Muon")


class FlattenedMuon(torch.optim.Muon if HAS_MUON else torch.optim.Optimizer):  # type: ignore[misc]
    """torch's Muon on tensors of more dimensions, each as the matrix of its first one and the rest."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.pairs = [(param, param.detach().flatten(1)) for group in groups for param in group["params"]]
        matrices = dict(self.pairs)
        super().__init__([{**group, "params": [matrices[param] for param in group["params"]]} for group in groups])

    def step(self, closure: None = None) -> None:
        for param, matrix in self.pairs:
            matrix.grad = None if param.grad is None else param.grad.flatten(1)
        super().step()


class SoapEach(torch.optim.Optimizer):
    """pytorch_optimizer's SOAP for each tensor by itself: it counts a group's steps, the authors' code a tensor's."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {"lr": 3e-3})
        self.each = {
            param: pytorch_optimizer.SOAP([{**group, "params": [param]}])
            for group in self.param_groups
            for param in group["params"]
        }

    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self.each[param].param_groups[0]["lr"] = group["lr"]
                    self.each[param].step()


def _schedulefree_loop(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return schedulefree.AdamWScheduleFree(groups, foreach=False)


class OptListNAdamW(torch.optim.Optimizer):
    """The update of opt_list's TensorFlow code, with its sign of the L2 term and its uncorrected epsilon."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        plain = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "nesterov": True, "weight_decay": 0.0, "l2": 0.0}
        super().__init__(groups, plain)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for param in group["params"]:
                if param.grad is None:
                    continue
                grad = param.grad - param * group["l2"]
                state = self.state[param]
                t = state["t"] = state.get("t", 0) + 1
                m = state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * grad
                v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * grad * grad
                lr = group["lr"] * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
                numerator = beta1 * m + (1 - beta1) * grad if group["nesterov"] else m
                param -= lr * numerator / (v.sqrt() + group["eps"]) + lr * group["weight_decay"] * param


SGD, RMSPROP, ADAMW = torch.optim.SGD, torch.optim.RMSprop, torch.optim.AdamW
SCHEDULEFREE, LION = schedulefree.AdamWScheduleFree, pytorch_optimizer.Lion
PRODIGY_DEFAULT = {"lr": 1.0, "weight_decay": 0.0}

PARITIES = [
    Parity("sgd", SGD, ({"lr": 1e-3}, {"lr": 1e-3, "weight_decay": 0.1})),
    Parity("sgd", SGD, ({"lr": 1e-3, "momentum": 0.9}, {"lr": 3e-4, "momentum": 0.5, "weight_decay": 0.1})),
    Parity(
        "sgd",
        SGD,
        (
            {"lr": 1e-3, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
            {"lr": 1e-3, "momentum": 0.9, "nesterov": False},
        ),
    ),
    Parity("adagrad", _adagrad, ({"lr": 1e-2}, {"lr": 3e-2, "weight_decay": 0.1})),
    Parity(
        "adagrad",
        _adagrad,
        (
            {"lr": 1e-2, "lr_decay": 0.1, "eps": 1e-3, "initial_accumulator_value": 0.5},
            {"lr": 1e-2, "weight_decay": 0.1, "initial_accumulator_value": 0.5},
        ),
    ),
    Parity("rmsprop", RMSPROP, ({"lr": 1e-3}, {"lr": 3e-3, "alpha": 0.9, "weight_decay": 0.1})),
    Parity(
        "rmsprop",
        RMSPROP,
        ({"lr": 1e-3, "momentum": 0.9, "eps": 1e-3}, {"lr": 1e-3, "weight_decay": 0.1, "momentum": 0.5}),
    ),
    Parity(
        "rmsprop",
        RMSPROP,
        ({"lr": 1e-3, "centered": True, "momentum": 0.5}, {"lr": 1e-3, "weight_decay": 0.1}),
    ),
    Parity("adamw", ADAMW, ({"lr": 1e-3}, {"lr": 3e-3, "weight_decay": 0.1})),
    Parity(
        "adamw",
        ADAMW,
        ({"lr": 1e-2, "betas": (0.0, 0.0)}, {"lr": 1e-3, "betas": (0.5, 0.99), "eps": 1e-2, "weight_decay": 0.0}),
    ),
    Parity("metz_nadamw", OptListNAdamW, ({"lr": 1e-3}, {"lr": 3e-3, "weight_decay": 0.1, "nesterov": False})),
    Parity(
        "metz_nadamw",
        OptListNAdamW,
        ({"lr": 0.4, "betas": (0.6, 0.97), "eps": 50.0, "l2": 0.05}, {"lr": 1e-3, "l2": 0.1, "nesterov": False}),
    ),
    Parity("nadamw", _nadamw, ({"lr": 1e-3}, {"lr": 3e-3, "weight_decay": 0.1})),
    Parity(
        "nadamw",
        _nadamw,
        ({"lr": 1e-3, "momentum_decay": 0.5}, {"lr": 1e-3, "betas": (0.7, 0.99), "weight_decay": 0.1}),
    ),
    Parity("adafactor", torch.optim.Adafactor, ({"lr": 1e-2}, {"lr": 3e-2, "weight_decay": 0.1})),
    Parity(
        "adafactor",
        torch.optim.Adafactor,
        ({"lr": 0.1, "beta2_decay": -0.6, "d": 0.5}, {"lr": 1e-2, "eps": (1e-3, 1e-1), "d": 2.0, "weight_decay": 0.5}),
    ),
    Parity(
        "ademamix",
        TwoMomenta,
        (
            {"lr": 1e-3, "betas": (0.9, 0.999, 0.999)},
            {"lr": 1e-3, "betas": (0.9, 0.999, 0.999), "alpha": 2.0, "weight_decay": 0.1},
        ),
    ),
    # A decay of 0.9999 has lost four digits of what it takes away before float32 ends.
    Parity("ademamix", TwoMomenta, ({"lr": 1e-3}, {"lr": 3e-3, "weight_decay": 0.1}), True),
    Parity(
        "ademamix",
        TwoMomenta,
        (
            {"lr": 1e-3, "warmup": 0.0, "alpha": 2.0, "eps": 1e-3},
            {"lr": 1e-3, "warmup": 0.4, "betas": (0.8, 0.99, 0.995), "weight_decay": 0.0},
        ),
    ),
    # In float32 what torch rounds to bfloat16 is a matter of the last digit; see test_muon.py.
    Parity("muon", FlattenedMuon, ({"lr": 0.02}, {"lr": 1e-3, "weight_decay": 0.5}), True),
    Parity(
        "muon",
        FlattenedMuon,
        (
            {"lr": 0.02, "momentum": 0.0, "adjust_lr_fn": "match_rms_adamw"},
            {"lr": 1e-3, "momentum": 0.5, "nesterov": False, "weight_decay": 0.0, "eps": 1.0},
        ),
        True,
    ),
    # In float32 the directions in which the first gradient has no part are a matter of the last digit. QR is float32
    # always, so that bases are orthogonal to 1e-7, and so close are moments that were turned to those that were not.
    Parity("soap", SoapEach, ({"lr": 3e-3}, {"lr": 1e-3, "weight_decay": 0.5}), True, 1e-6),
    Parity(
        "soap",
        SoapEach,
        (
            {"lr": 3e-3, "betas": (0.8, 0.99), "shampoo_beta": 0.9, "precondition_frequency": 3},
            {"lr": 1e-3, "eps": 1e-3, "precondition_frequency": 1, "weight_decay": 0.0},
        ),
        True,
        1e-6,
    ),
    Parity("lion", LION, ({"lr": 1e-3}, {"lr": 3e-3, "weight_decay": 0.1})),
    Parity("lion", LION, ({"lr": 1e-3, "betas": (0.5, 0.8)}, {"lr": 1e-4, "weight_decay": 10.0})),
    Parity("schedulefree_adamw", SCHEDULEFREE, ({"lr": 2.5e-3}, {"lr": 1e-3, "weight_decay": 0.1})),
    Parity(
        "schedulefree_adamw",
        _schedulefree_loop,
        (
            {"lr": 1e-3, "betas": (0.8, 0.99), "r": 1.0},
            {"lr": 1e-3, "weight_decay": 0.1, "weight_lr_power": 0.0, "eps": 1e-3},
        ),
    ),
    Parity("prodigy", _prodigy, (PRODIGY_DEFAULT, {**PRODIGY_DEFAULT, "weight_decay": 0.1, "eps": 1e-3}), True),
    Parity(
        "prodigy",
        _prodigy,
        (
            {**PRODIGY_DEFAULT, "use_bias_correction": True, "d_coef": 2.0, "d0": 1e-5, "beta3": 0.9},
            {**PRODIGY_DEFAULT, "d0": 1e-5},
        ),
        True,
    ),
    Parity(
        "prodigy",
        _prodigy,
        (
            {"lr": 0.5, "safeguard_warmup": True, "growth_rate": 2.0, "betas": (0.8, 0.99)},
            {"lr": 0.5, "weight_decay": 0.1},
        ),
        True,
    ),
    Parity("prodigy", _prodigy, ({"lr": 1.0}, {"lr": 0.0}), True),
]
HELD = {parity.name for parity in PARITIES}
PARITIES = [parity for parity in PARITIES if HAS_MUON or parity.name != "muon"]
WELL_CONDITIONED = [parity for parity in PARITIES if not parity.ill_conditioned]


@pytest.fixture
def _double_counters() -> Iterator[None]:
    """torch keeps NAdam's running product in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_every_optimizer_is_held_to_a_reference(optimizer_spec):
    assert optimizer_spec.name in HELD


@pytest.mark.parametrize("hparams_dtype", [torch.float32, torch.float64], ids=["engine", "deployed"])
@pytest.mark.parametrize("parity", WELL_CONDITIONED, ids=str)
def test_float32_rule_equals_its_reference(parity, hparams_dtype, problem, drive, drive_reference):
    _assert_parity(parity, problem(torch.float32), hparams_dtype, 1e-6, drive, drive_reference)


@pytest.mark.usefixtures("_double_counters")
@pytest.mark.parametrize("parity", PARITIES, ids=str)
def test_float64_rule_equals_its_reference(parity, problem, drive, drive_reference):
    tolerance = parity.rounds or (1e-9 if parity.ill_conditioned else 1e-12)
    _assert_parity(parity, problem(torch.float64), torch.float64, tolerance, drive, drive_reference)


@pytest.mark.parametrize("parity", WELL_CONDITIONED, ids=str)
def test_rule_follows_a_changing_rate_as_its_reference_does(parity, problem, drive, drive_reference):
    lrs = [1e-3 * min(step / 10, 2 - step / 50) for step in range(100)]
    _assert_parity(parity, problem(torch.float32), torch.float64, 1e-6, drive, drive_reference, lrs=lrs)


@pytest.mark.parametrize("parity", [parity for parity in PARITIES if parity.name == "prodigy"], ids=str)
def test_prodigy_waits_while_its_rate_is_zero(parity, problem, drive, drive_reference):
    lrs = [0.0] * 5 + [1.0] * 95
    _assert_parity(parity, problem(torch.float64), torch.float64, 1e-9, drive, drive_reference, lrs=lrs)


@pytest.mark.parametrize("fused", [False, True])
def test_the_native_class_walks_the_rules_path(optimizer_spec, fused, problem, taken, drive, drive_reference):
    native = optimizer_spec.native
    if native is None or (fused and not native.fused):
        pytest.skip(f"{optimizer_spec.name} has no such native class")
    cls = getattr(importlib.import_module(native.module), native.qualname)
    given = {"weight_decay": 0.1, "momentum": 0.9, "nesterov": True, "initial_accumulator_value": 0.1}
    values = {name: given.get(name, distribution.default) for name, distribution in optimizer_spec.space.items()}
    arguments = native.arguments(values) if native.arguments else optimizer_spec.pack(values)
    options = {**native.fixed, **({"fused": True} if fused else {})}
    numbers = {name: optimizer_spec.space[name].encode(value) for name, value in values.items()}
    given_problem = taken(problem(torch.float32), *(range(5) if native.dims is None else [native.dims]))
    expected = drive_reference(lambda groups: cls(groups, **arguments, **options), given_problem, [{}, {}])
    actual = drive(optimizer_spec.rule, given_problem, [numbers, numbers])
    torch.testing.assert_close(actual.params, expected.params, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(actual.evaluated, expected.evaluated, rtol=1e-6, atol=1e-6)


def _assert_parity(parity, problem, hparams_dtype, tolerance, drive, drive_reference, lrs=None):
    spec = _spec(parity.name)
    if spec.takes == "matrices":
        names = {name for name, param in problem.params.items() if param.ndim > 1}
        gradients = [{name: grads[name] for name in grads if name in names} for grads in problem.gradients]
        problem = replace(problem, params={name: problem.params[name] for name in names}, gradients=gradients)
    expected = drive_reference(parity.reference, problem, parity.groups, lrs=lrs)
    numbers = [_numbers(spec, parity.name, group) for group in parity.groups]
    actual = drive(spec.rule, problem, numbers, hparams_dtype, lrs=lrs)
    for kind in ("params", "evaluated"):
        for step, (got, want) in enumerate(zip(getattr(actual, kind), getattr(expected, kind), strict=True)):
            for name in want:
                assert _distance(got[name], want[name]) < tolerance, (kind, step, name)


def _spec(name):
    return next(spec for spec in metaopt_optimizers.metaopt_plugins() if spec.name == name)


def _numbers(spec, name: str, group: Mapping[str, Any]) -> dict[str, float]:
    """What a rule sees: the reference's arguments, over the defaults, as numbers."""
    given = spec.unpack(group)
    values = {key: given.get(key, distribution.default) for key, distribution in spec.space.items()}
    return {key: spec.space[key].encode(value) for key, value in values.items()}


def _distance(got: Tensor, want: Tensor) -> float:
    """Largest deviation, relative where |want| > 1."""
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    return ((got - want).abs() / want.abs().clamp(min=1)).max().item()
