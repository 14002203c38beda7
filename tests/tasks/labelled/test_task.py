"""A folder of images or texts by class as a task, in both engines."""

import pytest
import torch

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Member, train
from metaopt.inner.graphs import loop_reason
from metaopt.plugin import current_registry
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.labelled.task import Standardised, task_of_folder
from tests.tasks.example_folders import write_classes, write_lines

pytest.importorskip("PIL.Image", reason="Pillow is not installed")

MODEL = """
import torch
def flat(shape, num_classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(shape[0] * shape[1] * shape[2], num_classes))
def bag(num_tokens, num_classes):
    return torch.nn.EmbeddingBag(num_tokens, num_classes, padding_idx=0)
"""


@pytest.fixture
def folder(tmp_path):
    write_classes(tmp_path / "shapes", "ab", each=20)
    return tmp_path / "shapes"


def made(folder, kind="images", **settings):
    return task_of_folder(folder, kind, LabelledSettings(**{"num_steps": 4, "num_validations": 2, **settings}))


def members(task, seeds=(0, 1)):
    assembly = assemble(Configuration("adamw", "constant", hparams={"adamw.lr": 0.01}), current_registry())
    return [Member(assembly, seed) for seed in seeds]


def test_images_are_standardised_by_those_that_train(folder):
    task = made(folder).task
    train_split = task.splits.train
    assert train_split.inputs.shape == (24, 1, 8, 8)
    assert abs(float(train_split.inputs.mean())) < 1e-5
    assert float(train_split.inputs.std()) == pytest.approx(1, abs=0.01)
    assert (task.name, task.family, task.mode) == ("shapes", "image_classification", "min")
    flat = Standardised.of(torch.full((4, 3, 2, 2), 7, dtype=torch.uint8))
    assert flat(torch.full((1, 3, 2, 2), 7)).abs().max() == 0


def test_fingerprints_see_augmentation_and_width_and_nothing_else(folder):
    own = made(folder).task.fingerprint
    assert made(folder).task.fingerprint == own
    assert made(folder, augment=("shift",)).task.fingerprint != own
    assert made(folder, augment=("flip",)).task.fingerprint != made(folder, augment=("shift",)).task.fingerprint
    assert made(folder, width=2.0).task.fingerprint != own


def test_both_engines_train_it_and_see_the_same_changes(folder):
    task = made(folder, augment=("shift", "flip", "rotate", "light")).task
    assert loop_reason(task) is None
    together = train(task, members(task), engine="population")
    apart = train(task, members(task), engine="loop")
    for first, second in zip(together, apart, strict=True):
        assert first.curve.values.tolist() == pytest.approx(second.curve.values.tolist(), rel=1e-4)
    plain = train(made(folder).task, members(task), engine="loop")
    assert plain[0].curve.values.tolist() != pytest.approx(apart[0].curve.values.tolist(), rel=1e-4)


def test_texts_train_in_both_engines(tmp_path):
    write_lines(tmp_path / "languages")
    made_texts = made(tmp_path / "languages", "texts", metric="accuracy", tokens="words")
    task = made_texts.task
    assert (task.family, task.mode) == ("text_classification", "max")
    assert made_texts.vocabulary.tokens[0] in {"the", "die", "auf", "der", "hund", "lief", "katze", "cat", "mat"}
    assert loop_reason(task) is None
    together, apart = (train(task, members(task, [0]), engine=name)[0] for name in ("population", "loop"))
    assert together.curve.values.tolist() == pytest.approx(apart.curve.values.tolist(), rel=1e-4)


def test_models_of_the_owner_are_called_by_name(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labelled_models.py").write_text(MODEL)
    task = made(folder, model="labelled_models:flat").task
    assert task.scale.parameters == 64 * 2 + 2
    assert task.widened is None
    write_lines(tmp_path / "languages")
    texts = made(tmp_path / "languages", "texts", model="labelled_models:bag")
    assert texts.task.scale.parameters == 2 * (len(texts.vocabulary) + 1)
    with pytest.raises(metaopt.InputError, match=r"raised TypeError: .*; it is called with \(shape, num_classes\) = "):
        made(folder, model="labelled_models:torch")


def test_the_owners_parts_are_not_divided_anew(tmp_path):
    for place, part in enumerate(("train", "val", "test")):
        write_classes(tmp_path / part, "ab", each=4, first=100 * place)
    task = made(tmp_path).task
    assert task.redraw is None
    assert [len(part) for part in (task.splits.train, task.splits.validation, task.splits.test)] == [8, 8, 8]


def test_texts_with_nothing_in_common_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(chr(0x4E00 + place) for place in range(10)))
    (tmp_path / "b.txt").write_text("\n".join(chr(0x5E00 + place) for place in range(10)))
    with pytest.raises(metaopt.InputError, match="no two training texts with a token in common"):
        made(tmp_path, "texts", tokens="words")
