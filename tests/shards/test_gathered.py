"""Weights that were written into parts are what a fully sharded module computes with next."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from metaopt.shards import drop_gathered
from tests.ranks import fully_shards, on_ranks


def outputs(rank):
    from torch.distributed.fsdp import fully_shard

    model = nn.Linear(3, 2)
    fully_shard(model, mesh=dist.device_mesh.init_device_mesh("cpu", (2,)), reshard_after_forward=False)
    params = list(model.parameters())
    inputs, seen = torch.ones(1, 3), []
    with torch.no_grad():
        for drops in (False, True):
            model(inputs)  # no backward pass follows, so the whole weights stay
            for param in params:
                param.fill_(float(drops) + 1)
            if drops:
                drop_gathered(model)
            seen.append(model(inputs)[0, 0].item())
    return seen


@pytest.mark.slow
@fully_shards
def test_a_module_gathers_anew_what_was_written():
    for stale, fresh in on_ranks(outputs):
        assert stale != 4.0
        assert fresh == 8.0


def test_other_modules_are_left_alone():
    model = nn.Linear(2, 1)
    before = model.weight.detach().clone()
    drop_gathered(model)
    drop_gathered(None)
    assert torch.equal(model.weight, before)
