"""No corpus that a recipe is made on reads a row that `drop_in` and its like validate or test on: rows are hashed."""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are not installed

from benchmarks.corpora import judging_rows  # noqa: E402
from benchmarks.corpora.development_corpus import VOCABULARY, characters, mnist, omniglot, omniglot_splits, on_grid  # noqa: E402
from benchmarks.corpora.ladder import ladder  # noqa: E402
from benchmarks.corpora.ladder.images import drawings  # noqa: E402
from benchmarks.corpora.real_models import real_models  # noqa: E402
from benchmarks.corpora.texts import coded, numbered, words  # noqa: E402
from benchmarks.recipes.drop_in_models import resnet, transformer  # noqa: E402

DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the development data ../shared/data is absent")

#: Odd numbers by which the columns of a row are multiplied before they are added up, modulo 2⁶⁴.
FACTORS = 2 * torch.randint(2**62, (1024,), generator=torch.Generator().manual_seed(0)) + 1


def hashes(rows):
    """A number of 64 bits for each row; int64 or float32, shape (n, …)."""
    flat = rows.contiguous().flatten(1)
    whole = flat.view(torch.int32).long() if flat.is_floating_point() else flat
    return (whole * FACTORS[: whole.shape[1]]).sum(1)


def window_hashes(codes, length):
    """Those of all windows of a text, shape (windows,)."""
    count = len(codes) - length + 1
    total = torch.zeros(count, dtype=torch.int64)
    for place in range(length):
        total += codes[place : place + count] * FACTORS[place]
    return total


def rows_of(task, part="inputs"):
    splits = task.splits
    return torch.cat([getattr(split, part) for split in (splits.train, splits.validation, splits.test)])


def check(mine, opened, reserved):
    """All hashes are those of open rows, and none is that of a row that is reserved and nowhere open."""
    judged = reserved[~torch.isin(reserved, opened)]
    assert len(judged) > 0.5 * len(reserved)
    assert len(mine)
    assert not torch.isin(mine, judged).any()
    assert torch.isin(mine, opened).all()


@cache
def shakespeare_windows(length):
    opened = judging_rows.shakespeare(DATA)
    known = numbered(opened, VOCABULARY)
    texts = opened, judging_rows.shakespeare(DATA, reserved=True)
    return [window_hashes(coded(text, known), length) for text in texts]


@cache
def wikitext_windows(length):
    validation = judging_rows.wikitext_validation(DATA)
    known = numbered(validation, VOCABULARY)
    test, reserved = (judging_rows.wikitext_test(DATA, reserved=each) for each in (False, True))
    validation, test, reserved = (window_hashes(coded(text, known), length) for text in (validation, test, reserved))
    return torch.cat([validation, test]), reserved


@cache
def digit_hashes(prepared):
    return [hashes(prepared(judging_rows.digits(DATA, reserved=each)[0])) for each in (False, True)]


def in_grey_levels(images):
    return images[:, None].float() / 255 - 0.13


def halved(images):
    return F.avg_pool2d(in_grey_levels(images), 2)


def halved_about_zero(images):
    return (F.avg_pool2d(images.double()[:, None], 2) / 128 - 1).float()


@cache
def evaluation_characters(side, contrast):
    with np.load(DATA / "omniglot" / judging_rows.RESERVED_OMNIGLOT) as packed:
        parts = torch.from_numpy(packed["images"]).flatten(0, 1).split(1000)
    small = torch.cat([F.adaptive_avg_pool2d(part.double(), side) for part in parts])
    return hashes(on_grid(1 - contrast * small))


@cache
def word_windows(length, vocabulary):
    validation = words(judging_rows.wikitext_validation(DATA))
    known = numbered(validation, vocabulary)
    reserved = coded(words(judging_rows.wikitext_test(DATA, reserved=True)), known)
    return window_hashes(coded(validation, known), length), window_hashes(reserved, length)


# What is reserved


def test_what_drop_in_validates_and_tests_on_is_reserved():
    job = resnet(DATA / "mnist_t10k", None)
    reserved, labels = judging_rows.digits(DATA, reserved=True)
    judged = torch.cat([inputs for inputs, _ in [*job.validation, *job.test]])
    assert torch.equal(judged, in_grey_levels(reserved))
    assert torch.equal(torch.cat([targets for _, targets in [*job.validation, *job.test]]), labels)
    job = transformer(DATA / "tinyshakespeare" / "input.txt", None)
    opened, text = judging_rows.shakespeare(DATA), judging_rows.shakespeare(DATA, reserved=True)
    alphabet = {character: code for code, character in enumerate(sorted(set(opened + text)))}
    judged = hashes(torch.cat([inputs for inputs, _ in [*job.validation, *job.test]]))
    assert torch.isin(judged, window_hashes(coded(text, alphabet), 64)).all()


def test_open_and_reserved_rows_are_all_there_are():
    text = (DATA / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")
    assert judging_rows.shakespeare(DATA) + judging_rows.shakespeare(DATA, reserved=True) == text
    text = (DATA / "wikitext2" / "test.txt").read_text(encoding="utf-8")
    parts = judging_rows.wikitext_test(DATA), judging_rows.wikitext_test(DATA, reserved=True)
    assert "".join(parts) == text
    assert abs(len(parts[0]) - len(parts[1])) <= 1
    assert [len(judging_rows.digits(DATA, reserved=reserved)[1]) for reserved in (False, True)] == [7_000, 3_000]


def test_a_task_that_reads_a_reserved_row_would_be_found():
    images, reserved = digit_hashes(halved)
    check(images[:100], images, reserved)
    with pytest.raises(AssertionError):
        check(torch.cat([images[:100], reserved[:1]]), images, reserved)
    windows, reserved = shakespeare_windows(16)
    with pytest.raises(AssertionError):
        check(torch.cat([windows[:100], reserved[:1000:50]]), windows, reserved)


@pytest.mark.slow
def test_a_character_of_an_evaluation_alphabet_would_be_found(monkeypatch):
    monkeypatch.setattr(judging_rows, "OPEN_OMNIGLOT", judging_rows.RESERVED_OMNIGLOT)
    splits = omniglot_splits(DATA / "omniglot", "Balinese", 20)  # the same rows of the other file
    assert torch.isin(hashes(splits.train.inputs), evaluation_characters(14, 2)).all()
    train, _, _ = drawings.__wrapped__(DATA)
    assert torch.isin(hashes(train), evaluation_characters(16, 1)).all()


# What corpora read


@pytest.fixture(scope="module")
def tasks():
    found = [*mnist(DATA), *omniglot(DATA), *characters(DATA), *real_models(DATA), *ladder(DATA)]
    return {task.name: task for task in found}


DIGITS = ("mnist_mlp", "mnist_cnn", "digits_residual", "digits_group_norm")
DIGITS += ("resnet_middle", "depthwise_middle", "group_norm_middle", "layer_norm_middle", "vit_middle", "pixels_middle")
#: As inputs of tasks whose name begins so.
PREPARED = {"mnist": halved_about_zero, "pixels": in_grey_levels, "vit": in_grey_levels}


@pytest.mark.parametrize("name", DIGITS)
def test_no_digit_is_reserved(tasks, name):
    rows = hashes(rows_of(tasks[name]))
    check(rows, *digit_hashes(PREPARED.get(name.partition("_")[0], halved)))
    assert len(rows) == 7_000


SHAKESPEARE = ("shakespeare_mlp", "shakespeare_attention", "shakespeare_32x1", "shakespeare_48x2", "shakespeare_gru")
SHAKESPEARE += ("gpt_middle", "gpt_context_4", "gpt_post_middle", "gru_middle")


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAKESPEARE)
def test_no_window_of_shakespeare_is_reserved(tasks, name):
    rows = rows_of(tasks[name])
    check(hashes(rows), *shakespeare_windows(rows.shape[1]))


WIKITEXT = ("wikitext_mlp", "wikitext_attention", "wikitext_24x3", "wikitext_gru", "gpt_tied_middle", "lstm_middle")


@pytest.mark.slow
@pytest.mark.parametrize("name", WIKITEXT)
def test_no_window_of_wikitext_is_reserved(tasks, name):
    rows = rows_of(tasks[name])
    check(hashes(rows), *wikitext_windows(rows.shape[1]))


OMNIGLOT = ("cyrillic_mlp", "korean_mlp", "hiragana_cnn", "latin_residual", "katakana_group_norm")


@pytest.mark.parametrize("name", OMNIGLOT)
def test_no_character_of_an_evaluation_alphabet_is_read(tasks, name):
    rows = hashes(rows_of(tasks[name]))
    assert len(rows) >= 400
    assert not torch.isin(rows, evaluation_characters(14, 2)).any()


@pytest.mark.parametrize("name", ["autoencoder_middle", "vae_middle", "unet_middle"])
def test_no_drawing_is_one_of_an_evaluation_alphabet(tasks, name):
    rows = hashes(rows_of(tasks[name], "targets"))
    assert len(rows) >= 3_200
    assert not torch.isin(rows, evaluation_characters(16, 1)).any()


@pytest.mark.parametrize(("name", "vocabulary"), [("words_middle", 256), ("words_tied_vocabulary_16", 4096)])
def test_no_window_of_words_is_reserved(tasks, name, vocabulary):
    rows = rows_of(tasks[name])
    check(hashes(rows), *word_windows(rows.shape[1], vocabulary))


def test_these_are_all_families_of_the_ladder_but_those_without_such_rows(tasks):
    drawn = {"autoencoder", "vae", "unet", "words", "words_tied"}
    seen = {tasks[name].family for name in (*DIGITS, *SHAKESPEARE, *WIKITEXT)} | drawn
    assert set(ladder(DATA).families) - seen == {"table", "recommender"}
