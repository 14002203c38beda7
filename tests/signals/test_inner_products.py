"""Sums over many tensors are those over one long vector."""

import math

import pytest
import torch

import metaopt
from tests.ranks import on_ranks

SHAPES = [(), (3,), (70, 90), (0,), (2, 3, 4), (5000,)]


def tensors(seed, dtype=torch.float64, batch=()):
    fresh = torch.Generator().manual_seed(seed)
    return [torch.randn((*batch, *shape), generator=fresh, dtype=torch.float64).to(dtype) for shape in SHAPES]


def long(found):
    return torch.cat([one.double().flatten() for one in found])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_it_is_the_inner_product_of_the_long_vectors(dtype):
    first, second = tensors(0, dtype), tensors(1, dtype)
    found = metaopt.inner_product(first, second)
    assert found.dtype == (torch.float64 if dtype is torch.float64 else torch.float32)
    torch.testing.assert_close(found.double(), long(first) @ long(second), rtol=1e-4, atol=1e-3)
    square = metaopt.inner_product(first, first)
    torch.testing.assert_close(square.double(), long(first).square().sum(), rtol=1e-5, atol=0.0)


def test_tensors_of_several_dtypes_are_summed_in_the_widest():
    first = [torch.ones(3, dtype=torch.bfloat16), torch.ones(2, dtype=torch.float64)]
    second = [torch.full((3,), 2.0), torch.ones(2, dtype=torch.float64)]
    assert metaopt.inner_product(first, second).dtype == torch.float64
    assert metaopt.inner_product(first, second).item() == 8.0


def test_members_have_sums_of_their_own_vmapped_or_not():
    first, second = tensors(0, batch=(4,)), tensors(1, batch=(4,))
    expected = torch.stack(
        [metaopt.inner_product([a[member] for a in first], [b[member] for b in second]) for member in range(4)]
    )
    torch.testing.assert_close(metaopt.inner_product(first, second, start=1), expected)
    torch.testing.assert_close(torch.func.vmap(lambda a, b: metaopt.inner_product(a, b))(first, second), expected)


def test_its_derivative_is_the_other_vector():
    first, second = tensors(0), tensors(1)
    found = torch.func.grad(lambda given: metaopt.inner_product(given, second))(first)
    torch.testing.assert_close(found, second)


def test_a_cosine_is_in_its_range_and_0_where_there_is_no_angle():
    inner = torch.tensor([1.0, -2.0, 0.0, 3.0, 1e-30])
    first = torch.tensor([4.0, 1.0, 0.0, 1.0, 1e-30])
    second = torch.tensor([1.0, 4.0, 1.0, 4.0, 1e-30])
    found = metaopt.cosine(inner, first, second)
    torch.testing.assert_close(found, torch.tensor([0.5, -1.0, 0.0, 1.0, 1.0]))
    assert math.isnan(metaopt.cosine(torch.tensor(math.nan), torch.tensor(1.0), torch.tensor(1.0)).item())


def over_ranks(rank):
    """Products of tensors by rows on two ranks with others by columns, whole, or the same."""
    from torch.distributed.tensor import Shard, distribute_tensor

    mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (2,))
    shapes = [(5, 3), (1,), (4, 2)]
    fresh = torch.Generator().manual_seed(0)
    whole, others = ([torch.randn(shape, generator=fresh) for shape in shapes] for _ in range(2))
    rows = [distribute_tensor(tensor, mesh, [Shard(0)]) for tensor in whole]
    turned = [distribute_tensor(tensor, mesh, [Shard(tensor.ndim - 1)]) for tensor in others]
    pairs = [(rows, turned), (rows, others), (whole, turned), (rows, rows), (rows[:2] + whole[2:], others)]
    found = [metaopt.inner_product(*pair) for pair in pairs]
    assert all(type(number) is torch.Tensor for number in found)
    expected = [metaopt.inner_product(whole, others)] * 3
    return found, [*expected, metaopt.inner_product(whole, whole), expected[0]]


def test_parts_on_ranks_count_as_whole_tensors():
    for found, expected in on_ranks(over_ranks):
        torch.testing.assert_close(found, expected)
