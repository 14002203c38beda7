"""Ranks with fewer batches than others end with the same weights and state, or are told how to."""

import warnings
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.distributed.algorithms.join import Join
from torch.nn.parallel import DistributedDataParallel

import metaopt
from metaopt import Configuration
from tests.ranks import on_ranks

#: One recipe that averages losses at each step, one that does not, and one that keeps moments in a library's class.
RECIPES = {
    "greedy": Configuration("sgd", "greedy", hparams={"sgd.lr": 0.1}),
    "mlp_lopt": Configuration("mlp_lopt", "cosine"),
    "adamw": Configuration("adamw", "cosine", hparams={"adamw.lr": 0.01}),
    "hypergradient": Configuration("adamw", "hypergradient"),
}


def bound(name, **keywords):
    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)))
    return model, metaopt.Recipe.create(RECIPES[name]).bind(model, total_steps=40, **keywords)


def train(model, run, rank, count, accumulate=1):
    for step in range(count):
        inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(10 * step + rank))
        is_step = step % accumulate == accumulate - 1
        with nullcontext() if is_step else model.no_sync():
            loss = nn.functional.mse_loss(model(inputs), inputs.sum(1, keepdim=True).sin())
            loss.backward()
        if is_step:
            run.step(loss)
            run.optimizer.zero_grad()


def weights(model):
    return torch.cat([param.detach().flatten() for param in model.parameters()])


def numbers(state):
    """Every number of a state but the clock's, and an entry that torch's loader adds."""
    if isinstance(state, dict):
        return [
            number
            for key, part in sorted(state.items(), key=str)
            if key not in ("seconds", "differentiable")
            for number in numbers(part)
        ]
    if isinstance(state, list | tuple):
        return [number for part in state for number in numbers(part)]
    return state.flatten().tolist() if isinstance(state, torch.Tensor) else [state]


def uneven(rank, names):
    warnings.simplefilter("ignore")
    ends = {}
    for name in names:
        model, run = bound(name)
        run.observe(3.0 + rank)
        for epoch in range(2):
            with Join([model, run]):
                train(model, run, rank, 6 - 3 * rank + epoch)
            run.observe(2.0 - epoch + rank)
        ends[name] = weights(model), numbers(run.state_dict()), run.num_steps
        run.finish()
    return ends


def test_all_ranks_end_with_the_weights_and_the_state_of_the_last():
    first, second = on_ranks(uneven, list(RECIPES))
    for name, (model, state, num_steps) in first.items():
        assert torch.equal(model, second[name][0])
        assert num_steps == second[name][2] == 13
        assert repr(second[name][1]) == repr(state)  # NaN is NaN


def accumulated(rank):
    model, run = bound("greedy")
    with Join([model, run]):
        train(model, run, rank, (4, 8)[rank], accumulate=2)
    return weights(model), run.num_steps


def test_a_step_of_several_backward_passes_is_one_step():
    (first, steps), second = on_ranks(accumulated)
    assert torch.equal(first, second[0])
    assert steps == second[1] == 4


def even(rank):
    model, run = bound("adamw")
    with Join([model, run], enable=False):
        train(model, run, rank, 3)
        run.observe(1.0)
    with Join([model, run]):
        train(model, run, rank, 3)
    alone = bound("greedy", distributed=None)
    with Join(list(alone)):
        train(*alone, rank, 2)
    return run.num_steps, alone[1].num_steps


def test_even_batches_and_a_join_that_is_off_change_nothing():
    assert on_ranks(even) == [(6, 2), (6, 2)]


def refused(rank):
    told = []
    for name in ("greedy", "adamw"):
        for joinables in (lambda model, run: [model], lambda model, run: [run, model]):
            model, run = bound(name)
            context = Join(joinables(model, run))
            with pytest.raises(metaopt.InputError) as caught, context:
                train(model, run, rank, 2)
            told.append(str(caught.value))
        model, run = bound(name)
        with pytest.raises(metaopt.InputError, match="a run takes part"), Join([model]):
            run.record_loss(1.0)  # as for a host that steps by itself
        model, run = bound(name)
        with pytest.raises(metaopt.InputError) as caught, Join([model, run]):
            run.observe(1.0)
        told.append(str(caught.value))
    return told


def test_a_join_without_the_run_is_refused_and_a_validation_inside():
    for told in on_ranks(refused):
        for without, before, inside in (told[:3], told[3:]):
            assert "write `with Join([model, run]):` in place of" in without
            assert "behind its model" in before
            assert "leave `with Join([model, run]):` before run.observe()" in inside
