"""Divisions of labelled examples: the owner's, by name, by seed."""

import numpy as np
import torch

from metaopt.tasks.labelled.rows import LabelledRows, needed, own_rows

CLASSES = np.repeat(np.arange(3), 20)


def parts(*names):
    """A third of each class in each of three parts, None for those that are not named."""
    return np.array([names[place % len(names)] for place in range(60)], dtype=object)


def whole(own):
    assert sorted(np.concatenate(own).tolist()) == list(range(60))
    return [len(part) for part in own]


def test_without_parts_rows_are_divided_as_those_of_tables():
    assert whole(own_rows(CLASSES, parts(None), "name")) == [36, 12, 12]
    assert needed(parts(None)) == 3


def test_the_owners_parts_stay_and_what_is_missing_is_drawn_from_what_trains():
    given = parts("train", "train", "test")
    train, validation, test = own_rows(CLASSES, given, "name")
    assert set(test.tolist()) == set(np.flatnonzero(given == "test").tolist())
    assert whole((train, validation, test)) == [31, 9, 20]
    assert needed(given) == 2
    assert len(np.unique(CLASSES[validation])) == 3
    everything = parts("train", "validation", "test")
    assert whole(own_rows(CLASSES, everything, "name")) == [20, 20, 20]
    assert needed(everything) == 1


def test_seeds_divide_anew_but_never_touch_the_owners_test_rows():
    inputs = torch.arange(60).float()[:, None]
    given = parts("train", "train", "test")
    rows = LabelledRows(inputs, CLASSES, "name", own_rows(CLASSES, given, "name"), has_own_test=True)
    own, drawn = rows.splits(), rows(1_000_000, test=True)
    assert torch.equal(own.test.inputs, drawn.test.inputs)
    assert not torch.equal(own.validation.inputs, drawn.validation.inputs)
    free = LabelledRows(inputs, CLASSES, "name", own_rows(CLASSES, parts(None), "name"))
    assert torch.equal(free.splits().test.inputs, free(1000, test=False).test.inputs)
    assert not torch.equal(free.splits().test.inputs, free(1_000_000, test=True).test.inputs)


def test_inputs_are_prepared():
    rows = LabelledRows(torch.ones(60, 1), CLASSES, "name", own_rows(CLASSES, parts(None), "name"), prepared=torch.neg)
    assert rows.splits().train.inputs.max() == -1
