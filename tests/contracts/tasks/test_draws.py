"""Which rows a seed trains, validates and tests on."""

import dataclasses

import pytest
import torch
from torch import nn

import metaopt
from metaopt.contracts.tasks.draws import ALL_REDRAWN, PLENTY, REDRAWN

COUNTS = (6, 3, 3)


def splits(order):
    """Rows of 1 … 12 in an order: the first six train."""
    rows = torch.tensor(order, dtype=torch.float32)[:, None]
    return metaopt.Splits(*(metaopt.Split(part, 2 * part) for part in rows.split(COUNTS)))


OWN = list(range(12))


class Rolled:
    """Rolls the rows by the seed: those of training and validation, or all."""

    def __init__(self):
        self.calls = []

    def __call__(self, seed, *, test):
        self.calls.append((seed, test))
        moved = 12 if test else 9
        order = OWN[:moved]
        return splits(order[seed % moved :] + order[: seed % moved] + OWN[moved:])


def task(**fields):
    given = {
        "name": "mine",
        "family": "lines",
        "model": lambda: nn.Linear(1, 1),
        "data": splits(OWN),
        "loss": nn.functional.mse_loss,
        "redraw": Rolled(),
        **fields,
    }
    return metaopt.Task(**given)


def rows(part):
    return sorted(part.inputs.flatten().tolist())


@pytest.mark.parametrize("seed", [0, 1, 101, REDRAWN - 1])
def test_the_first_seeds_have_the_task_s_own_rows(seed):
    mine = task()
    assert mine.draw(seed) is None
    assert mine.at(seed) is mine
    assert mine.redraw.calls == []


@pytest.mark.parametrize("seed", [REDRAWN + 1, REDRAWN + 101, ALL_REDRAWN - 2])
def test_later_ones_draw_training_and_validation_rows_and_leave_the_test_rows(seed):
    mine = task()
    drawn = mine.at(seed)
    assert mine.draw(seed) == seed
    assert mine.redraw.calls == [(seed, False)]
    assert rows(drawn.splits.test) == rows(mine.splits.test)
    assert rows(drawn.splits.validation) != rows(mine.splits.validation)
    assert sorted(rows(drawn.splits.train) + rows(drawn.splits.validation)) == OWN[:9]


def test_the_last_ones_draw_test_rows_too():
    mine = task()
    drawn = mine.at(ALL_REDRAWN + 1)
    assert mine.redraw.calls == [(ALL_REDRAWN + 1, True)]
    assert rows(drawn.splits.test) != rows(mine.splits.test)


@pytest.mark.parametrize("seed", [0, REDRAWN, ALL_REDRAWN])
def test_a_division_that_is_part_of_the_task_stays(seed):
    mine = task(redraw=None)
    assert mine.draw(seed) is None
    assert mine.at(seed) is mine
    assert not mine.is_redrawn


def test_all_but_the_rows_stays_as_it_is():
    mine = task()
    drawn = mine.at(REDRAWN)
    for field in dataclasses.fields(mine):
        if field.name not in ("data", "space"):
            assert getattr(drawn, field.name) is getattr(mine, field.name)
    assert drawn.space == mine.space


@pytest.mark.parametrize("counts", [(7, 2, 3), (5, 4, 3), (6, 3, 2)])
def test_draws_of_other_sizes_are_refused(counts):
    def redraw(seed, *, test):
        parts = torch.zeros(sum(counts), 1).split(counts)
        return metaopt.Splits(*(metaopt.Split(part, part) for part in parts))

    with pytest.raises(metaopt.InputError, match="Task 'mine': redraw must keep the sizes of all splits"):
        task(redraw=redraw).at(REDRAWN)


def test_draws_with_other_columns_are_refused():
    def redraw(seed, *, test):
        return metaopt.Splits(*(metaopt.Split(torch.zeros(count, 2), torch.zeros(count, 1)) for count in COUNTS))

    with pytest.raises(metaopt.InputError, match="redraw must keep the sizes"):
        task(redraw=redraw).at(REDRAWN)


def test_a_redraw_that_fails_is_named():
    def redraw(seed, *, test):
        raise ZeroDivisionError("none left")

    with pytest.raises(metaopt.InputError, match="its redraw function raised ZeroDivisionError: none left"):
        task(redraw=redraw).at(REDRAWN)


@pytest.mark.parametrize(("validation", "few"), [(PLENTY - 1, True), (PLENTY, False)])
def test_choices_are_made_over_several_divisions_where_validation_rows_are_few(validation, few):
    def part(count):
        return metaopt.Split(torch.zeros(count, 1), torch.zeros(count, 1))

    mine = task(data=metaopt.Splits(part(4), part(validation), part(4)))
    assert mine.is_redrawn is few
    assert mine.draw(REDRAWN) == REDRAWN


def test_how_rows_are_drawn_is_no_part_of_the_fingerprint():
    """What ledgers hold of a table from before there were draws is of the same task."""
    assert task().fingerprint == task(redraw=None).fingerprint
