"""The corpus of real models: sizes, parts without a common row, targets that come next."""

import hashlib
import sys
from pathlib import Path

import pytest
import torch

from metaopt.contracts import num_trained

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are not installed

from benchmarks.corpora.real_models import CONTEXT, real_models  # noqa: E402

DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the development data ../shared/data is absent")


@pytest.fixture(scope="module")
def tasks():
    return {task.name: task for task in real_models(DATA)}


def hashes(rows):
    return {hashlib.sha256(row.contiguous().numpy().tobytes()).hexdigest() for row in rows}


def rows_of(task):
    splits = task.splits
    return [split.inputs for split in (splits.train, splits.validation, splits.test)]


def test_they_are_transformers_convolutions_and_recurrent_ones_of_ten_thousand_to_a_hundred_thousand_numbers(tasks):
    assert {task.family for task in tasks.values()} == {"transformers", "convolutions", "recurrent"}
    sizes = {name: num_trained(task.build(0)) for name, task in tasks.items()}
    assert len(tasks) >= 11
    assert all(9_000 <= size <= 100_000 for size in sizes.values()), sizes


@pytest.mark.parametrize("name", ["shakespeare_32x1", "wikitext_gru", "katakana_group_norm", "digits_residual"])
def test_parts_share_no_row(tasks, name):
    train, validation, test = (hashes(part) for part in rows_of(tasks[name]))
    assert not train & test
    assert not validation & test
    assert not train & validation


def test_targets_are_what_comes_next(tasks):
    train = tasks["shakespeare_32x1"].splits.train
    assert torch.equal(train.inputs[:, 1:], train.targets[:, :-1])
    assert train.inputs.shape[1] == CONTEXT
