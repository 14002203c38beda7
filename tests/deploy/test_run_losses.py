import copy

import pytest
import torch
from torch import nn

import metaopt
from tests.ranks import on_ranks

INPUTS = torch.randn(24, 3, generator=torch.Generator().manual_seed(0))


def made():
    torch.manual_seed(0)
    return metaopt.SharedTrunk(nn.Linear(3, 4), {"a": nn.Linear(4, 1), "b": nn.Linear(4, 2)})


def losses(model):
    outputs = model(INPUTS)
    return {
        "a": (outputs["a"] - INPUTS[:, :1]).square().mean(),
        "b": nn.functional.cross_entropy(outputs["b"], (INPUTS[:, 1] > 0).long()),
    }


def bound(model, **fields):
    recipe = metaopt.Recipe.create(metaopt.Configuration("adamw", hparams={"adamw.lr": 1e-2}, **fields))
    return recipe.bind(model, total_steps=40)


def trained(run, steps):
    for _ in range(steps):
        run.optimizer.zero_grad()
        run.step(losses(run.model))
    return torch.cat([param.detach().reshape(-1) for param in run.model.parameters()])


@pytest.mark.parametrize("fields", [{}, {"weighting": "uncertainty"}, {"weighting": "dwa", "surgery": "pcgrad"}])
def test_one_call_trains_trunk_and_heads_and_a_run_goes_on_where_it_was_saved(fields):
    whole = trained(bound(made(), **fields), 10)
    run = bound(made(), **fields)
    trained(run, 4)
    state, weights = copy.deepcopy(run.state_dict()), copy.deepcopy(run.model.state_dict())
    again = bound(made(), **fields)
    again.model.load_state_dict(weights)
    again.load_state_dict(state)
    assert torch.equal(trained(again, 6), whole)


def test_backward_and_step_are_what_step_of_losses_is():
    run = bound(made(), surgery="pcgrad")
    for _ in range(3):
        run.optimizer.zero_grad()
        loss = run.backward(losses(run.model))
        assert torch.allclose(loss, torch.stack(list(losses(run.model).values())).mean())
        run.step(loss)
    weights = torch.cat([param.detach().reshape(-1) for param in run.model.parameters()])
    assert torch.equal(weights, trained(bound(made(), surgery="pcgrad"), 3))


def test_without_weighting_and_surgery_any_recipe_takes_the_mean_of_losses():
    model = made()
    run = bound(model)
    run.backward(losses(model))
    expected = torch.autograd.grad(torch.stack(list(losses(model).values())).mean(), model.trunk.weight)[0]
    assert torch.allclose(model.trunk.weight.grad, expected)


def test_a_scaler_scales_all_gradients():
    model = made()
    run = bound(model, surgery="pcgrad")
    run.backward(losses(model))
    plain = model.trunk.weight.grad.clone()
    model.zero_grad()
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    run.step(losses(model), scaler=scaler)
    assert torch.allclose(model.trunk.weight.grad, plain, rtol=1e-4)  # unscaled by the scaler's step
    assert run.num_steps == 1


def test_one_loss_under_a_surgery_is_told_once():
    model = made()
    run = bound(model, surgery="pcgrad")
    for times in range(2):
        run.optimizer.zero_grad()
        loss = torch.stack(list(losses(model).values())).mean()
        loss.backward()
        if times:
            run.step(loss)
            continue
        with pytest.warns(UserWarning, match=r"for losses of several tasks.*run.step\({'task': loss, …}\)"):
            run.step(loss)


def test_losses_that_are_none_are_refused_before_anything_moves():
    model = made()
    run = bound(model, surgery="pcgrad")
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(metaopt.InputError, match="the losses of the same tasks, a, b, got those of a"):
        run.step({"a": losses(model)["a"]})
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_parts_may_have_an_optimizer_and_a_rate_of_their_own():
    model = made()
    recipe = metaopt.Recipe.create(
        metaopt.Configuration(
            "adamw", surgery="pcgrad", roles={"head": metaopt.Role("sgd", rate=2.0)}, hparams={"sgd.lr": 0.1}
        )
    )
    run = recipe.bind(model, total_steps=5, roles={"heads.*": "head"})
    assert {group["lr"] for group in run.optimizer.param_groups} == {1e-3, 0.2}
    before = copy.deepcopy(model.state_dict())
    run.step(losses(model))
    assert all(not torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_trunk_is_adapted_to_a_task_left_out():
    model = made()
    run = bound(model)
    trained(run, 40)
    support = (INPUTS[:12], INPUTS[:12, :1] - 1)
    recipe = metaopt.Recipe.create(metaopt.Configuration("adamw", hparams={"adamw.lr": 1e-2}))
    predictor = metaopt.adapt(model.onto(nn.Linear(4, 1)), recipe, support, num_steps=30)
    assert predictor.losses[-1] < predictor.losses[0]
    assert torch.equal(model.trunk.weight, run.model.trunk.weight)


def weighted_on(rank):
    """A weighting goes by the mean losses of the ranks, each of which has its own examples; a surgery is refused."""
    model = made()
    wrapped = nn.parallel.DistributedDataParallel(model)
    run = bound(wrapped, weighting="uncertainty")
    for _ in range(3):
        run.optimizer.zero_grad()
        outputs = wrapped(INPUTS[12 * rank : 12 * rank + 12])
        own = INPUTS[12 * rank : 12 * rank + 12]
        each = {
            "a": (outputs["a"] - own[:, :1]).square().mean(),
            "b": nn.functional.cross_entropy(outputs["b"], (own[:, 1] > 0).long()),
        }
        run.step(each)
    with pytest.raises(metaopt.InputError, match="A surgery needs each task's gradient on one process"):
        bound(wrapped, surgery="pcgrad").backward(each)
    weights = torch.cat([param.detach().reshape(-1) for param in model.parameters()])
    return weights.tolist(), run.state_dict()["tasks"]["state"]["weighting.s"].tolist()


def test_ranks_weigh_by_their_mean_losses():
    first, second = on_ranks(weighted_on)
    assert first == second
    alone = bound(made(), weighting="uncertainty")
    weights = trained(alone, 3)
    assert torch.allclose(torch.tensor(first[0]), weights, atol=1e-5)
    assert torch.allclose(torch.tensor(first[1]), alone.state_dict()["tasks"]["state"]["weighting.s"], atol=1e-5)
