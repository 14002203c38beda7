"""Whatever a loop looks like, its ranks hold the same weights: closures, scalers, several runs, ranks without data."""

import io
import math
import warnings

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import metaopt
from metaopt import Configuration, StopperConfiguration
from tests.ranks import on_ranks

STEPS = 8
GREEDY = Configuration("sgd", "greedy", hparams={"sgd.lr": 0.1})
SCALER = torch.amp.GradScaler("cpu", init_scale=4.0)
#: A controller and a rule that look at the loss, and a learned rule that hands over by it.
RECIPES = {
    "greedy": lambda: metaopt.Recipe.create(GREEDY),
    "learned_schedule": lambda: metaopt.load_recipe("learned_schedule"),
    "mlp_lopt": lambda: metaopt.load_recipe("mlp_lopt"),
}


def wrapped(seed=0, frozen=False):
    torch.manual_seed(seed)
    first = nn.Linear(4, 8).requires_grad_(not frozen)
    return DistributedDataParallel(nn.Sequential(first, nn.Tanh(), nn.Linear(8, 1)))


def batch(rank, step):
    inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(10 * step + rank))
    return inputs, inputs.sum(1, keepdim=True).sin() + rank


def backward(model, rank, step):
    inputs, targets = batch(rank, step)
    model.zero_grad()
    loss = nn.functional.mse_loss(model(inputs), targets)
    loss.backward()
    return loss


def by_run(model, run, rank, step):
    run.step(backward(model, rank, step))


def by_a_host(model, run, rank, step):
    run.record_loss(backward(model, rank, step))
    run.optimizer.step()
    run.scheduler.step()


def by_a_closure(model, run, rank, step):
    run.optimizer.step(lambda: backward(model, rank, step))
    run.scheduler.step()


def by_keyword(model, run, rank, step):
    loss = backward(model, rank, step)
    if run.optimizer.__class__.__name__ == "RuleOptimizer":
        run.optimizer.step(loss=loss)
        run.scheduler.step()
    else:  # a class that takes none
        run.step(loss)


def by_a_scaler(model, run, rank, step):
    model.zero_grad()
    inputs, targets = batch(rank, step)
    loss = nn.functional.mse_loss(model(inputs), targets)
    (SCALER.scale(loss) * (math.nan if step == 3 and rank else 1.0)).backward()  # one rank's batch overflows
    run.step(loss, scaler=SCALER)


def with_fewer_examples(model, run, rank, step):
    """The second rank has no last batch: its inputs are there for DDP alone."""
    loss = backward(model, rank, step)
    absent = rank == 1 and step == STEPS - 1
    run.step(loss * math.nan if absent else loss, num_examples=0 if absent else 8)


LOOPS = [by_run, by_a_host, by_a_closure, by_keyword, by_a_scaler, with_fewer_examples]


def trained(rank):
    warnings.simplefilter("ignore")
    ends = {}
    for name, recipe in RECIPES.items():
        for loop in LOOPS:
            model = wrapped()
            run = recipe().bind(model, total_steps=STEPS)
            for step in range(STEPS):
                loop(model, run, rank, step)
            ends[name, loop.__name__] = (
                torch.cat([param.detach().flatten() for param in model.parameters()]),
                run.num_steps,
            )
    return ends


def test_any_loop_leaves_ranks_with_the_same_weights():
    first, second = on_ranks(trained)
    for (name, loop), (weights, num_steps) in first.items():
        assert torch.equal(weights, second[name, loop][0]), (name, loop)
        assert num_steps == second[name, loop][1] == STEPS - (loop == "by_a_scaler")
        if loop in ("by_a_host", "by_a_closure", "by_keyword"):
            assert torch.equal(weights, first[name, "by_run"][0]), (name, loop)


def two_runs(rank):
    """A generator and its critic, whose runs meet in one group; and a third run, of each rank alone."""
    models = [wrapped(seed) for seed in (0, 1)]
    runs = [metaopt.Recipe.create(GREEDY).bind(model, total_steps=STEPS) for model in models]
    alone = metaopt.Recipe.create(GREEDY).bind(nn.Linear(4, 1), total_steps=STEPS, distributed=None)
    for step in range(STEPS):
        for model, run in zip(models, runs, strict=True):
            run.step(backward(model, rank, step))
        if rank == 0:
            alone.model(batch(rank, step)[0]).sum().backward()
            alone.step(1.0)
            alone.observe(1.0)
    return [torch.cat([param.detach().flatten() for param in model.parameters()]) for model in models]


def test_several_runs_meet_in_one_group():
    first, second = on_ranks(two_runs)
    assert all(map(torch.equal, first, second))
    assert not torch.equal(*first)


def by_hand(rank):
    """Gradients that the user averages, on a model that nothing wraps, in a recipe that needs the loss."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    run = metaopt.load_recipe("learned_schedule").bind(model, total_steps=STEPS)
    for step in range(STEPS):
        loss = backward(model, rank, step)
        for param in model.parameters():
            torch.distributed.all_reduce(param.grad)
            param.grad /= 2
        run.step(loss)
    return torch.cat([param.detach().flatten() for param in model.parameters()])


def test_gradients_may_be_averaged_by_hand():
    assert torch.equal(*on_ranks(by_hand))


def judged(rank):
    """Ranks of which one measures something else, cannot measure, or has lost its weights or its loss."""
    warnings.simplefilter("ignore")
    recipe = metaopt.Recipe.create(Configuration("sgd"), StopperConfiguration("patience", {"patience": 0.5}))

    def fresh(**keywords):
        model = wrapped()
        run = recipe.bind(model, total_steps=STEPS, **keywords)
        by_run(model, run, rank, 0)
        return run, model

    told = {}
    run, _ = fresh()
    told["one has no data"] = run.observe((2.0, math.nan)[rank], (5, 0)[rank])
    told["means"] = run.observe(1.0 + rank)
    run, model = fresh()
    if rank == 1:
        next(model.parameters()).data.fill_(math.nan)
    told["weights of one"] = run.observe(math.nan)
    run, _ = fresh()
    run.record_loss((1.0, math.inf)[rank])
    told["loss of one"] = run.observe(math.nan)
    told["goes on"] = run.observe(1.0)
    run, _ = fresh()
    told["a metric that failed on one"] = run.observe((1.0, math.nan)[rank])
    run, model = fresh(guard="fallback")
    for _ in range(20 if rank == 1 else 1):  # the guard of one rank gives up
        for param in model.parameters():
            param.grad = torch.full_like(param, math.nan if rank else 0.0)
        run.optimizer.step()
    run._steps.count = 1
    told["guard of one"] = run.observe(1.0)
    return told


def test_decisions_are_equal():
    first, second = on_ranks(judged)
    assert first.pop("guard of one").reason == "At step 1 training is over on another rank, whose observation says why."
    assert "20 steps in a row were skipped" in second.pop("guard of one").reason
    assert first == second
    assert first["one has no data"].best_value == 2.0
    assert first["means"].best_value == 1.5
    assert first["weights of one"].reason == (
        "At step 1 the metric is nan and the weights are no longer finite: training diverged."
    )
    assert "the training loss is not finite" in first["loss of one"].reason
    assert first["goes on"].reason == first["loss of one"].reason
    assert first["a metric that failed on one"].best_value is None
    assert not first["a metric that failed on one"].stop


def counted(rank):
    """Collectives of a step, of recipes that need the loss and others, by torch's own count of them."""
    counts = {}
    for name, configuration in {"adamw": Configuration("adamw", "cosine"), "greedy": GREEDY}.items():
        model = wrapped()
        run = metaopt.Recipe.create(configuration).bind(model, total_steps=STEPS)
        for step in range(2):
            loss = backward(model, rank, step)
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
                run.step(loss)
        counts[name] = sum(event.count for event in profile.key_averages() if event.key.startswith("gloo:"))
    return counts


def test_ranks_meet_at_a_step_only_where_something_needs_the_loss():
    assert on_ranks(counted) == [{"adamw": 0, "greedy": 1}] * 2


def finished(rank):
    model = wrapped(frozen=True)
    run = metaopt.load_recipe("default").bind(model, total_steps=100)
    for step in range(STEPS):
        by_run(model, run, rank, step)
        with run.evaluating():
            run.observe((step - 3.0) ** 2 + rank)
    kept = io.BytesIO()
    torch.save(run.state_dict()["best_weights"], kept)
    run.finish()
    with pytest.raises(metaopt.InputError, match="finished"):
        by_run(model, run, rank, 0)
    late = run.observe(float(rank))  # nothing meets any more
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}, kept.getvalue(), late


def test_a_finished_run_has_the_same_weights_on_all_ranks():
    (model, kept, late), second = on_ranks(finished)
    best = torch.load(io.BytesIO(kept), weights_only=True)
    assert list(best) == ["module.2.weight", "module.2.bias"]
    assert late == second[2]
    assert late.best_step == 4
    assert all(torch.equal(tensor, second[0][name]) for name, tensor in model.items())
    assert all(torch.equal(tensor, model[name]) for name, tensor in best.items())
