"""States that are damaged, or none at all, are refused at load in one sentence."""

import copy

import pytest
import torch
from torch import nn

import metaopt
from metaopt.deploy.state.damaged_state import check_groups
from metaopt.plugin.registry import Registry


def bound(optimizer="adamw", controller="plateau"):
    recipe = metaopt.Recipe.create(
        metaopt.Configuration(optimizer, controller), metaopt.StopperConfiguration("patience", {"patience": 0.5})
    )
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    run = recipe.bind(model, total_steps=20)
    for _ in range(3):
        run.optimizer.zero_grad()
        loss = model(torch.ones(4, 3)).square().mean()
        loss.backward()
        run.step(loss)
    with run.evaluating():
        run.observe(loss.item())
    return run


@pytest.mark.parametrize(
    "key", ["last_epoch", "step_count", "rate", "metric", "state", "base_lrs", "last_lr", "total_steps"]
)
@pytest.mark.parametrize("value", ["x" * 5_000, [], 10**400, {"a": 1}])
def test_a_schedulers_damaged_state_is_refused(key, value):
    run = bound()
    state = {**run.scheduler.state_dict(), key: value}
    with pytest.raises(metaopt.InputError) as caught:
        run.scheduler.load_state_dict(state)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lion", "schedulefree_adamw"])
@pytest.mark.parametrize("value", ["x", [1.0], {}, 10**400, float("nan")])
def test_an_optimizers_damaged_rate_is_refused(optimizer, value):
    run = bound(optimizer, "constant")
    state = copy.deepcopy(run.optimizer.state_dict())
    state["param_groups"][0]["lr"] = value
    with pytest.raises(metaopt.InputError, match="'lr' is"):
        run.optimizer.load_state_dict(state)


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop", "lion", "schedulefree_adamw"])
@pytest.mark.parametrize("value", ["x", [1.0], None, 3])
def test_moments_that_are_no_tensors_are_refused(optimizer, value):
    run = bound(optimizer, "constant")
    state = copy.deepcopy(run.optimizer.state_dict())
    entries = next(iter(state["state"].values()))
    key = next(name for name, entry in entries.items() if isinstance(entry, torch.Tensor) and entry.ndim)
    entries[key] = value
    with pytest.raises(metaopt.InputError, match="not a tensor"):
        run.optimizer.load_state_dict(state)


@pytest.mark.parametrize("state", [None, 3, "x", [], {}, {"optimizer": 3}, {"optimizer": {}, "scheduler": {}}])
def test_what_is_no_state_at_all_is_refused(state):
    run = bound()
    for part in (run, run.scheduler):
        with pytest.raises(metaopt.InputError):
            part.load_state_dict(state)


@pytest.mark.parametrize("key", ["decision", "num_observations", "losses", "seconds", "stopper", "best_weights"])
def test_a_runs_damaged_observations_are_refused(key):
    run = bound()
    with pytest.raises(metaopt.InputError):
        run.load_state_dict({**run.state_dict(), key: "x"})


def test_a_limit_that_is_none_is_no_damage():
    class Bounded(torch.optim.SGD):
        def __init__(self, params, lr: float = 0.1, most: float = float("inf")):
            super().__init__(params, lr=lr)
            self.param_groups[0]["most"] = most

    registry = Registry.discover()
    registry.register(metaopt.optimizer_spec(Bounded))
    optimizer = metaopt.Recipe.create(metaopt.Configuration("bounded"), registry=registry)
    optimizer = optimizer.bind(nn.Linear(2, 1), registry=registry).optimizer
    state = copy.deepcopy(optimizer.state_dict())
    optimizer.load_state_dict(state)
    assert optimizer.state_dict()["param_groups"][0]["most"] == float("inf")
    with pytest.raises(metaopt.InputError, match="its 'most' is nan, where this optimizer has inf"):
        check_groups([{"most": float("nan")}], [{"most": float("inf")}])
