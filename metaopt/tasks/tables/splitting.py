"""Which rows train, which validate, which test."""

import hashlib

import numpy as np
from numpy.typing import NDArray

FRACTION = 0.2
MAX_VALIDATION_ROWS = 2_000
MAX_TEST_ROWS = 4_000


Rows = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def split_rows(
    classes: NDArray[np.int64], name: str, validation: float | None = None, test: float | None = None
) -> Rows:
    """Rows for training, validation and test: stratified, shuffled, the same for the same name.

    Args:
        classes: the class of each row, shape (rows,); all zero for regression. At least three rows of each.
        name: the table's name, which seeds the shuffling.
        validation: fraction; .2 of at most MAX_VALIDATION_ROWS rows if left out. What is over the cap trains.
        test: fraction; .2 of at most MAX_TEST_ROWS rows if left out.
    """
    shares = (_share(validation, MAX_VALIDATION_ROWS, len(classes)), _share(test, MAX_TEST_ROWS, len(classes)))
    return _divided(classes, shares, np.random.default_rng(seed_of(name)))


def split_groups(
    groups: NDArray[np.int64], name: str, validation: float | None = None, test: float | None = None
) -> Rows:
    """Rows for training, validation and test, no group in two of them: shuffled groups, the same for the same name.

    Args:
        groups: the group of each row, 0, 1, …, shape (rows,); at least three of them.
        name: see `split_rows`.
        validation: see `split_rows`; the first groups that together have as many rows validate.
        test: see `split_rows`.
    """
    generator = np.random.default_rng(seed_of(name))
    order = generator.permutation(int(groups.max()) + 1)
    sizes = np.bincount(groups)[order]
    ends = np.cumsum(sizes)
    num_test = _share(test, MAX_TEST_ROWS, len(groups)) * len(groups)
    num_validation = _share(validation, MAX_VALIDATION_ROWS, len(groups)) * len(groups)
    in_test = max(1, min(len(order) - 2, int(np.searchsorted(ends, num_test)) + 1))
    after = ends - ends[in_test - 1]
    in_validation = max(1, min(len(order) - 1 - in_test, int(np.sum((after > 0) & (after < num_validation))) + 1))
    held_out = order[in_test : in_test + in_validation], order[:in_test]
    parts = (order[in_test + in_validation :], *held_out)
    train, validating, testing = (generator.permutation(np.flatnonzero(np.isin(groups, part))) for part in parts)
    return train, validating, testing


def split_times(
    times: NDArray[np.int64], name: str, validation: float | None = None, test: float | None = None
) -> Rows | None:
    """Rows for training, validation and test, each later than the one before; rows of one moment stay together.

    Args:
        times: of each row, shape (rows,).
        name: seeds the order within each part.
        validation: see `split_rows`.
        test: see `split_rows`.

    Returns:
        The rows; None if there are too few different moments.
    """
    moments, starts = np.unique(np.sort(times), return_index=True)
    if len(moments) < 3:
        return None
    num_rows = len(times)
    num_test = _share(test, MAX_TEST_ROWS, num_rows) * num_rows
    num_validation = _share(validation, MAX_VALIDATION_ROWS, num_rows) * num_rows
    first_test = _nearest(starts, num_rows - num_test, 2, len(moments) - 1)
    first_validation = _nearest(starts, starts[first_test] - num_validation, 1, first_test - 1)
    generator = np.random.default_rng(seed_of(name))
    is_test, is_late = times >= moments[first_test], times >= moments[first_validation]
    train, validating, testing = (
        generator.permutation(np.flatnonzero(part)) for part in (~is_late, is_late & ~is_test, is_test)
    )
    return train, validating, testing


def _nearest(starts: NDArray[np.int64], wanted: float, lowest: int, highest: int) -> int:
    """The moment, from `lowest` to `highest`, before which there are about so many rows."""
    return int(np.clip(np.abs(starts - wanted).argmin(), lowest, highest))


def held_out_rows(
    classes: NDArray[np.int64], rows: NDArray[np.int64], name: str, fraction: float | None, max_rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Some of the rows put aside, at least one of each class: those that are left, and those put aside.

    Args:
        classes: see `split_rows`.
        rows: to divide; at least two of each class that they have.
        name: seeds the shuffling.
        fraction: of the rows; .2 of at most `max_rows` if left out.
        max_rows: see there.
    """
    generator = np.random.default_rng(seed_of(name))
    share = _share(fraction, max_rows, len(rows))
    parts: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for label in np.unique(classes[rows]):
        own = generator.permutation(rows[classes[rows] == label])
        count = min(max(1, round(share * len(own))), len(own) - 1)
        for part, chunk in zip(parts, np.split(own, [len(own) - count]), strict=True):
            part.append(chunk)
    left, aside = (generator.permutation(np.concatenate(part)) for part in parts)
    return left, aside


def redrawn_rows(classes: NDArray[np.int64], own: Rows, name: str, seed: int, *, test: bool) -> Rows:
    """Rows divided anew: as many of each class in each part as before, the same for the same name and seed.

    Args:
        classes: see `split_rows`.
        own: rows of the table's own division.
        name: the table's name.
        seed: of this division.
        test: whether test rows are drawn, too; otherwise they are the table's own, and nothing else has any of them.
    """
    generator = np.random.default_rng((seed_of(name), seed))
    drawn: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    for label in np.unique(classes):
        parts = [part[classes[part] == label] for part in own]
        moved = parts if test else parts[:2]
        rows = generator.permutation(np.sort(np.concatenate(moved)))
        chunks = np.split(rows, np.cumsum([len(part) for part in moved])[:-1])
        for rows_of_part, chunk in zip(drawn, chunks if test else [*chunks, parts[2]], strict=True):
            rows_of_part.append(chunk)
    train, held_out, final = (generator.permutation(np.concatenate(part)) for part in drawn)
    return train, held_out, final if test else own[2]


def _divided(classes: NDArray[np.int64], shares: tuple[float, float], generator: np.random.Generator) -> Rows:
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    for label in np.unique(classes):
        rows = generator.permutation(np.flatnonzero(classes == label))
        num_validation, num_test = _counts(len(rows), shares)
        for part, chunk in zip(parts, np.split(rows, [-num_validation - num_test, -num_test]), strict=True):
            part.append(chunk)
    train, held_out, final = (generator.permutation(np.concatenate(part)) for part in parts)
    return train, held_out, final


def seed_of(name: str) -> int:
    """A seed that depends on the name alone, the same in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")


def _share(fraction: float | None, max_rows: int, num_rows: int) -> float:
    return min(FRACTION, max_rows / num_rows) if fraction is None else fraction


def _counts(num_rows: int, shares: tuple[float, float]) -> tuple[int, int]:
    """How many of a class's rows validate and test: at least one each, and one is left to train on."""
    num_validation = min(max(1, round(shares[0] * num_rows)), num_rows - 2)
    num_test = min(max(1, round(shares[1] * num_rows)), num_rows - 1 - num_validation)
    return num_validation, num_test
