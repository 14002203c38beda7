"""Tensors are shared over ranks and put together again, whatever has their shape at the end too."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from metaopt.shards import Layout, full, is_sharded, laid_as, local, settled
from tests.ranks import on_ranks


def mesh():
    return dist.device_mesh.init_device_mesh("cpu", (2,))


def shared(tensor, dim=0):
    from torch.distributed.tensor import Shard, distribute_tensor

    return distribute_tensor(tensor, mesh(), [Shard(dim)])


def numbers(*shape):
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape)


def shared_and_whole_again(rank):
    answers = {}
    for shape in ((4, 3), (5, 3), (1, 3), (3,), (1,), (0, 2)):
        for dim in range(len(shape)):
            param = shared(numbers(*shape), dim)
            layout = Layout.of(param)
            for ahead in ((), (2,), (3, 2)):
                tensor = numbers(*ahead, *shape)
                parts = layout.shard(tensor)
                assert is_sharded(parts)
                assert torch.equal(full(parts), tensor)
                assert torch.equal(full(layout.wrap(local(parts))), tensor)
                assert parts.placements[0].dim == dim + len(ahead)
            answers[shape, dim] = local(param).shape
    return answers


def test_a_tensor_is_shared_and_put_together_again_with_further_dimensions_in_front():
    first, second = on_ranks(shared_and_whole_again)
    assert first[(5, 3), 0] == (3, 3)
    assert second[(5, 3), 0] == (2, 3)
    assert second[(1, 3), 0] == (0, 3)


def what_has_another_shape(rank):
    param = shared(numbers(4, 3))
    layout = Layout.of(param)
    return [is_sharded(layout.shard(tensor)) for tensor in (numbers(), numbers(4), numbers(4, 1), numbers(3, 4))]


def test_what_has_another_shape_stays_whole():
    assert on_ranks(what_has_another_shape) == [[False] * 4] * 2


def relaid(rank):
    from torch.distributed.tensor import Shard

    whole = numbers(5, 3)
    rows, columns = shared(whole), shared(whole, 1)
    assert laid_as(rows, rows) is rows
    turned = laid_as(columns, rows)
    assert tuple(turned.placements) == (Shard(0),)
    assert all(torch.equal(full(tensor), whole) for tensor in (turned, laid_as(whole, rows), laid_as(rows, whole)))
    assert not is_sharded(laid_as(rows, whole))
    assert not is_sharded(laid_as(numbers(5), rows))
    return True


def test_a_tensor_is_laid_as_another_from_parts_or_whole():
    assert on_ranks(relaid) == [True, True]


def summands(rank):
    from torch.distributed.tensor import DTensor, Partial

    halves = DTensor.from_local(numbers(2, 2) / 2, mesh(), [Partial()], run_check=False)
    return [local(settled(halves)), settled(numbers(2))]


def test_summands_are_added():
    for added, plain in on_ranks(summands):
        assert torch.equal(added, numbers(2, 2))
        assert torch.equal(plain, numbers(2))


@pytest.mark.parametrize("tensor", [numbers(2), nn.Parameter(numbers(2))], ids=["tensor", "parameter"])
def test_plain_tensors_are_their_own_parts(tensor):
    assert not is_sharded(tensor)
    assert Layout.of(tensor) is None
    assert local(tensor) is full(tensor) is settled(tensor) is tensor
