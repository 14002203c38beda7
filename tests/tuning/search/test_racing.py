from collections import Counter
from functools import partial

import pytest
from torch import nn

import metaopt
from metaopt.tuning.search.racing import BLOCKS, SHARE, Standing, best_share, ends_heat, race, race_order, rungs


@pytest.mark.parametrize(
    ("num_tasks", "expected"),
    [(1, [1]), (2, [2]), (5, [5]), (6, [5, 6]), (10, [5, 10]), (16, [5, 10, 16]), (30, [5, 10, 16, 30])],
)
def test_a_race_judges_on_growing_blocks_and_ends_with_all_tasks(num_tasks, expected):
    assert rungs(num_tasks) == expected


def standings(objectives, begin=0):
    return [Standing(begin + index, {}, {5: value}) for index, value in enumerate(objectives)]


def numbers(candidates):
    return [candidate.number for candidate in candidates]


def test_the_first_heat_is_one_batch_and_the_later_ones_are_two():
    assert [batch for batch in range(8) if ends_heat(batch)] == [0, 2, 4, 6]


def test_the_best_share_goes_on_and_at_least_one():
    assert numbers(best_share(standings([0.1, 0.9, 0.3, 0.8, 0.2, 0.4]), 5, [])) == [1, 3]
    assert numbers(best_share(standings([0.1] * 9 + [0.2]), 5, [])) == [9, 0, 1]
    assert numbers(best_share(standings([-1.0]), 5, [])) == [0]


def test_it_is_a_share_of_all_that_came_so_far():
    earlier = [index / 100 for index in range(100)]
    assert numbers(best_share(standings([0.99, 0.5, 0.75, 2.0]), 5, earlier)) == [3, 0, 2]
    assert best_share(standings([0.1, 0.2]), 5, earlier) == []
    assert len(best_share(standings([2.0] * 100), 5, earlier)) == SHARE * 200


def test_of_equal_ones_the_earlier_goes_on():
    assert numbers(best_share(standings([0.5] * 6), 5, [])) == [0, 1]
    assert best_share(standings([0.5] * 6), 5, [0.5] * 4) == []


def test_a_race_runs_nothing_twice_and_only_who_is_left():
    heat, ran = standings([0.1, 0.9, 0.3, 0.8, 0.2, 0.4]), []

    def judge(running, tasks):
        ran.append((numbers(running), list(tasks)))
        for candidate in running:
            candidate.rungs[tasks[-1] + 1] = candidate.rungs[5]

    race(heat, standings([0.85] * 2, begin=-2), list(range(12)), judge)
    assert ran == [([1], [5, 6, 7, 8, 9]), ([1], [10, 11])]
    assert [candidate.number for candidate in heat if candidate.complete] == [1]


def test_the_cheapest_task_of_each_family_runs_first_then_the_second_of_each(make_task):
    tasks = [
        make_task("a-dear", "a", num_steps=90),
        make_task("a-cheap", "a", num_steps=10),
        make_task("b-middle", "b", num_steps=50),
        make_task("b-cheap", "b", num_steps=20),
        make_task("c-only", "c", num_steps=70),
    ]
    names = ["a-cheap", "b-cheap", "c-only", "a-dear", "b-middle"]
    assert [task.name for task in race_order(tasks)] == names
    assert [task.name for task in race_order(tasks[::-1])] == names


def test_few_candidates_climb_to_the_dear_rungs_of_a_ladder(make_task):
    """All train on the cheapest rung of some families, few on the dearest of any."""
    widths = {"cheap": 1, "middle": 10, "dear": 100}
    tasks = [
        make_task(f"{family}_{rung}", family, model=partial(nn.Sequential, nn.Linear(3, width), nn.Linear(width, 1)))
        for family in ("mlp", "gru", "gpt", "vit", "cnn", "vae")
        for rung, width in widths.items()
    ]
    order = race_order(tasks)
    assert [task.name.rpartition("_")[2] for task in order] == ["cheap"] * 6 + ["middle"] * 6 + ["dear"] * 6
    ran, done = Counter(), 0

    def judge(running, more):
        nonlocal done
        done += len(more)
        for candidate in running:
            candidate.rungs[done] = candidate.number
            ran.update(task.name.rpartition("_")[2] for task in more)

    race([Standing(number) for number in range(40)], [], order, judge)
    assert ran == {"cheap": 5 * 40 + 12, "middle": 4 * 12 + 2 * 4, "dear": 4 * 4 + 2 * 2}


def test_larger_models_and_batches_are_dearer_and_black_boxes_the_dearest(make_task):
    black = metaopt.BlackBoxTask("black", "f", train=lambda recipe, seed: iter(()))
    tasks = [black, make_task("wide", "f", model=wide), make_task("batch", "f", batch_size=32), make_task("plain", "f")]
    assert [task.name for task in race_order(tasks)] == ["plain", "batch", "wide", "black"]


def wide():
    return nn.Sequential(nn.Linear(3, 50), nn.Linear(50, 1))


def test_every_block_has_as_many_families_as_it_can(make_tasks):
    order = race_order(make_tasks(20, families=4))
    for size in BLOCKS:
        assert len({task.family for task in order[:size]}) == 4
