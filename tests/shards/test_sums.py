"""Each part of a tensor counts once in sums over ranks, whatever lies on several of them."""

import torch
import torch.distributed as dist

from metaopt.shards import any_true, local, sum_of_shards
from tests.ranks import on_ranks


def placed(tensor):
    """The tensor by rows, by columns, and whole on both ranks."""
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    mesh = dist.device_mesh.init_device_mesh("cpu", (2,))
    return [distribute_tensor(tensor, mesh, [way]) for way in (Shard(0), Shard(1), Replicate())]


def sums(rank):
    whole = torch.arange(15.0).reshape(5, 3)
    tensors = [*placed(whole), whole]
    alone = [sum_of_shards([local(tensor).sum()], [tensor]) for tensor in tensors]
    return [*alone, sum_of_shards([local(tensor).sum() for tensor in tensors], tensors)]


def test_parts_count_once():
    for answer in on_ranks(sums):
        assert [float(number) for number in answer] == [105.0] * 4 + [420.0]


def flags(rank):
    whole = torch.zeros(5, 3)
    whole[4, 2] = 1  # the second rank alone holds it
    rows, *_ = placed(whole)
    nothing, *_ = placed(torch.zeros(5, 3))
    return [any_true([local(tensor) > 0], [tensor]) for tensor in (rows, nothing, whole)]


def test_a_flag_on_one_rank_holds_on_all():
    assert on_ranks(flags) == [[True, False, True]] * 2
    assert not any_true([], [])
