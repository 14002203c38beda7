import importlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.recipe import Recipe
from tests.ranks import fully_shards, on_ranks

#: The name in `metaopt.deploy` is the function's.
module = importlib.import_module("metaopt.deploy.gradient_evidence")
YEAST = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tabular" / "yeast.csv.gz"
mse = nn.functional.mse_loss


def small(dtype=torch.float64):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(dtype)
    inputs = torch.randn(24, 3, dtype=dtype)
    return model, inputs, torch.randn(24, 2, dtype=dtype)


def gradient(model, inputs, targets):
    grads = torch.autograd.grad(mse(model(inputs), targets), list(model.parameters()))
    return torch.cat([grad.reshape(-1) for grad in grads])


def by_hand(rows):
    """1 − (B/D) Σ g²/Var(g), as the paper writes it."""
    return 1 - len(rows) / rows.shape[1] * (rows.mean(0) ** 2 / rows.var(0)).sum().item()


def micro(model, inputs, targets, size, scale=1.0):
    batches = metaopt.MicroBatches(model)
    model.zero_grad()
    for x, y in zip(inputs.split(size), targets.split(size), strict=True):
        (scale * mse(model(x), y)).backward()
        batches.add()
    return batches.evidence()


@pytest.mark.parametrize("at_once", [1, 40, 10**6])
def test_from_single_examples_it_is_the_papers_formula(at_once, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    model, inputs, targets = small()
    rows = torch.stack([gradient(model, x[None], y[None]) for x, y in zip(inputs, targets, strict=True)])
    assert metaopt.gradient_evidence(model, mse, inputs, targets) == pytest.approx(by_hand(rows), rel=1e-9)


@pytest.mark.parametrize("size", [1, 2, 6])
def test_from_micro_batches_it_is_the_formula_over_their_gradients_corrected_for_being_few(size):
    model, inputs, targets = small()
    pairs = zip(inputs.split(size), targets.split(size), strict=True)
    rows = torch.stack([gradient(model, x, y) for x, y in pairs])
    expected = 1 - (1 - by_hand(rows)) * (len(rows) - 3) / (len(rows) - 1)
    assert micro(model, inputs, targets, size) == pytest.approx(expected, rel=1e-8)
    assert micro(model, inputs, targets, size, scale=1024.0 / len(rows)) == pytest.approx(expected, rel=1e-8)


def test_micro_batches_of_one_example_say_what_single_examples_say():
    model, inputs, targets = small()
    whole = metaopt.gradient_evidence(model, mse, inputs, targets)
    assert 1 - (1 - micro(model, inputs, targets, 1)) * 23 / 21 == pytest.approx(whole, rel=1e-8)


@pytest.mark.parametrize("count", [4, 6, 64])
def test_where_there_is_only_noise_micro_batches_expect_nothing(count):
    weight = torch.zeros(40_000, requires_grad=True)
    batches = metaopt.MicroBatches([weight])
    for _ in range(count):
        (weight * torch.randn(40_000)).sum().backward()
        batches.add()
    if count > 5:  # from fewer the variance of the ratio is infinite
        assert batches.evidence() == pytest.approx(0.0, abs=0.2)
    else:
        assert -3 < batches.evidence() < 1


def test_each_step_begins_anew_and_the_model_is_left_as_it_was():
    model, inputs, targets = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = micro(model, inputs, targets, 2)
    batches = metaopt.MicroBatches(model)
    for _ in range(2):
        model.zero_grad()
        for x, y in zip(inputs.split(2), targets.split(2), strict=True):
            mse(model(x), y).backward()
            batches.add()
        assert batches.evidence() == pytest.approx(first, rel=1e-9)
    model.zero_grad()
    metaopt.gradient_evidence(model, mse, inputs, targets)
    assert all(param.grad is None for param in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_parameters_that_do_not_move_do_not_count():
    model, inputs, targets = small()
    model[0].weight.requires_grad_(False)
    trained = [model[0].bias, *model[2].parameters()]
    rows = []
    for x, y in zip(inputs, targets, strict=True):
        grads = torch.autograd.grad(mse(model(x[None]), y[None]), trained)
        rows.append(torch.cat([grad.reshape(-1) for grad in grads]))
    expected = by_hand(torch.stack(rows))
    assert metaopt.gradient_evidence(model, mse, inputs, targets) == pytest.approx(expected, rel=1e-9)
    unused = nn.Module()
    unused.net, unused.spare = model, nn.Linear(5, 5, dtype=torch.float64)
    unused.forward = model.forward
    assert metaopt.gradient_evidence(unused, mse, inputs, targets) == pytest.approx(expected, rel=1e-9)
    with torch.no_grad():
        still = metaopt.gradient_evidence(model, lambda out, _: (out * 0).mean(), inputs, targets)
    assert still == 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_gives_a_number_near_that_of_double(dtype):
    model, inputs, targets = small()
    exact = metaopt.gradient_evidence(model, mse, inputs, targets)
    rough = metaopt.gradient_evidence(model.to(dtype), mse, inputs.to(dtype), targets.to(dtype))
    assert rough == pytest.approx(exact, rel=1e-3 if dtype is torch.float32 else 0.1)


def test_what_cannot_be_had_is_refused_with_what_to_do():
    model, inputs, targets = small()
    with pytest.raises(metaopt.InputError, match="two examples or more, got 1 inputs and 1 targets"):
        metaopt.gradient_evidence(model, mse, inputs[:1], targets[:1])
    mixed = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double()
    with pytest.raises(metaopt.InputError, match=r"'1' \(BatchNorm1d\) mixes the examples.*metaopt.MicroBatches"):
        metaopt.gradient_evidence(mixed, mse, inputs, targets)
    assert math.isfinite(metaopt.gradient_evidence(mixed.eval(), mse, inputs, targets))
    assert math.isfinite(micro(mixed.train(), inputs, targets, 4))
    with pytest.raises(metaopt.InputError, match=r"at least 4 micro-batches, got 3: call add\(\) after"):
        micro(model, inputs, targets, 8)
    with pytest.raises(metaopt.InputError, match=r"fail with .*; take micro-batches instead"):
        metaopt.gradient_evidence(model, lambda out, y: out.mean() * out.sum().item(), inputs, targets)
    with pytest.raises(metaopt.InputError, match="none of this model requires gradients"):
        metaopt.gradient_evidence(model.requires_grad_(False), mse, inputs, targets)


def bound(model, total_steps, window=3):
    stopper = StopperConfiguration("evidence", {"window": window})
    recipe = Recipe.create(Configuration("adamw", "constant", hparams={"adamw.lr": 0.003}), stopper)
    return recipe.bind(model, total_steps=total_steps)


def test_a_run_without_evidence_is_told_where_it_comes_from():
    run = bound(nn.Linear(2, 1), 10)
    with pytest.raises(metaopt.InputError, match=r"requires evidence: call run.observe\(value, evidence=...\).*Micro"):
        run.observe(math.nan)


def test_a_run_without_a_validation_set_stops_and_keeps_its_last_weights():
    run = bound(nn.Linear(2, 1), 10, window=2)
    stops = [run.observe(math.nan, evidence=value).stop for value in (-1.0, 0.5, 0.2)]
    assert stops == [False, False, True]
    assert (run.best_step, run.best_value) == (None, None)
    with pytest.raises(metaopt.InputError, match="none of 3 observed values was finite"):
        run.restore_best()


@pytest.mark.slow
@pytest.mark.skipif(not YEAST.is_file(), reason="the development data ../shared/data/tabular/yeast.csv.gz is absent")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_stops_an_overfitting_network_near_its_best_validation(seed):
    table = pd.read_csv(YEAST)
    order = np.random.default_rng(seed).permutation(len(table))
    inputs = table.iloc[order, :-1].to_numpy(np.float64)
    inputs = torch.tensor((inputs - inputs[:300].mean(0)) / (inputs[:300].std(0) + 1e-8), dtype=torch.float32)
    targets = torch.tensor(pd.factorize(table.iloc[order, -1])[0])
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(inputs.shape[1], 64), nn.Tanh(), nn.Linear(64, int(targets.max()) + 1))
    loss_fn, every, total = nn.functional.cross_entropy, 20, 1500
    run = bound(model, total)
    values, stopped = [], None
    for step in range(1, total + 1):
        batch = torch.randint(300, (64,))
        run.optimizer.zero_grad()
        loss = loss_fn(model(inputs[batch]), targets[batch])
        loss.backward()
        run.step(loss)
        if step % every == 0:
            with torch.no_grad():
                values.append(loss_fn(model(inputs[300:]), targets[300:]).item())
            # The validation set is for this test to judge; the stopper never hears of it.
            evidence = metaopt.gradient_evidence(model, loss_fn, inputs[:300], targets[:300])
            if run.observe(math.nan, evidence=evidence).stop and stopped is None:
                stopped = len(values) - 1
    best, last = min(values), values[-1]
    assert last - best > 0.2  # it does overfit
    assert stopped is not None
    assert stopped < len(values) / 4
    assert values[stopped] - best < 0.1 * (values[0] - best)
    assert values[stopped] - best < 0.1 * (last - best)


def evidence_on_ranks(rank):
    from torch.distributed.fsdp import fully_shard

    values = []
    for shards in (False, True):
        model, inputs, targets = small()
        if shards:
            fully_shard(model, mesh=torch.distributed.device_mesh.init_device_mesh("cpu", (2,)))
        micro_batches = metaopt.MicroBatches(model)
        for rows, answers in zip(inputs.split(4), targets.split(4), strict=True):
            (mse(model(rows), answers) / 6).backward()
            micro_batches.add()
        values.append(micro_batches.evidence())
    return values


@fully_shards
def test_micro_batches_of_a_sharded_model_have_the_evidence_of_the_whole_one():
    for whole, sharded in on_ranks(evidence_on_ranks):
        assert sharded == pytest.approx(whole)
