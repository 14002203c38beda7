"""Which seeds a study trains with."""

import itertools

import pytest
import torch

import metaopt
from metaopt.contracts import ALL_REDRAWN, REDRAWN
from metaopt.tuning import seeds
from metaopt.tuning.search.final_rounds import ROUNDS
from metaopt_corpora.sinusoid_episodes import sinusoid_task


def redraw(seed, *, test):
    raise AssertionError("nobody draws rows to choose seeds")


def table(make_task, validation=32):
    part = metaopt.Split(torch.zeros(validation, 3), torch.zeros(validation, 1))
    plain = make_task()
    data = metaopt.Splits(plain.splits.train, part, plain.splits.test)
    return make_task(data=data, redraw=redraw)


def box():
    return metaopt.BlackBoxTask("job", "jobs", train=lambda recipe, seed: iter([(1, 1.0)]))


@pytest.fixture
def tasks(make_task):
    return {
        "few rows": table(make_task),
        "many rows": table(make_task, validation=2_000),
        "a user's own division": make_task(),
        "black box": box(),
        "few shots": sinusoid_task(10),
    }


def test_seeds_of_each_kind_of_task(tasks):
    assert seeds.reference_seeds(tasks["few rows"]) == (1000, 1001, 1002, 1003, 1004)
    assert seeds.reference_seeds(tasks["many rows"]) == (0, 1, 2)
    assert seeds.reference_seeds(tasks["a user's own division"]) == (0, 1, 2)
    assert seeds.report_seeds(tasks["few rows"], held_out=False) == tuple(range(1101, 1109))
    assert seeds.report_seeds(tasks["few rows"], held_out=True) == tuple(range(1_000_101, 1_000_109))
    assert seeds.report_seeds(tasks["many rows"], held_out=False) == (101, 102, 103)
    assert seeds.report_seeds(tasks["many rows"], held_out=True) == (1_000_101, 1_000_102, 1_000_103)
    for held_out in (False, True):
        assert seeds.report_seeds(tasks["a user's own division"], held_out=held_out) == (101, 102, 103)
        assert seeds.report_seeds(tasks["few shots"], held_out=held_out) == (101, 102, 103)
        assert seeds.report_seeds(tasks["black box"], held_out=held_out, repeats=4) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("num_tasks", "counts"), [(1, (8, 8, 8)), (2, (4, 8, 8)), (3, (4, 8, 8)), (4, (2, 4, 4)), (20, (2, 4, 4))]
)
def test_the_finals_of_few_rows_draw_more_where_there_are_few_tasks(tasks, num_tasks, counts):
    found = [seeds.final_seeds(tasks["few rows"], stage, num_tasks) for stage in range(3)]
    assert found == [tuple(range(REDRAWN, REDRAWN + count)) for count in counts]


def test_the_finals_of_others(tasks):
    for name in ("many rows", "a user's own division"):
        assert [seeds.final_seeds(tasks[name], stage, 1) for stage in range(3)] == [(1, 2), (1, 2, 3, 4), (1, 2, 3, 4)]
    assert [seeds.final_seeds(tasks["few shots"], stage, 1) for stage in range(3)] == [(1, 2)] * 3
    assert [seeds.final_seeds(tasks["black box"], stage, 9, 5) for stage in range(3)] == [(1, 2, 3, 4, 5)] * 3
    assert seeds.final_seeds(tasks["black box"], 0, 1) == (1, 2, 3)


def test_each_round_of_the_finals_adds_to_the_one_before(tasks):
    for task, num_tasks in itertools.product(tasks.values(), (1, 2, 3, 4, 9)):
        rounds = [seeds.final_seeds(task, stage, num_tasks) for stage in range(ROUNDS)]
        for earlier, later in itertools.pairwise(rounds):
            assert later[: len(earlier)] == earlier


@pytest.mark.parametrize("num_tasks", [1, 3, 9])
def test_what_is_reported_was_never_seen(tasks, num_tasks):
    """The runs of a black box, which are dear, are the only ones that are both chosen by and reported."""
    for name, task in tasks.items():
        finals = set(seeds.final_seeds(task, ROUNDS - 1, num_tasks))
        chosen_by = {seeds.RACE_SEED, *finals, *(() if name == "black box" else seeds.reference_seeds(task))}
        assert seeds.RACE_SEED not in finals
        assert (seeds.RACE_SEED in seeds.reference_seeds(task)) is (name != "few rows")
        for held_out in (False, True):
            reported = set(seeds.report_seeds(task, held_out=held_out))
            assert bool(chosen_by & reported) is (name == "black box")
            if name != "black box":
                assert all(map(seeds.is_reported, reported))
                assert not any(map(seeds.is_reported, chosen_by))


def test_only_held_out_tasks_are_tested_on_rows_that_a_seed_draws(tasks):
    for task, num_tasks in itertools.product(tasks.values(), (1, 9)):
        everything = {
            seeds.RACE_SEED,
            *seeds.reference_seeds(task),
            *seeds.final_seeds(task, ROUNDS - 1, num_tasks),
            *seeds.report_seeds(task, held_out=False),
        }
        assert max(everything) < ALL_REDRAWN


def test_tasks_whose_rows_are_few_and_may_be_drawn_are_chosen_on_over_several_divisions(tasks):
    assert {name for name, task in tasks.items() if seeds.is_redrawn(task)} == {"few rows"}
