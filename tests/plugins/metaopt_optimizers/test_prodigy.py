"""Prodigy's one d: shared by all parameters and bounded."""

from itertools import pairwise

import pytest
import torch

import metaopt
from metaopt_optimizers import prodigy

INFO = metaopt.StepInfo(step=torch.tensor(0.0))


def _numbers(**given):
    space = prodigy.spec.space
    numbers = {name: space[name].encode(space[name].default) for name in space}
    return {name: torch.tensor(value) for name, value in {**numbers, **given}.items()}


def _d_after(num_steps, gradient, **given):
    params = {"w": torch.zeros(3)}
    hparams = {"w": _numbers(**given)}
    state = prodigy.spec.rule.init(params, hparams, {}, None)
    for step in range(num_steps):
        updates, state = prodigy.spec.rule.update({"w": gradient(step)}, state, params, hparams, {}, INFO)
        params = {"w": params["w"] + updates["w"]}
    return state["shared"]["d"].item(), params["w"]


def test_d_stays_below_its_limit_on_a_loss_that_looks_linear():
    assert _d_after(100, lambda step: torch.ones(3), d_limit=0.5)[0] == 0.5
    d, params = _d_after(100, lambda step: torch.ones(3))
    assert d == prodigy.spec.space["d_limit"].default
    assert torch.isfinite(params).all()


def test_d_grows_by_at_most_its_growth_rate():
    ds = [_d_after(num_steps, lambda step: torch.ones(3), growth_rate=1.1)[0] for num_steps in range(5, 12)]
    ratios = [after / before for before, after in pairwise(ds)]
    assert ratios == pytest.approx([1.1] * 6, rel=1e-5)


def test_d_survives_a_gradient_that_is_not_finite():
    healthy, _ = _d_after(10, lambda step: torch.ones(3))
    wounded, _ = _d_after(20, lambda step: torch.full((3,), torch.nan) if step == 10 else torch.ones(3))
    assert wounded == healthy > 1e-6


def test_d_is_shared_by_all_parameters():
    params = {"moving": torch.zeros(2), "still": torch.zeros(3)}
    hparams = dict.fromkeys(params, _numbers())
    state = prodigy.spec.rule.init(params, hparams, {}, None)
    assert set(state["shared"]) == {"step", "d", "d_max", "d_numerator"}
    for _ in range(10):
        grads = {"moving": torch.ones(2), "still": torch.full((3,), 1e-6)}
        updates, state = prodigy.spec.rule.update(grads, state, params, hparams, {}, INFO)
        params = {name: param + updates[name] for name, param in params.items()}
    assert state["shared"]["d"] > 1e-4
    assert updates["still"].abs().min() > 1e-4  # the small gradients of one ride on the d of the other


def test_different_rates_are_allowed_and_zero_freezes():
    params = {"half": torch.ones(2), "frozen": torch.ones(2)}
    hparams = {"half": _numbers(lr=0.5), "frozen": _numbers(lr=0.0, weight_decay=0.1)}
    state = prodigy.spec.rule.init(params, hparams, {}, None)
    grads = {name: torch.ones(2) for name in params}
    updates, _ = prodigy.spec.rule.update(grads, state, params, hparams, {}, INFO)
    assert updates["frozen"].eq(0).all()
    assert updates["half"].lt(0).all()
