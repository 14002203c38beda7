"""A tensor, its gradient and its state are laid end to end in one order of memory, or not at all."""

import pytest
import torch

from metaopt.deploy.optimizer.flat_views import flat_views, whole_views


def of_shape(*shape, channels_last=False):
    tensor = torch.arange(float(torch.Size(shape).numel())).reshape(shape)
    return tensor.contiguous(memory_format=torch.channels_last) if channels_last else tensor


LAYOUTS = {
    "rows": lambda: of_shape(3, 4),
    "transposed": lambda: of_shape(3, 4).t(),
    "channels last": lambda: of_shape(2, 3, 4, 5, channels_last=True),
    "permuted": lambda: of_shape(2, 3, 4).permute(2, 0, 1),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_is_written_into_the_views_is_in_the_tensors(layout):
    param, moment, grad = layout(), layout() * 2, layout() * 3
    flat_param, flat_grad, flat_state = flat_views(param, grad, {"moment": moment})
    assert flat_param.shape == flat_grad.shape == flat_state["moment"].shape == (param.numel(),)
    assert torch.equal(flat_grad, flat_param * 3)
    assert torch.equal(flat_state["moment"], flat_param * 2)
    flat_param.neg_()
    flat_state["moment"].neg_()
    assert torch.equal(param, -layout())
    assert torch.equal(moment, -2 * layout())


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_each_number_meets_its_own_gradient_wherever_that_lies(layout):
    param = layout()
    flat_param, flat_grad, _ = flat_views(param, param.contiguous() * 3, {})
    assert torch.equal(flat_grad, flat_param * 3)


def test_state_of_one_number_stays_0_dimensional():
    _, _, flat_state = flat_views(of_shape(3, 4), of_shape(3, 4), {"step": torch.tensor(7.0)})
    assert flat_state["step"].shape == ()
    assert flat_state["step"].item() == 7.0


def test_views_remember_no_graph():
    param = of_shape(3, 4).requires_grad_()
    flat_param, flat_grad, _ = flat_views(param, of_shape(3, 4), {})
    assert not flat_param.requires_grad
    assert flat_param._base is None
    assert not flat_grad.requires_grad


IMPOSSIBLE = {
    "no gradient": (of_shape(3, 4), None, {}),
    "one number": (of_shape(1), of_shape(1), {}),
    "gaps in the parameter": (of_shape(3, 4)[:, ::2], of_shape(3, 2), {}),
    "gaps in the state": (of_shape(3, 2), of_shape(3, 2), {"moment": of_shape(3, 4)[:, ::2]}),
    "state of another shape": (of_shape(3, 4), of_shape(3, 4), {"rows": of_shape(3)}),
    "state of another layout": (of_shape(3, 4), of_shape(3, 4), {"moment": of_shape(4, 3).t()}),
}


@pytest.mark.parametrize(("param", "grad", "state"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_where_that_cannot_be_there_are_no_views(param, grad, state):
    assert flat_views(param, grad, state) is None


def test_whole_views_keep_their_shapes_and_memory():
    param, rows = of_shape(3, 4).requires_grad_(), of_shape(3)
    whole_param, whole_grad, whole_state = whole_views(param, of_shape(4, 3).t(), {"rows": rows})
    assert whole_param.data_ptr() == param.data_ptr()
    assert not whole_param.requires_grad
    assert whole_grad.is_contiguous()
    assert torch.equal(whole_grad, of_shape(4, 3).t())
    assert whole_state["rows"].data_ptr() == rows.data_ptr()


@pytest.mark.parametrize("case", ["no gradient", "one number", "gaps in the parameter", "gaps in the state"])
def test_there_are_no_whole_views_of_what_has_gaps(case):
    assert whole_views(*IMPOSSIBLE[case]) is None
