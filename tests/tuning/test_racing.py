import pytest
from torch import nn

import metaopt
from metaopt.tuning.racing import BLOCKS, race_order, rungs, survivors


@pytest.mark.parametrize(
    ("num_tasks", "expected"),
    [(1, [1]), (2, [2]), (5, [5]), (6, [5, 6]), (10, [5, 10]), (16, [5, 10, 16]), (30, [5, 10, 16, 30])],
)
def test_a_race_judges_on_growing_blocks_and_ends_with_all_tasks(num_tasks, expected):
    assert rungs(num_tasks) == expected


def test_the_top_third_goes_on_and_at_least_one():
    assert survivors([0.1, 0.9, 0.3, 0.8, 0.2, 0.4]) == [1, 3]
    assert survivors([0.1, 0.9, 0.3, 0.8]) == [1, 3]
    assert survivors([-1.0]) == [0]


def test_of_equal_ones_the_earlier_goes_on():
    assert survivors([0.5, 0.5, 0.5, 0.5, 0.5, 0.5]) == [0, 1]


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
