"""The averaged wrapper is torch's AveragedModel around any rule."""

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import metaopt
from metaopt_optimizers import adamw, prodigy, schedulefree_adamw
from metaopt_wrappers.averaged import AVERAGED, Averaged

ADAMW = {"lr": 1e-2, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1}
EMA = {"averaged.kind": 0.0, "averaged.decay": 0.9, "averaged.start": 0.5, "averaged.power": 8.0}
POLYAK = {**EMA, "averaged.kind": 1.0}


class _Holder(torch.nn.Module):
    def __init__(self, params):
        super().__init__()
        self.params = torch.nn.ParameterDict({name: param.clone() for name, param in params.items()})


def _averages(trajectory, initial, first, **options):
    """What AveragedModel holds after each step from `first` on."""
    model = _Holder(initial)
    reference = AveragedModel(model, **options)
    averages = []
    for params in trajectory.params[first:]:
        with torch.no_grad():
            for name, param in params.items():
                model.params[name].copy_(param)
        reference.update_parameters(model)
        averages.append({name: param.detach().clone() for name, param in reference.module.params.items()})
    return averages


def test_training_is_the_inner_rules(problem, drive):
    given = problem(torch.float32)
    inside = drive(Averaged(adamw.rule), given, [{**ADAMW, **EMA}] * 2)
    alone = drive(adamw.rule, given, [ADAMW] * 2)
    torch.testing.assert_close(inside.params, alone.params, rtol=0, atol=0)


def test_ema_is_torchs(problem, drive):
    given = problem(torch.float32)
    trajectory = drive(Averaged(adamw.rule), given, [{**ADAMW, **EMA}] * 2)
    expected = _averages(trajectory, given.params, 0, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    torch.testing.assert_close(trajectory.evaluated, expected, rtol=1e-6, atol=1e-6)


def test_polyak_is_the_uniform_average_from_its_start(problem, drive):
    given = problem(torch.float32)
    trajectory = drive(Averaged(adamw.rule), given, [{**ADAMW, **POLYAK}] * 2)
    torch.testing.assert_close(trajectory.evaluated[:50], trajectory.params[:50], rtol=0, atol=0)
    expected = _averages(trajectory, given.params, 50)
    torch.testing.assert_close(trajectory.evaluated[50:], expected, rtol=1e-6, atol=1e-6)


def test_groups_may_average_differently(problem, drive):
    given = problem(torch.float64)
    rule = Averaged(adamw.rule)
    mixed = drive(rule, given, [{**ADAMW, **EMA}, {**ADAMW, **POLYAK}]).evaluated[-1]
    ema = drive(rule, given, [{**ADAMW, **EMA}] * 2).evaluated[-1]
    polyak = drive(rule, given, [{**ADAMW, **POLYAK}] * 2).evaluated[-1]
    torch.testing.assert_close(mixed, {**polyak, **{name: ema[name] for name in ("scalar", "vector", "matrix")}})


def test_without_a_horizon_polyak_starts_at_once():
    rule = Averaged(adamw.rule)
    params = {"w": torch.ones(2)}
    hparams = {"w": {name: torch.tensor(value) for name, value in {**ADAMW, **POLYAK}.items()}}
    state = rule.init(params, hparams, {}, None)
    info = metaopt.StepInfo(step=torch.tensor(0.0))
    updates, state = rule.update({"w": torch.ones(2)}, state, params, hparams, {}, info)
    moved = {"w": params["w"] + updates["w"]}
    torch.testing.assert_close(rule.evaluation_params(params, state, hparams), moved)


def test_before_the_first_step_the_parameters_themselves_are_evaluated():
    rule = Averaged(adamw.rule)
    params, loaded = {"w": torch.ones(2)}, {"w": torch.full((2,), 5.0)}
    hparams = {"w": {name: torch.tensor(value) for name, value in {**ADAMW, **EMA}.items()}}
    state = rule.init(params, hparams, {}, None)
    torch.testing.assert_close(rule.evaluation_params(loaded, state, hparams), loaded)


def test_what_the_inner_rule_evaluates_is_averaged(problem, drive):
    numbers = {**ADAMW, "r": 0.0, "weight_lr_power": 2.0}
    given = problem(torch.float64)
    inner = drive(schedulefree_adamw.rule, given, [numbers] * 2).evaluated
    outer = drive(Averaged(schedulefree_adamw.rule), given, [{**numbers, **POLYAK}] * 2).evaluated
    expected = torch.stack([params["matrix"] for params in inner[50:]]).mean(0)
    torch.testing.assert_close(outer[-1]["matrix"], expected)


@pytest.mark.parametrize("inner", [adamw.rule, prodigy.spec.rule])
def test_granularity_is_the_inner_rules(inner):
    assert Averaged(inner).granularity == inner.granularity


def test_its_state_and_hyperparameters_carry_its_name():
    rule = AVERAGED.wrap(adamw.rule)
    params = {"w": torch.ones(2)}
    hparams = {"w": {name: torch.tensor(value) for name, value in {**ADAMW, **EMA}.items()}}
    own = set(rule.init(params, hparams, {}, None)["tensors"]["w"]) - {"step", "exp_avg", "exp_avg_sq"}
    assert own == {"averaged.average", "averaged.count"}
    assert {f"averaged.{name}" for name in AVERAGED.space} == set(EMA)
