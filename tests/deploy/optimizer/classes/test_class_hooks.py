"""A library's class steps on gradients that it takes, fused only while every number lies where its kernel looks."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.deploy.optimizer.classes.class_hooks import EVERY, ClassSteps, check_sparse, unfuse


def fused(*shapes):
    params = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    return params, torch.optim.AdamW(params, lr=0.1, fused=True)


def sparse(shape, row=0, value=1.0):
    return torch.sparse_coo_tensor([[row]], torch.full((1, *shape[1:]), value), shape, check_invariants=True)


def is_fused(optimizer):
    return all(group["fused"] for group in optimizer.param_groups)


def test_gradients_are_laid_as_their_parameters_are():
    (param,), optimizer = fused((2, 3))
    steps = ClassSteps(optimizer, type(optimizer))
    values = torch.arange(6.0).reshape(3, 2).t()
    for _ in range(3):
        param.grad = values
        steps.look(optimizer)
        assert param.grad.stride() == param.stride()
        assert torch.equal(param.grad, values)
    assert is_fused(optimizer)


def test_a_gradient_that_changes_its_layout_later_is_put_right_when_all_are_looked_at():
    (param,), optimizer = fused((2, 3))
    steps = ClassSteps(optimizer, type(optimizer))
    for step in range(1, EVERY + 1):
        param.grad = torch.ones(2, 3)
        if step == EVERY:
            param.grad = torch.ones(3, 2).t()
        steps.look(optimizer)
    assert param.grad.stride() == param.stride()


def test_a_model_that_changes_its_memory_format_is_seen_at_once():
    (param,), optimizer = fused((2, 3, 4, 4))
    steps = ClassSteps(optimizer, type(optimizer))
    param.grad = torch.ones_like(param)
    steps.look(optimizer)
    optimizer.step()
    param.data = param.data.contiguous(memory_format=torch.channels_last)
    param.grad = torch.ones(2, 3, 4, 4)
    steps.look(optimizer)
    assert param.grad.stride() == param.stride()
    assert optimizer.state[param]["exp_avg"].stride() == param.stride()


def test_a_parameter_with_gaps_in_its_memory_ends_fused_steps():
    param = nn.Parameter(torch.zeros(4, 4)[:, ::2])
    optimizer = torch.optim.AdamW([param], lr=0.1, fused=True)
    steps = ClassSteps(optimizer, type(optimizer))
    param.grad = torch.ones(4, 2)
    steps.look(optimizer)
    assert not is_fused(optimizer)


def test_a_class_without_maximize_refuses_to_go_up():
    param = nn.Parameter(torch.ones(1))
    optimizer = metaopt.create_optimizer("schedulefree_adamw", [param], implementation="native")
    steps = ClassSteps(optimizer, type(optimizer))
    optimizer.param_groups[0]["maximize"] = True
    with pytest.raises(metaopt.InputError, match=r"has no maximize and would go down .* implementation='rule'"):
        steps.look(optimizer)


@pytest.mark.parametrize("own", [{}, {"initial_accumulator_value": 0.25}])
def test_a_group_that_joins_has_the_state_that_the_class_begins_with(own):
    first, second = (nn.Parameter(torch.zeros(2)) for _ in range(2))
    optimizer = torch.optim.Adagrad([first], initial_accumulator_value=0.5)
    steps = ClassSteps(optimizer, type(optimizer))
    optimizer.add_param_group({"params": [second], **own})
    steps.look(optimizer)
    assert optimizer.state[first]["sum"].tolist() == [0.5, 0.5]
    assert optimizer.state[second]["sum"].tolist() == [own.get("initial_accumulator_value", 0.5)] * 2


def test_a_class_that_takes_sparse_gradients_steps_on_them_unfused():
    param = nn.Parameter(torch.ones(3, 1))
    optimizer = torch.optim.Adagrad([param], lr=0.1, fused=True)
    steps = ClassSteps(optimizer, type(optimizer))
    param.grad = sparse((3, 1))
    steps.look(optimizer)
    assert not is_fused(optimizer)
    optimizer.step()
    assert param[0].item() == pytest.approx(0.9)
    assert param[1:].tolist() == [[1.0], [1.0]]


def test_a_class_that_does_not_take_sparse_gradients_says_so():
    param = nn.Parameter(torch.ones(3, 1))
    with pytest.raises(
        metaopt.InputError, match=r"shape \(3, 1\) has a sparse gradient, which AdamW does not take .*sparse=False"
    ):
        check_sparse(torch.optim.AdamW([param]), param)


def test_trying_a_class_out_leaves_the_optimizer_as_it_was():
    param = nn.Parameter(torch.ones(3, 1))
    optimizer = torch.optim.SGD([param], lr=0.1, momentum=0.9)
    check_sparse(optimizer, param)
    assert not optimizer.state
    assert param.grad is None
    assert param.tolist() == [[1.0]] * 3


def test_an_unfused_class_asks_a_grad_scaler_to_unscale():
    _, optimizer = fused((2,))
    unfuse(optimizer)
    assert not is_fused(optimizer)
    assert optimizer._step_supports_amp_scaling is False


def test_within_a_scalers_step_it_is_too_late_to_unfuse():
    _, optimizer = fused((2,))
    optimizer.grad_scale = torch.ones(1)
    with pytest.raises(metaopt.InputError, match=r"call scaler\.unscale_\(optimizer\) before scaler\.step"):
        unfuse(optimizer)
    assert is_fused(optimizer)


def test_a_list_beside_the_groups_grows_with_them():
    class Bounded(torch.optim.SGD):
        def __init__(self, params, lr=0.1):
            super().__init__(params, lr=lr)
            self.base_lrs = [group["lr"] for group in self.param_groups]

    first, second = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = Bounded([first])
    steps = ClassSteps(optimizer, Bounded)
    optimizer.add_param_group({"params": [second], "lr": 0.5})
    steps.look(optimizer)
    steps.look(optimizer)
    assert optimizer.base_lrs == [0.1, 0.5]


def test_groups_that_join_are_tried_before_anything_else():
    def refuse(groups):
        raise metaopt.PluginError(f"{len(groups)} groups")

    optimizer = torch.optim.SGD([torch.ones(2, requires_grad=True)], lr=0.1)
    steps = ClassSteps(optimizer, torch.optim.SGD, refuse)
    steps.look_at_groups(optimizer)
    optimizer.add_param_group({"params": [torch.ones(3, requires_grad=True)]})
    with pytest.raises(metaopt.PluginError, match="2 groups"):
        steps.look_at_groups(optimizer)
