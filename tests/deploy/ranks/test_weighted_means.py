"""Ranks that measure different things are told the same."""

import math

import pytest
import torch
import torch.distributed as dist

from metaopt.deploy.ranks.rank_group import RankGroup
from metaopt.deploy.ranks.weighted_means import Validation, agree_on_all, agreed_validation, checked_examples, mean_loss
from metaopt.errors import InputError, RankError
from tests.ranks import on_ranks

NAN = float("nan")


def means(rank):
    ranks = RankGroup(dist.group.WORLD)
    loss = torch.tensor(1.0 + rank)
    told = {
        "plain": mean_loss(ranks, loss, None, 0),
        "weighted": mean_loss(ranks, loss, (3.0, 1.0)[rank], 0),
        "no last batch": mean_loss(ranks, torch.tensor((2.0, NAN)[rank]), (4.0, 0.0)[rank], 0),
        "a bad batch": mean_loss(ranks, torch.tensor((2.0, NAN)[rank]), None, 0),
        "nobody": mean_loss(ranks, loss, 0.0, 0),
        "half": mean_loss(ranks, loss.to(torch.bfloat16), None, 0),
        "double": mean_loss(ranks, loss.double() / 3, None, 0),
    }
    own = Validation(2.0 + rank, {"epoch": 1.0 + rank, "seconds": 7.0 + rank, "lr": (None, 0.5)[rank]}, True, False)
    told["validation"] = agreed_validation(ranks, own, (1.0, 3.0)[rank], 5)
    idle = Validation(NAN, {"epoch": NAN, "evidence": None}, rank == 0, rank == 1)
    busy = Validation(2.0, {"epoch": 4.0, "evidence": None}, True, False)
    told["one validates"] = agreed_validation(ranks, (busy, idle)[rank], (8.0, 0.0)[rank], 5)
    told["on all"] = agree_on_all(ranks, True, 5), agree_on_all(ranks, rank == 0, 5)
    many = {f"signal{number}": float(number + rank) for number in range(40)}
    told["many"] = agreed_validation(ranks, Validation(0.0, many, True, False), None, 5).signals["signal39"]
    return told


def test_means_are_weighted_by_examples_and_equal_on_all_ranks():
    first, second = on_ranks(means)
    for name, mean in first.items():
        torch.testing.assert_close(second[name], mean, rtol=0, atol=0, equal_nan=True) if isinstance(
            mean, torch.Tensor
        ) else None
    assert first["plain"] == 1.5
    assert first["weighted"] == 1.25
    assert first["no last batch"] == 2.0
    assert first["a bad batch"].isnan()
    assert first["nobody"].isnan()
    assert first["half"].dtype == torch.float32
    assert first["double"] == torch.tensor((1 / 3 + 2 / 3) / 2, dtype=torch.float64)
    expected = Validation(2.75, {"epoch": 1.5, "seconds": 7.0, "lr": 0.5}, True, False)
    assert first["validation"] == second["validation"] == expected
    assert (
        first["one validates"]
        == second["one validates"]
        == Validation(2.0, {"epoch": 4.0, "evidence": None}, False, True)
    )
    assert first["on all"] == second["on all"] == (True, False)
    assert first["many"] == second["many"] == 39.5


def differ(rank):
    ranks, told = RankGroup(dist.group.WORLD), []
    for call in (
        lambda: mean_loss(ranks, torch.tensor(1.0), (None, 3.0)[rank], 2),
        lambda: agreed_validation(ranks, Validation(1.0, {}, True, False), (None, 3.0)[rank], 2),
        lambda: agreed_validation(ranks, Validation(1.0, ({}, {"epoch": 1.0})[rank], True, False), None, 2),
    ):
        with pytest.raises(RankError) as caught:
            call()
        told.append(str(caught.value))
    return told


def test_ranks_that_give_other_arguments_are_told_which():
    for rank, told in enumerate(on_ranks(differ)):
        for sentence, call, what in zip(
            told,
            ("record_loss", "observe", "observe"),
            ("num_examples is", "num_examples is", "signals are"),
            strict=True,
        ):
            assert sentence.startswith(f"rank {rank}, run.{call}(...) at step 2: {what}")
            assert f"rank {1 - rank} differs" in sentence


@pytest.mark.parametrize("wrong", [-1, NAN, math.inf, "many", torch.ones(2)])
def test_a_number_of_examples_is_none_or_0_or_more(wrong):
    with pytest.raises(InputError, match="num_examples is how many examples"):
        checked_examples(wrong)


def test_examples_may_be_counted_by_a_tensor():
    assert checked_examples(torch.tensor(3)) == 3.0
    assert checked_examples(None) is None
