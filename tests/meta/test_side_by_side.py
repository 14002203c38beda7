"""How many episodes are computed together."""

import torch
from torch import nn

from metaopt.meta.learner import Learner
from metaopt.meta.unrolls import CACHED, Unrolls
from tests.meta.conftest import blob_task, learned


def unrolls_of(width, limit=2**40):
    task = blob_task(lambda: nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 5)))
    learner = Learner(task, learned("maml", lr=0.1))
    theta = learner.meta.init_theta(learner.parameters, torch.Generator().manual_seed(0), {})
    return task, Unrolls(learner, theta, limit=limit)


def drawn(task, count):
    return task.source.sample("train", count, torch.Generator().manual_seed(0))


def test_small_models_go_all_together():
    task, unrolls = unrolls_of(16)
    assert unrolls.side_by_side(drawn(task, 64)) == 64


def test_wide_outputs_go_in_even_parts_that_the_cache_holds():
    task, unrolls = unrolls_of(20_000)
    widest = 20 * 20_000 * 4  # 20 queries
    assert CACHED // widest == 7
    assert unrolls.side_by_side(drawn(task, 32)) == 4
    assert unrolls.side_by_side(drawn(task, 31)) == 7  # 31 has no divisor near


def test_without_memory_they_go_one_by_one():
    task, unrolls = unrolls_of(16, limit=1)
    assert unrolls.side_by_side(drawn(task, 8)) == 1
