"""Whoever steps an optimizer, and in whatever way, its observers are told in order."""

import pytest
import torch
from torch import nn

from metaopt.deploy.step_hooks import look_at_gradients, observe_steps, warn_of_unfrozen, watch_frozen


class Diary:
    """Writes down what it is told, with the gradient that is there then."""

    def __init__(self, param):
        self.param = param
        self.entries = []

    def begin_step(self, optimizer):
        self.entries.append(("begin", self.gradient()))

    def gradients_ready(self, optimizer):
        self.entries.append(("ready", self.gradient()))

    def end_step(self, optimizer):
        self.entries.append(("end", self.param.item()))

    def gradient(self):
        return None if self.param.grad is None else self.param.grad.item()


def descent(value=1.0):
    param = nn.Parameter(torch.tensor([value]))
    return param, torch.optim.SGD([param], lr=0.5)


def loss_of(param):
    def closure():
        param.grad = None
        loss = (param * 2).sum()
        loss.backward()
        return loss

    return closure


def test_gradients_that_are_there_are_looked_at_before_the_step():
    param, optimizer = descent()
    diary = Diary(param)
    observe_steps(optimizer, diary)
    param.grad = torch.tensor([2.0])
    optimizer.step()
    assert diary.entries == [("begin", 2.0), ("ready", 2.0), ("end", 0.0)]


@pytest.mark.parametrize("by_name", [False, True])
def test_gradients_of_a_closure_are_looked_at_once_it_has_made_them(by_name):
    param, optimizer = descent()
    diary = Diary(param)
    observe_steps(optimizer, diary)
    closure = loss_of(param)
    loss = optimizer.step(closure=closure) if by_name else optimizer.step(closure)
    assert loss.item() == 2.0
    assert diary.entries == [("begin", None), ("ready", 2.0), ("end", 0.0)]


def test_a_closure_that_is_called_several_times_is_looked_at_each_time():
    param = nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.LBFGS([param], lr=0.1, max_iter=3)
    looks, calls = [], []
    look_at_gradients(optimizer, looks.append)

    def closure():
        calls.append(None)
        param.grad = None
        loss = (param**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert len(looks) == len(calls) > 1
    assert set(looks) == {optimizer}


def test_what_is_looked_at_may_be_changed_before_the_step():
    param, optimizer = descent()
    look_at_gradients(optimizer, lambda _: param.grad.zero_())
    optimizer.step(loss_of(param))
    assert param.item() == 1.0


def test_a_step_that_raises_has_begun_and_not_ended():
    param, optimizer = descent()
    diary = Diary(param)
    observe_steps(optimizer, diary)
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)
    assert diary.entries == [("begin", None)]


def test_each_unfrozen_parameter_is_reported_once_with_its_first_gradient():
    _, optimizer = descent()
    early, late, never = (nn.Parameter(torch.ones(1), requires_grad=False) for _ in range(3))
    reports = []
    watch_frozen(optimizer, [early, late, never], reports.append)
    optimizer.step()
    assert reports == []
    for frozen in (early, late):
        frozen.requires_grad_()
        frozen.grad = torch.ones(1)
        optimizer.step()
        optimizer.step()
    assert [len(report) for report in reports] == [1, 1]
    assert reports[0][0] is early
    assert reports[1][0] is late


def test_an_unfrozen_parameter_that_no_group_holds_is_warned_of_by_name():
    param, optimizer = descent()
    forgotten, other, joined = (nn.Parameter(torch.ones(1)) for _ in range(3))
    optimizer.add_param_group({"params": [joined]})
    report = warn_of_unfrozen(optimizer, {forgotten: "body.weight", other: "body.bias", joined: "head.weight"})
    report([joined, param])  # held: no warning, which would be an error here
    with pytest.warns(
        UserWarning, match=r"The parameter 'body\.weight' \(and 1 more\) was frozen .* no group holds it"
    ):
        report([forgotten, joined, other])
    with pytest.warns(UserWarning, match=r"The parameter 'body\.bias' was frozen"):
        report([other])
