"""Wrappers that set the rate or place the iterates follow their authors' packages, or their formula."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.deploy.evaluation import evaluating

STEPS = 60


def model_of():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).double()


INPUTS = torch.randn(64, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
TARGETS = (INPUTS[:, :1] * INPUTS[:, 1:2]).sin()


def trained(optimizer, model, steps=STEPS, after=lambda: None):
    """Parameters after each step."""
    found = []
    for step in range(steps):
        rows = slice(8 * (step % 8), 8 * (step % 8) + 8)
        optimizer.zero_grad()
        (model(INPUTS[rows]) - TARGETS[rows]).square().mean().backward()
        optimizer.step()
        after()
        found.append(torch.cat([one.detach().flatten() for one in model.parameters()]))
    return torch.stack(found)


def ours(name, wrapper, **hparams):
    model = model_of()
    return trained(metaopt.create_optimizer(name, model, wrappers=[wrapper], **hparams), model)


@pytest.mark.parametrize("kind", ["DoG", "LDoG"])
def test_dog_is_the_authors_package(kind):
    dog = pytest.importorskip("dog", reason="needs dog-optimizer")
    model = model_of()
    theirs = trained(getattr(dog, kind)(model.parameters(), reps_rel=1e-3), model)
    name = kind.lower()
    found = ours("sgd", name, lr=1.0, **{f"{name}.initial": 1e-3})
    torch.testing.assert_close(found, theirs, rtol=1e-9, atol=1e-12)
    assert (found[-1] - found[0]).norm() > 0.1, "it went somewhere"


def test_dogs_average_is_the_polynomial_one():
    dog = pytest.importorskip("dog", reason="needs dog-optimizer")
    model, mine = model_of(), model_of()
    averager = dog.PolynomialDecayAverager(model)
    trained(dog.DoG(model.parameters(), reps_rel=1e-3), model, after=averager.step)
    hparams = {"dog.initial": 1e-3, "averaged.kind": "polynomial"}
    optimizer = metaopt.create_optimizer("sgd", mine, wrappers=["dog", "averaged"], lr=1.0, **hparams)
    trained(optimizer, mine)
    with evaluating(optimizer):
        for one, two in zip(mine.parameters(), averager.averaged_model.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)


def test_dowg_is_its_formula():
    model = model_of()
    params, start = list(model.parameters()), [one.detach().clone() for one in model_of().parameters()]
    reached = 1e-3 * (1 + torch.cat([one.flatten() for one in start]).norm())
    squares, expected = 1e-8 * reached**2, []
    for step in range(STEPS):
        rows = slice(8 * (step % 8), 8 * (step % 8) + 8)
        grads = torch.autograd.grad((model(INPUTS[rows]) - TARGETS[rows]).square().mean(), params)
        far = torch.cat([(one - two).flatten() for one, two in zip(params, start, strict=True)]).norm()
        reached = torch.maximum(reached, far.detach())
        squares = squares + reached**2 * sum(grad.square().sum() for grad in grads)
        with torch.no_grad():
            for param, grad in zip(params, grads, strict=True):
                param -= reached**2 / squares.sqrt() * grad
        expected.append(torch.cat([one.detach().flatten() for one in params]))
    found = ours("sgd", "dowg", lr=1.0, **{"dowg.initial": 1e-3})
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_mechanic_is_the_authors_package(name, kind):
    package = pytest.importorskip("mechanic_pytorch", reason="needs mechanic-pytorch")
    model = model_of()
    theirs = package.mechanize(kind, store_delta=True, s_init=1e-3)(model.parameters(), lr=0.1, weight_decay=0.0)
    theirs = trained(theirs, model)
    found = ours(name, "mechanic", lr=0.1, weight_decay=0.0, **{"mechanic.initial": 1e-3})
    torch.testing.assert_close(found, theirs, rtol=1e-4, atol=1e-6)  # theirs keeps its scales in float32
    assert (found[-1] - found[0]).norm() > 0.1, "it went somewhere"


def test_lookahead_is_pytorch_optimizers():
    package = pytest.importorskip("pytorch_optimizer", reason="needs pytorch-optimizer")
    model = model_of()
    inner = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    theirs = trained(package.Lookahead(inner, k=5, alpha=0.5, pullback_momentum="none"), model)
    found = ours("sgd", "lookahead", lr=0.1, momentum=0.9, **{"lookahead.period": 5, "lookahead.alpha": 0.5})
    torch.testing.assert_close(found, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg", "mechanic", "lookahead"])
def test_a_resumed_run_equals_an_unbroken_one(wrapper):
    model = model_of()
    unbroken = trained(metaopt.create_optimizer("adamw", model, wrappers=[wrapper], lr=0.1), model, steps=40)
    model = model_of()
    first = metaopt.create_optimizer("adamw", model, wrappers=[wrapper], lr=0.1)
    trained(first, model, steps=16)
    state = first.state_dict()
    second = metaopt.create_optimizer("adamw", model, wrappers=[wrapper], lr=0.1)
    second.load_state_dict(state)
    found = trained(second, model, steps=24)
    assert torch.equal(found[-1], unbroken[-1])


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg", "mechanic"])
def test_a_gradient_that_is_not_finite_does_not_spoil_the_rate(wrapper):
    model = model_of()
    optimizer = metaopt.create_optimizer("sgd", model, wrappers=[wrapper], lr=1.0)
    trained(optimizer, model, steps=3)
    for param in model.parameters():
        param.grad = torch.full_like(param, torch.inf)
    optimizer.step()
    kept = [*optimizer.param_groups[0]["shared"].items(), *(p for one in optimizer.state.values() for p in one.items())]
    rates = {key: value for key, value in kept if key.startswith(wrapper) and "offset" not in key}
    assert len(rates) >= 3
    assert all(torch.isfinite(value).all() for value in rates.values()), rates


def test_a_rule_without_a_rate_is_refused():
    spec = metaopt.OptimizerSpec(
        name="rateless",
        version="1",
        rule=metaopt.per_tensor(lambda *_: {}, lambda grad, state, *_: (-grad, state)),
        space={},
    )
    model = model_of()
    metaopt.register(spec)
    with pytest.raises(metaopt.PluginError, match="'dog' sets the learning rate, but the rule inside has none"):
        metaopt.create_optimizer("rateless", model, wrappers=["dog"])


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg"])
def test_a_rule_that_sets_its_own_rate_is_refused(wrapper):
    with pytest.raises(metaopt.PluginError, match=f"'{wrapper}' sets the learning rate, and 'prodigy' its own; leave"):
        metaopt.create_optimizer("prodigy", model_of(), wrappers=[wrapper])


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg", "mechanic"])
@pytest.mark.parametrize("implementation", ["auto", "rule"])
def test_defaults_train(wrapper, implementation):
    """Nobody has to know that lr multiplies the rate that the wrapper sets."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    optimizer = metaopt.create_optimizer("sgd", model, wrappers=[wrapper], implementation=implementation)
    assert optimizer.param_groups[0]["lr"] == 1.0
    losses = []
    for _ in range(300):
        optimizer.zero_grad()
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg", "mechanic"])
def test_a_rate_that_is_stated_is_kept(wrapper):
    bare, head = nn.Linear(2, 2), nn.Linear(2, 1)
    optimizer = metaopt.create_optimizer("sgd", bare, wrappers=[wrapper], lr=0.5)
    assert optimizer.param_groups[0]["lr"] == 0.5
    groups = [{"params": list(bare.parameters())}, {"params": list(head.parameters()), "lr": 0.25}]
    optimizer = metaopt.create_optimizer("sgd", groups, wrappers=[wrapper])
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.25]


def test_dowg_moves_where_gradients_are_small():
    model = model_of()
    start = torch.cat([one.detach().flatten() for one in model.parameters()])
    optimizer = metaopt.create_optimizer("sgd", model, wrappers=["dowg"])
    for _ in range(100):
        optimizer.zero_grad()
        (1e-2 * (model(INPUTS) - TARGETS).square().mean()).backward()
        optimizer.step()
    assert (torch.cat([one.detach().flatten() for one in model.parameters()]) - start).norm() > 0.1


@pytest.mark.parametrize("name", ["sgd", "adamw", "schedulefree_adamw"])
def test_mechanic_evaluates_with_the_iterates_that_it_places(name):
    model = model_of()
    optimizer = metaopt.create_optimizer(name, model, wrappers=["mechanic"], implementation="rule")
    trained(optimizer, model)
    placed = [one.detach().clone() for one in model.parameters()]
    with evaluating(optimizer):
        for one, two in zip(model.parameters(), placed, strict=True):
            assert torch.equal(one, two)
