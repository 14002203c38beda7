"""Several classes behind one optimizer keep every contract of torch's optimizers."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)

import metaopt
from metaopt.deploy.roles.composite_optimizer import CompositeOptimizer

SETTINGS = {
    "lr": 1e-2,
    "no_decay": "1d",
    "roles": {"matrix": {"optimizer": "sgd", "rate": 0.5}, "input": {"rate": 0.25}},
    "depth_decay": 0.8,
    "sgd.lr": 0.1,
    "sgd.momentum": 0.9,
    "sgd.weight_decay": 0.01,
}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))


def made(model, implementation="native", **changes):
    return metaopt.create_optimizer("adamw", model, implementation=implementation, **{**SETTINGS, **changes})


def gradients(model, step):
    inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(step))
    model.zero_grad()
    (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean().backward()


def trained(model, optimizer, steps, scheduler=None):
    for step in steps:
        gradients(model, step)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return torch.cat([param.detach().flatten() for param in model.parameters()])


def by_hand(model):
    """The same two classes as people call them."""
    first, second, third = model[0], model[2], model[4]
    adamw = [
        {"params": [first.weight], "lr": 1e-2 * 0.25 * 0.64},
        {"params": [first.bias], "lr": 1e-2 * 0.64, "weight_decay": 0.0},
        {"params": [second.bias], "lr": 1e-2 * 0.8, "weight_decay": 0.0},
        {"params": [third.weight]},
        {"params": [third.bias], "weight_decay": 0.0},
    ]
    sgd = torch.optim.SGD([second.weight], lr=0.1 * 0.5 * 0.8, momentum=0.9, weight_decay=0.01)
    return torch.optim.AdamW(adamw, lr=1e-2, weight_decay=0.01), sgd


def test_it_trains_bit_for_bit_as_the_classes_called_by_hand_under_a_scheduler():
    model, other = network(), network()
    optimizer = made(model)
    assert type(optimizer) is CompositeOptimizer
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    pair = by_hand(other)
    schedulers = [torch.optim.lr_scheduler.CosineAnnealingLR(own, 20) for own in pair]
    result = trained(model, optimizer, range(20), scheduler)
    for step in range(20):
        gradients(other, step)
        for own, schedule in zip(pair, schedulers, strict=True):
            own.step()
            schedule.step()
    expected = torch.cat([param.detach().flatten() for param in other.parameters()])
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-7)  # the one is fused


def test_it_trains_as_the_rule_does():
    results = []
    for implementation in ("native", "rule"):
        model = network()
        results.append(trained(model, made(model, implementation), range(20)))
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("implementation", ["native", "rule"])
@pytest.mark.parametrize("source", ["native", "rule"])
def test_training_goes_on_from_a_saved_state_of_either_kind(source, implementation):
    model = network()
    optimizer = made(model, source)
    trained(model, optimizer, range(10))
    stored = io.BytesIO()
    torch.save(optimizer.state_dict(), stored)
    weights = copy.deepcopy(model.state_dict())
    expected = trained(model, optimizer, range(10, 20))
    other = network()
    other.load_state_dict(weights)
    resumed = made(other, implementation)
    stored.seek(0)
    resumed.load_state_dict(torch.load(stored, weights_only=True))
    result = trained(other, resumed, range(10, 20))
    if source == implementation:
        assert torch.equal(result, expected)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("source", "implementation"), [("auto", "rule"), ("rule", "auto"), ("auto", "auto")])
def test_hyperparameters_that_a_class_does_not_know_stay_those_of_the_rule(source, implementation):
    model = network()
    settings = {"lr": 1e-3, "roles": {"matrix": {"optimizer": "muon"}}, "muon.lr": 1e-3}
    for loads_early in (True, False):
        first = metaopt.create_optimizer("adamw", model, implementation=source, **settings)
        if not loads_early:
            trained(model, first, range(3))
        resumed = metaopt.create_optimizer("adamw", model, implementation=implementation, **settings)
        resumed.load_state_dict(first.state_dict())
        other = copy.deepcopy((model, first))
        expected = trained(*other, range(3, 5))
        result = trained(model, resumed, range(3, 5))
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("implementation", ["native", "rule"])
@pytest.mark.parametrize("matrices", [{"sgd.momentum": 0.0}, {"sgd.momentum": 0.9}])
def test_training_goes_on_from_torchs_distributed_checkpoints(matrices, implementation, flat):
    options = StateDictOptions(flatten_optimizer_state_dict=flat)
    model = network()
    optimizer = made(model, implementation, **matrices)
    trained(model, optimizer, range(5))
    document = copy.deepcopy(get_optimizer_state_dict(model, optimizer, options=options))
    other = copy.deepcopy(model)
    for param in other.parameters():
        param.grad = None
    resumed = made(other, implementation, **matrices)
    set_optimizer_state_dict(other, resumed, document, options=options)
    assert torch.equal(trained(other, resumed, range(5, 10)), trained(model, optimizer, range(5, 10)))


def test_groups_of_other_classes_are_refused_where_a_state_does_not_say_what_saved_it():
    model = network()
    document = made(model).state_dict()
    del document["optimizer"]
    made(model).load_state_dict(document)
    with pytest.raises(metaopt.InputError, match="cannot continue as 'CompositeOptimizer'"):
        metaopt.create_optimizer("adamw", model, roles={"matrix": {"optimizer": "rmsprop"}}).load_state_dict(document)


@pytest.mark.parametrize("implementation", ["native", "rule"])
@pytest.mark.parametrize(("own", "other", "key"), [("adamw", "nadamw", "betas"), ("sgd", "rmsprop", "momentum")])
def test_schedulers_cycle_the_momentum_that_all_classes_have(own, other, key, implementation):
    model = network()
    roles = {"matrix": {"optimizer": other}}
    optimizer = metaopt.create_optimizer(own, model, roles=roles, implementation=implementation)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
    trained(model, optimizer, range(5), scheduler)
    momenta = {group[key] if key == "momentum" else group[key][0] for group in optimizer.param_groups}
    assert len(momenta) == 1
    assert 0.85 <= momenta.pop() < 0.95


def test_schedulers_are_not_told_of_a_momentum_that_one_class_lacks():
    assert not {"betas", "momentum"} & set(made(network()).defaults)


def test_a_copy_and_a_pickle_train_on_alike():
    model = network()
    optimizer = made(model)
    trained(model, optimizer, range(5))
    copies = [copy.deepcopy((model, optimizer)), pickle.loads(pickle.dumps((model, optimizer)))]
    expected = trained(model, optimizer, range(5, 10))
    for pair in copies:
        assert torch.equal(trained(*pair, range(5, 10)), expected)


def test_a_state_of_one_class_is_refused():
    model = network()
    single = metaopt.create_optimizer("adamw", model)
    trained(model, single, range(1))
    with pytest.raises(metaopt.InputError, match=r"saved by the class of adamw and cannot continue as 'CompositeOpt"):
        made(network()).load_state_dict(single.state_dict())


def test_a_state_before_the_first_step_leaves_none():
    model = network()
    optimizer = made(model)
    fresh = copy.deepcopy(optimizer.state_dict())
    trained(model, optimizer, range(3))
    optimizer.load_state_dict(fresh)
    assert not optimizer.state
    model.load_state_dict(network().state_dict())
    again = network()
    assert torch.equal(trained(model, optimizer, range(3)), trained(again, made(again), range(3)))


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_parameters_added_later_join_the_class_of_the_role_that_is_stated_or_of_their_shape(implementation):
    optimizer = made(network(), implementation, depth_decay=1.0)
    before = len(optimizer.param_groups)
    matrix, vector, head = (nn.Parameter(torch.ones(shape)) for shape in ((2, 2), (2,), (2, 2)))
    optimizer.add_param_group({"params": [matrix, vector]})
    optimizer.add_param_group({"params": [head], "role": "head", "lr": 0.5})
    added = optimizer.param_groups[before:]
    assert [(group["role"], group["lr"]) for group in added] == [("matrix", 0.05), ("rest", 0.01), ("head", 0.5)]
    assert ["momentum" in group for group in added] == [True, False, False]
    for param in (matrix, vector, head):
        param.grad = torch.ones_like(param)
    optimizer.step()
    assert float(matrix.detach().max()) == pytest.approx(1 - 0.05 * (1 + 0.01))
    assert float(head.detach().max()) == pytest.approx((1 - 0.5 * 0.01) - 0.5, abs=1e-6)
    assert set(optimizer.state[matrix]) == {"momentum_buffer"}
    assert "exp_avg" in optimizer.state[head]


def test_a_class_that_makes_state_at_once_has_it_for_groups_that_join():
    hparams = {"adagrad.initial_accumulator_value": 0.5}
    optimizer = metaopt.create_optimizer("adamw", network(), roles={"matrix": {"optimizer": "adagrad"}}, **hparams)
    matrix = nn.Parameter(torch.ones(2, 2))
    optimizer.add_param_group({"params": [matrix]})
    matrix.grad = torch.ones_like(matrix)
    optimizer.step()
    assert float(optimizer.state[matrix]["sum"].max()) == 1.5


def test_a_group_that_is_there_already_is_refused_and_nothing_changes():
    model = network()
    optimizer = made(model)
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [model[2].weight]})
    trained(model, optimizer, range(2))


def test_a_grad_scaler_skips_the_steps_that_overflow():
    model = network()
    optimizer, scaler = made(model), torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=1000)
    for step, factor in enumerate((1.0, float("inf"), 1.0)):
        before = [param.detach().clone() for param in model.parameters()]
        optimizer.zero_grad()
        scaler.scale(model(torch.ones(2, 3)).square().mean() * factor).backward()
        scaler.step(optimizer)
        scaler.update()
        still = all(torch.equal(param, old) for param, old in zip(model.parameters(), before, strict=True))
        assert still == (step == 1)


def test_edits_hooks_and_closures_count():
    model = network()
    optimizer = made(model)
    steps = []
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = trained(network(), made(network()), range(0))

    def closure():
        gradients(model, 0)
        return torch.tensor(3.0)

    assert float(optimizer.step(closure)) == 3.0
    assert steps == [1]
    assert torch.equal(trained(model, optimizer, range(0)), before)


def test_groups_and_state_that_somebody_puts_in_place_count():
    model, other = network(), network()
    optimizer, same = made(model), made(other)
    trained(model, optimizer, range(3))
    trained(other, same, range(3))
    optimizer.param_groups = [{**group} for group in optimizer.param_groups]
    optimizer.state = copy.copy(optimizer.state)
    optimizer.param_groups[2]["lr"] = same.param_groups[2]["lr"] = 0.7
    assert torch.equal(trained(model, optimizer, range(3, 6)), trained(other, same, range(3, 6)))
    removed = optimizer.param_groups.pop(2)["params"][0]
    before = removed.detach().clone()
    trained(model, optimizer, range(6, 8))
    assert torch.equal(removed, before)


def test_sparse_gradients_are_refused_in_a_sentence_by_the_class_that_does_not_take_them():
    model = nn.Sequential(nn.Embedding(5, 4, sparse=True), nn.Linear(4, 4), nn.Linear(4, 1))
    optimizer = metaopt.create_optimizer("adamw", model, roles={"matrix": {"optimizer": "sgd"}})
    model(torch.tensor([1])).sum().backward()
    with pytest.raises(metaopt.InputError, match="has a sparse gradient, which AdamW does not take"):
        optimizer.step()


def test_where_one_class_cannot_serve_the_rule_runs_all_and_says_why():
    roles = {"matrix": {"optimizer": "lion"}}
    assert type(metaopt.create_optimizer("adamw", network(), roles=roles)) is metaopt.RuleOptimizer
    with pytest.raises(metaopt.PluginError, match="cannot run as a library's class here: lion: no library"):
        metaopt.create_optimizer("adamw", network(), roles=roles, implementation="native")
    with pytest.raises(metaopt.PluginError, match="it is wrapped in averaged"):
        made(network(), wrappers=["averaged"])
    with pytest.warns(RuntimeWarning, match=r"'adamw\+lion' is an optimizer a role: compile=True has no effect"):
        metaopt.create_optimizer("adamw", network(), roles=roles, compile=True)


def test_rates_alone_are_groups_of_the_one_class():
    optimizer = metaopt.create_optimizer("adamw", network(), lr=0.1, roles={"input": {"rate": 0.5}})
    assert isinstance(optimizer, torch.optim.AdamW)
    assert type(optimizer).__qualname__ == "AdamW"
    assert [(group["role"], group["lr"]) for group in optimizer.param_groups] == [("input", 0.05), ("rest", 0.1)]


def test_a_state_fits_the_same_model_in_a_wrapper_by_name():
    model = network()
    optimizer = made(model)
    trained(model, optimizer, range(3))
    wrapped = nn.DataParallel(network())
    wrapped.module.load_state_dict(model.state_dict())
    resumed = made(wrapped)
    resumed.load_state_dict(optimizer.state_dict())
    assert torch.equal(trained(wrapped, resumed, range(3, 6)), trained(model, optimizer, range(3, 6)))
