"""Which rows train, which validate, which test."""

import hashlib

import numpy as np
from numpy.typing import NDArray

FRACTION = 0.2
MAX_VALIDATION_ROWS = 2_000
MAX_TEST_ROWS = 4_000


def split_rows(
    classes: NDArray[np.int64], name: str, validation: float | None = None, test: float | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows for training, validation and test: stratified, shuffled, the same for the same name.

    Args:
        classes: the class of each row, shape (rows,); all zero for regression. At least three rows of each.
        name: the table's name, which seeds the shuffling.
        validation: fraction; .2 of at most MAX_VALIDATION_ROWS rows if left out. What is over the cap trains.
        test: fraction; .2 of at most MAX_TEST_ROWS rows if left out.
    """
    generator = np.random.default_rng(seed_of(name))
    shares = (_share(validation, MAX_VALIDATION_ROWS, len(classes)), _share(test, MAX_TEST_ROWS, len(classes)))
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
