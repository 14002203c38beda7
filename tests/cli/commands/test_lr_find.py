"""`metaopt lr-find` on a folder of tables."""

import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def folder(tmp_path):
    inputs = np.random.default_rng(0).standard_normal((200, 3))
    frame = pd.DataFrame(inputs, columns=list("abc")).assign(target=inputs.sum(axis=1))
    (tmp_path / "tables").mkdir()
    frame.to_csv(tmp_path / "tables" / "line.csv", index=False)
    return tmp_path / "tables"


def test_the_command_tells_rates_and_draws_them(run, folder, tmp_path):
    done = run(
        *("lr-find", folder, "--octaves", "2", "--seeds", "2", "--steps", "40", "--plot", tmp_path / "rates.png")
    )
    assert done.code == 0, done.err
    assert "line: 40 steps a training" in done.out
    assert "as good as the best" in done.out
    assert "the recipe by itself takes" in " ".join(done.out.split())
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")
    document = json.loads(run("lr-find", folder, "--octaves", "1", "--seeds", "1", "--steps", "40", "--json").out)
    assert len(document["line"]["rates"]) == len(document["line"]["losses"]) == 3
    assert document["line"]["num_steps"] == 40


def test_bad_input_is_one_sentence(run, folder):
    for wrong, sentence in (
        (("--task", "nothing"), "There is no task 'nothing' in this corpus; it has line."),
        (("--octaves", "0"), "octaves must be a whole number from 1 to 20, got 0."),
        (("--recipe", "nothing"), "nothing"),
        (("--plot", "."), "--plot"),
    ):
        done = run("lr-find", folder, *wrong)
        assert done.code == 2, done.out
        assert sentence in done.err
        assert done.err.count("\n") <= 2


@pytest.mark.parametrize("name", ["digits", "languages", "talk"])
def test_folders_of_images_and_texts_have_rates(run, media, name):
    done = run("lr-find", media / name, "--octaves", "1", "--seeds", "1", "--steps", "10")
    assert done.code == 0, done.err
    assert f"{name}: 10 steps a training" in done.out
    assert "the recipe by itself takes" in " ".join(done.out.split())
