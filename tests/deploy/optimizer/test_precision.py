"""Low precision is where numbers are stored, and never where they are computed."""

import math

import pytest
import torch

from metaopt.deploy.optimizer.precision import SHORT, add_update, gradient_norm, in_dtypes_of, placed, widened
from tests.ranks import on_ranks

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_only_what_has_less_than_float32_is_widened(dtype):
    tensor = torch.ones(3, dtype=dtype, requires_grad=True)
    wide = widened(tensor)
    assert wide.dtype is (dtype if dtype in (torch.float32, torch.float64) else torch.float32)
    assert not wide.requires_grad
    assert (wide.data_ptr() == tensor.data_ptr()) == (wide.dtype is dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_norm_is_computed_in_float32(dtype):
    grads = [torch.full((1000,), 1.0, dtype=dtype), torch.full((7,), 3.0, dtype=dtype)]
    assert gradient_norm(grads) == pytest.approx(math.sqrt(1063))


SHAPES = {
    "a short one": [(5,)],
    "short ones": [(5,), (2, 3), ()],
    "a long one": [(SHORT + 1,)],
    "short and long ones": [(5,), (SHORT + 1,), (7, 3), (2, SHORT)],
    "with an empty one": [(0,), (5,)],
}


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_norm_is_that_of_all_gradients_laid_end_to_end(shapes, dtype):
    generator = torch.Generator().manual_seed(0)
    grads = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    norm = gradient_norm(grads)
    expected = torch.linalg.vector_norm(torch.cat([grad.double().flatten() for grad in grads]))
    assert norm.shape == ()
    assert norm.dtype is (torch.float64 if dtype is torch.float64 else torch.float32)
    assert norm.item() == pytest.approx(expected.item(), rel=1e-5)


def test_gradients_of_several_dtypes_and_layouts_have_one_norm():
    doubled = torch.sparse_coo_tensor([[0, 0]], [1.0, 3.0], (3,), check_invariants=True)  # 4 in one entry
    grads = [torch.tensor([3.0], dtype=torch.bfloat16), doubled, torch.tensor([12.0], dtype=torch.float64)]
    assert gradient_norm(grads).item() == 13.0


def test_the_norm_is_computed_in_the_dtype_asked_for():
    grads = [torch.tensor([1e30]), torch.tensor([1e30])]
    assert gradient_norm(grads).item() == math.inf
    norm = gradient_norm(grads, dtype=torch.float64)
    assert norm.dtype is torch.float64
    assert norm.item() == pytest.approx(math.sqrt(2) * 1e30)


def test_of_no_gradients_the_norm_is_0():
    assert gradient_norm([]).item() == 0.0


def test_an_update_is_rounded_once():
    """After 1 bfloat16 has 1 + 2⁻⁷: half of that added to 1 rounds back, and reaches it from the rule's 1 + 2⁻⁸."""
    param = torch.ones(1, dtype=torch.bfloat16)
    wide = torch.full((1,), 1 + 2**-8)  # the rule's own copy has what the parameter cannot hold
    add_update(param, wide, torch.full((1,), 2**-8))
    assert param.item() == 1 + 2**-7


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_in_the_rules_own_precision_an_update_is_added_in_place(dtype):
    param = torch.ones(2, dtype=dtype)
    add_update(param, param, torch.tensor([0.5, -0.25]))
    assert param.tolist() == [1.5, 0.75]


def test_a_new_state_has_the_old_ones_dtypes_and_order():
    old = {"step": torch.zeros((), dtype=torch.float64), "moment": torch.zeros(2, dtype=torch.bfloat16)}
    new = in_dtypes_of(old, {"moment": torch.tensor([1.0, 2.0]), "step": torch.tensor(3.0)})
    assert list(new) == ["step", "moment"]
    assert [tensor.dtype for tensor in new.values()] == [torch.float64, torch.bfloat16]
    assert new["moment"].tolist() == [1.0, 2.0]


def test_placed_tensors_share_no_memory():
    tensor = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    copy = placed({"weight": tensor}, torch.device("cpu"))["weight"]
    copy.zero_()
    assert tensor.tolist() == [1.0, 1.0]
    assert copy.dtype is torch.bfloat16


def norms_over_ranks(rank):
    from torch.distributed.tensor import DTensor, Partial, Shard, distribute_tensor

    mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (2,))
    whole = [torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.ones(1), torch.full((3,), 1e19)]
    parts = [distribute_tensor(grad, mesh, [Shard(0)]) for grad in whole]
    halves = [DTensor.from_local(grad / 2, mesh, [Partial()], run_check=False) for grad in whole]
    broken = distribute_tensor(torch.tensor([0.0, 0.0, math.nan]), mesh, [Shard(0)])  # on the second rank alone
    groups = (parts, halves, [parts[0], *whole[1:]], [*parts, broken])
    norms = [gradient_norm(grads) for grads in groups]
    assert all(type(norm) is torch.Tensor for norm in norms)
    return [*map(float, norms), float(gradient_norm(whole)), float(gradient_norm(parts[:2], dtype=torch.float64))]


@pytest.mark.slow
def test_parts_of_gradients_on_ranks_have_the_norm_of_whole_ones():
    for *norms, broken, expected, small in on_ranks(norms_over_ranks):
        assert norms == pytest.approx([expected] * 3, rel=1e-6)
        assert math.isnan(broken)
        assert 1 < small < 10
