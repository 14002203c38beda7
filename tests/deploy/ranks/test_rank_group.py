"""Which processes a run agrees with, and what is said where they do not come together."""

import copy
import os
import pickle
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch import nn

import metaopt
from metaopt.deploy.ranks.rank_group import Call, RankGroup
from metaopt.errors import InputError, RankError
from tests.ranks import on_ranks

RECIPE = metaopt.Recipe.create(metaopt.Configuration("sgd", "greedy"))


def groups(rank):
    alone, both = [dist.new_group([0]), dist.new_group([1])], dist.new_group([0, 1])
    model = nn.parallel.DistributedDataParallel(nn.Linear(2, 1), process_group=both)
    found = {
        "auto": RankGroup.of("auto").group is dist.group.WORLD,
        "none": RankGroup.of(None),
        "one": RankGroup.of(alone[rank]),
        "given": RankGroup.of(both).size,
        "of DDP": RankGroup.of("auto", nn.Sequential(model)).group is both,
        "device": RankGroup.of(both).device,
    }
    with pytest.raises(InputError, match="no member of the group"):
        RankGroup.of(alone[1 - rank])
    return found


def test_the_group_is_the_default_one_or_the_models_or_the_one_that_is_given():
    expected = {"auto": True, "none": None, "one": None, "given": 2, "of DDP": True, "device": torch.device("cpu")}
    assert on_ranks(groups) == [expected, expected]


def test_without_a_process_group_there_is_nobody_to_agree_with():
    assert RankGroup.of("auto", nn.Linear(2, 1)) is None
    assert RECIPE.bind(nn.Linear(2, 1)).observe(1.0, 3).best_value == 1.0


@pytest.mark.parametrize("wrong", ["no", 3, True, -100.0, object()])
def test_anything_else_is_refused(wrong):
    with pytest.raises(InputError, match=r"distributed must be 'auto', None or a torch\.distributed\.ProcessGroup"):
        RECIPE.bind(nn.Linear(2, 1), distributed=wrong)


def mismatches(rank):
    told = []
    for calls in (
        [(Call.LOSS, 3), (Call.OBSERVE, 3)],
        [(Call.OBSERVE, 3), (Call.OBSERVE, 4)],
    ):
        with pytest.raises(RankError) as caught:
            RankGroup(dist.group.WORLD).gathered(*calls[rank], [1.0])
        told.append(str(caught.value))
    with pytest.raises(RankError, match="of another run; every rank makes the same calls"):
        RankGroup(dist.group.WORLD, run=rank).gathered(Call.LOSS, 3, [1.0])
    runs = [RECIPE.bind(nn.Sequential(*[nn.Linear(2, 2) for _ in range(depth)]), total_steps=4) for depth in (2, 3)]
    with pytest.raises(RankError, match="of another run"):  # a generator on one rank, its critic on the other
        runs[rank].record_loss(1.0)
    return told


def test_calls_that_do_not_belong_together_are_named_on_both_ranks():
    first, second = on_ranks(mismatches)
    same = "; every rank makes the same calls in the same order."
    assert first[0] == f"rank 0, run.record_loss(...) at step 3: rank 1 is in run.observe(...) at step 3{same}"
    assert second[0] == f"rank 1, run.observe(...) at step 3: rank 0 is in run.record_loss(...) at step 3{same}"
    assert second[1] == f"rank 1, run.observe(...) at step 4: rank 0 is in run.observe(...) at step 3{same}"


def alone(rank):
    group = dist.new_group([0, 1], timeout=timedelta(seconds=1))
    run = RECIPE.bind(nn.Linear(2, 1), total_steps=4, distributed=group)
    told = []
    if rank == 0:
        with pytest.raises(metaopt.RankError) as caught:
            run.observe(1.0)
        told.append(str(caught.value))
    return told


def gone(rank):
    run, told = RECIPE.bind(nn.Linear(2, 1), total_steps=4), []
    if rank == 0:
        os._exit(1)
    else:
        with pytest.raises(metaopt.RankError) as caught:
            run.observe(1.0)
        told.append(str(caught.value))
    return told


@pytest.mark.slow
def test_a_rank_that_waits_in_vain_says_who_waited_where():
    told = on_ranks(alone, own_pair=True)[0]
    assert told[0].startswith("rank 0, run.observe(...) at step 0: the ranks did not come together")
    assert "\n" not in told[0]
    told = on_ranks(gone, own_pair=True)[1]
    assert told[0].startswith("rank 1, run.observe(...) at step 0: the ranks did not come together")


def copied(rank):
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    run = RECIPE.bind(model, total_steps=4)
    values = []
    for copy_of in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        copy_of.model(torch.ones(1, 2)).sum().backward()
        copy_of.step(1.0 + rank)
        values.append(copy_of.observe(1.0 + rank).best_value)
    own = RECIPE.bind(model, total_steps=4, distributed=dist.new_group([0, 1]))
    values.append(copy.deepcopy(own).observe(float(rank)).best_value)
    with pytest.raises(InputError, match="cannot be pickled"):
        pickle.dumps(own)
    return values, pickle.dumps(run)


def test_copies_agree_over_the_same_group_and_unpickled_runs_over_the_default_one():
    (values, pickled), others = on_ranks(copied)
    assert values == others[0] == [1.5, 1.5, 0.5]
    assert pickle.loads(pickled).observe(3.0).best_value == 3.0  # here is no group
