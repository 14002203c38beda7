"""The corpus of real models holds nothing that `drop_in` validates or tests on, so that `drop_in` can judge it."""

import hashlib
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from metaopt.contracts import num_trained

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are not installed

from benchmarks.corpora.real_models import (  # noqa: E402
    CONTEXT,
    SHARE_OF_TEXT,
    VOCABULARY,
    real_models,
    text_codes,
)
from benchmarks.recipes.drop_in_models import resnet, transformer  # noqa: E402

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


@pytest.mark.parametrize("name", ["digits_residual", "digits_group_norm"])
def test_no_digit_of_theirs_validates_or_tests_in_drop_in(tasks, name):
    job = resnet(DATA / "mnist_t10k", None)
    judged = hashes(F.avg_pool2d(torch.cat([inputs for inputs, _ in [*job.validation, *job.test]]), 2))
    assert len(judged) > 2_900
    mine = [hashes(part) for part in rows_of(tasks[name])]
    assert sum(map(len, mine)) > 6_900
    assert not judged & set().union(*mine)


@pytest.mark.parametrize("name", ["shakespeare_32x1", "shakespeare_48x2", "shakespeare_gru"])
def test_no_text_of_theirs_validates_or_tests_in_drop_in(tasks, name):
    """Windows of as many characters, from every place of the text's last tenth."""
    file = DATA / "tinyshakespeare" / "input.txt"
    text = file.read_text(encoding="utf-8")
    begin = int(SHARE_OF_TEXT * len(text))
    known = text_codes(text)
    assert int(known.max()) < VOCABULARY + 1
    last = known[begin:].unfold(0, CONTEXT, 1)
    judged = hashes(last)
    mine = torch.cat(rows_of(tasks[name]))
    repeated = hashes(mine) & judged
    # A play repeats a few lines and speakers' names word for word.
    assert len(repeated) < 0.001 * len(mine)
    windows = transformer(file, None)
    assert sum(len(inputs) for inputs, _ in [*windows.validation, *windows.test]) == 512


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
