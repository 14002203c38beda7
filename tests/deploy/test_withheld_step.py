"""A step that must not move anything moves nothing, whichever class takes it."""

import copy

import pytest
import torch
from torch import nn

import metaopt
from metaopt.deploy.withheld_step import MarkedStep, WithheldStep, takes_found_inf


def equal(first, second):
    """Whether two documents hold the same, tensors bit for bit."""
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


@pytest.mark.parametrize("scaler_overflowed", [None, 0.0, 1.0])
@pytest.mark.parametrize("overflowed", [0.0, 1.0])
def test_a_mark_that_no_host_has_read_skips_a_fused_step(overflowed, scaler_overflowed):
    """As on a GPU, where reading would wait; what a `GradScaler` says counts too, and its mark is left to it."""
    param = nn.Parameter(torch.ones(5))
    optimizer = torch.optim.AdamW([param], lr=0.1, fused=True)
    param.grad = torch.ones(5)
    assert not takes_found_inf(optimizer), "no state yet"
    optimizer.step()
    assert takes_found_inf(optimizer)
    before = copy.deepcopy(optimizer.state_dict()), param.detach().clone()
    if scaler_overflowed is not None:
        optimizer.found_inf = own = torch.tensor(scaler_overflowed)
    step = MarkedStep(optimizer, torch.tensor(overflowed))
    optimizer.step()
    step.settle(optimizer)
    assert equal((optimizer.state_dict(), param.detach()), before) == bool(overflowed or scaler_overflowed)
    assert getattr(optimizer, "found_inf", None) is (None if scaler_overflowed is None else own)


def test_classes_that_are_not_fused_or_not_all_of_them_take_no_mark():
    params = [nn.Parameter(torch.ones(5)) for _ in range(2)]
    assert not takes_found_inf(torch.optim.AdamW(params, fused=False))
    optimizer = torch.optim.AdamW(params, fused=True)
    optimizer.param_groups[0]["fused"] = False
    assert not takes_found_inf(optimizer)


def test_sgd_takes_no_mark_before_it_has_written_its_momentum():
    param = nn.Parameter(torch.ones(5))
    optimizer = torch.optim.SGD([param], lr=0.1, momentum=0.9, fused=True)
    param.grad = torch.ones(5)
    assert not takes_found_inf(optimizer)
    optimizer.step()
    assert takes_found_inf(optimizer)


def begun(name, **options):
    """A parameter and its optimizer after two steps, with a gradient for the third."""
    param = nn.Parameter(torch.ones(5))
    optimizer = metaopt.create_optimizer(name, [param], lr=0.1, **options)
    for _ in range(2):
        param.grad = torch.ones(5)
        optimizer.step()
    param.grad = torch.full((5,), 2.0)
    return param, optimizer


@pytest.mark.parametrize("name", ["adamw", "sgd", "schedulefree_adamw"])
def test_a_class_without_gradients_moves_no_weight_no_state_and_no_counter(name):
    param, optimizer = begun(name, implementation="native")
    before = copy.deepcopy(optimizer.state_dict()), param.detach().clone()
    grad = param.grad
    step = WithheldStep(optimizer)
    assert param.grad is None
    optimizer.step()
    step.settle(optimizer)
    assert equal((optimizer.state_dict(), param.detach()), before)
    assert param.grad is grad


def test_a_rules_plan_goes_on_where_its_state_stays():
    param, optimizer = begun("adamw", implementation="rule")
    before = copy.deepcopy(optimizer.state_dict()), param.detach().clone()
    step = WithheldStep(optimizer)
    optimizer.step()
    step.settle(optimizer)
    assert torch.equal(param, before[1])
    assert equal(optimizer.state_dict()["state"], before[0]["state"])
    assert optimizer.param_groups[0]["steps"] == 3


def test_gradients_that_a_closure_makes_anew_are_taken_away_too():
    param, optimizer = begun("adamw", implementation="native")
    step = WithheldStep(optimizer)
    param.grad = anew = torch.full((5,), 7.0)
    step.withhold(optimizer)
    assert param.grad is None
    step.settle(optimizer)
    assert param.grad is anew


def test_a_rate_that_is_a_tensor_stays_the_same_tensor_with_its_number():
    rate = torch.tensor(0.1)
    param = nn.Parameter(torch.ones(5))
    optimizer = torch.optim.AdamW([param], lr=rate)
    step = WithheldStep(optimizer)
    rate.fill_(0.7)
    optimizer.param_groups[0]["counter"] = 1
    step.settle(optimizer)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.1)
    assert "counter" not in optimizer.param_groups[0]


def test_the_step_of_a_base_class_is_part_of_the_same_step():
    _, optimizer = begun("adamw", implementation="native")
    step = WithheldStep(optimizer)
    assert step.enter(optimizer)
    assert not step.leave()
    assert step.leave()


def test_a_call_with_gradients_is_the_next_step():
    param, optimizer = begun("adamw", implementation="native")
    step = WithheldStep(optimizer)
    param.grad = torch.ones(5)
    assert not step.enter(optimizer)
    assert step.leave()


class Counting(torch.optim.SGD):
    """Counts its steps in an attribute and in its groups, as some libraries' classes do."""

    def __init__(self, params):
        super().__init__(params, lr=0.1)
        self.num_steps = 2

    def step(self, closure=None):
        self.num_steps += 1
        for group in self.param_groups:
            group["k"] = group.get("k", 0) + 1
        return super().step(closure)


def test_counters_that_a_class_keeps_for_itself_are_put_back():
    param = nn.Parameter(torch.ones(5))
    optimizer = Counting([param])
    param.grad = torch.ones(5)
    step = WithheldStep(optimizer)
    optimizer.step()
    step.settle(optimizer)
    assert optimizer.num_steps == 2
    assert "k" not in optimizer.param_groups[0]
