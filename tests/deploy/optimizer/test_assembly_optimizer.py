"""Saved, copied or sent to another process, a RuleOptimizer continues bit for bit."""

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor, nn

import metaopt

BUILT_IN = ("adagrad", "adamw", "lion", "nadamw", "prodigy", "rmsprop", "schedulefree_adamw", "sgd")


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).to(dtype)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    for step in range(first, last):
        inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(step)).to(next(model.parameters()).dtype)
        optimizer.zero_grad()
        (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean().backward()
        optimizer.step()


def values(model: nn.Module) -> list[Tensor]:
    return [param.detach().clone() for param in model.parameters()]


def assert_same(first: nn.Module, second: nn.Module) -> None:
    for a, b in zip(values(first), values(second), strict=True):
        assert torch.equal(a, b)


def through_a_file(document: object) -> object:
    buffer = io.BytesIO()
    torch.save(document, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", BUILT_IN)
def test_training_resumed_from_a_checkpoint_is_training_never_interrupted(name, dtype):
    whole = network(dtype)
    train(whole, metaopt.RuleOptimizer(whole, name), 0, 10)

    model = network(dtype)
    optimizer = metaopt.RuleOptimizer(model, name)
    train(model, optimizer, 0, 5)
    checkpoint = through_a_file({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    resumed = network(dtype)
    again = metaopt.RuleOptimizer(resumed, name)
    resumed.load_state_dict(checkpoint["model"])
    again.load_state_dict(checkpoint["optimizer"])
    assert again.steps == 5
    train(resumed, again, 5, 10)
    assert_same(whole, resumed)


def test_a_wrapped_rule_resumes_with_its_averages():
    def build(model):
        return metaopt.RuleOptimizer(model, "adamw", wrappers=["averaged"], **{"averaged.decay": 0.9})

    model, resumed = network(torch.bfloat16), network(torch.bfloat16)
    optimizer, again = build(model), build(resumed)
    train(model, optimizer, 0, 5)
    resumed.load_state_dict(model.state_dict())
    again.load_state_dict(through_a_file(optimizer.state_dict()))
    for first, second in ((model, optimizer), (resumed, again)):
        train(first, second, 5, 8)
    assert_same(model, resumed)
    for a, b in zip(optimizer.evaluation_params().values(), again.evaluation_params().values(), strict=True):
        assert torch.equal(a, b)


def test_a_loaded_optimizer_shares_nothing_with_the_one_it_came_from():
    model, other = network(), network()
    optimizer, loaded = metaopt.RuleOptimizer(model, "adamw"), metaopt.RuleOptimizer(other, "adamw")
    train(model, optimizer, 0, 2)
    loaded.load_state_dict(optimizer.state_dict())
    with torch.no_grad():
        loaded.state[other[0].weight]["exp_avg"].zero_()
    assert optimizer.state[model[0].weight]["exp_avg"].count_nonzero() > 0


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("num_steps", [0, 3])
def test_a_model_and_its_optimizer_copied_together_train_on_as_one(name, copied, num_steps):
    model = network()
    optimizer = metaopt.RuleOptimizer(model, name)
    train(model, optimizer, 0, num_steps)
    twin, its_optimizer = copied((model, optimizer))
    train(model, optimizer, num_steps, num_steps + 3)
    train(twin, its_optimizer, num_steps, num_steps + 3)
    assert_same(model, twin)
    assert its_optimizer.steps == num_steps + 3


def test_a_copied_optimizer_alone_has_its_own_parameters():
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "adamw", horizon=7, theta={"a": torch.ones(2)})
    alone = copy.deepcopy(optimizer)
    assert alone.param_groups[0]["params"][0] is not model[0].weight
    assert alone.horizon == 7
    assert alone.theta["a"] is not optimizer.theta["a"]


def test_state_dict_hooks_see_the_state():
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "adamw")
    train(model, optimizer, 0, 2)
    again = metaopt.RuleOptimizer(network(), "adamw")
    seen = []
    again.register_load_state_dict_pre_hook(lambda _, document: seen.append(len(document["state"])))
    again.register_load_state_dict_post_hook(lambda loaded: seen.append(len(loaded.state)))
    again.load_state_dict(optimizer.state_dict())
    assert seen == [4, 4]


def test_a_state_saved_by_something_else_is_refused_with_both_names():
    model = network()
    adamw = metaopt.RuleOptimizer(model, "adamw")
    with pytest.raises(metaopt.InputError, match="saved by the rule 'sgd' and cannot continue as 'adamw'"):
        adamw.load_state_dict(metaopt.RuleOptimizer(network(), "sgd").state_dict())
    with pytest.raises(metaopt.InputError, match="saved by the class of sgd and cannot continue as 'adamw'"):
        adamw.load_state_dict(torch.optim.SGD(model.parameters()).state_dict())
    with pytest.raises(metaopt.InputError, match="saved by another optimizer class and cannot continue as 'adamw'"):
        adamw.load_state_dict(torch.optim.ASGD(model.parameters()).state_dict())
    with pytest.raises(metaopt.InputError, match="is of other parameters: it holds 'weight', which is not trained"):
        adamw.load_state_dict(metaopt.RuleOptimizer(nn.Linear(1, 1), "adamw").state_dict())


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_torch_saves_is_plain_tensors_and_numbers(name):
    model = network()
    optimizer = metaopt.RuleOptimizer(model, name)
    train(model, optimizer, 0, 1)
    loaded = through_a_file(optimizer.state_dict())
    assert set(loaded) == {"state", "param_groups"}
    assert all(isinstance(tensor, Tensor) for state in loaded["state"].values() for tensor in state.values())
