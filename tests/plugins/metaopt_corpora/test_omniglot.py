"""Omniglot's episodes, from a small folder in its packed layout."""

import numpy as np
import pytest
import torch

import metaopt
from metaopt_corpora.omniglot import FOLDER, load_omniglot, omniglot_task


@pytest.fixture
def folder(tmp_path):
    """Characters whose grey level is their number, twenty drawings of each."""
    for name, first, count in (("images_background", 0, 70), ("images_evaluation", 70, 14)):
        levels = np.arange(first, first + count, dtype=np.uint8)[:, None, None, None]
        np.savez(tmp_path / f"{name}.npz", images=np.broadcast_to(levels, (count, 20, 28, 28)))
    return tmp_path


def test_without_the_folder_it_says_how_to_name_one(monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    with pytest.raises(metaopt.MissingDataError, match="METAOPT_OMNIGLOT names, which is not set: point it at the"):
        load_omniglot()


def test_the_folder_is_that_of_the_environment_and_is_read_when_episodes_are_drawn(monkeypatch, folder):
    monkeypatch.setenv(FOLDER, str(folder))
    (task,) = load_omniglot()
    assert (task.name, task.mode) == ("omniglot_5_way_1_shot", "max")
    drawn = task.sample("test", 4, torch.Generator().manual_seed(0))
    assert drawn.support_inputs.shape == (4, 5, 1, 28, 28)
    assert drawn.query_inputs.shape == (4, 25, 1, 28, 28)
    monkeypatch.setenv(FOLDER, str(folder / "elsewhere"))
    load_omniglot()


def test_ways_shots_and_queries_are_those_that_are_asked_for(folder):
    task = omniglot_task(folder, n_way=3, k_shot=2, queries=4)
    assert task.name == "omniglot_3_way_2_shot"
    for partition in ("train", "test"):
        drawn = task.sample(partition, 2, torch.Generator().manual_seed(0))
        assert drawn.support_targets.shape == (2, 6)
        assert drawn.query_targets.shape == (2, 12)
        assert drawn.support_targets[0].bincount().tolist() == [2, 2, 2]
    assert task.build(0)(drawn.support_inputs[0]).shape == (6, 3)


def test_no_character_that_is_tested_was_trained_on(folder):
    task = omniglot_task(folder)

    def levels(partition):
        drawn = task.sample(partition, 50, torch.Generator().manual_seed(0))
        return set(drawn.support_inputs.amax(dim=(2, 3, 4)).flatten().tolist())

    assert levels("test")
    assert not levels("train") & levels("test")
