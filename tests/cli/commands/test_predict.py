"""Rows are predicted by a recipe and the rows it trains on, or by what was saved."""

import io
import shutil

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def home(tmp_path_factory, write_tables):
    folder = write_tables(tmp_path_factory.mktemp("home"), count=1)
    (folder / "new.tsv").write_text("second\tfirst\n0.5\t1,5\n-1\t0,25\n")
    (folder / "new.tsv").rename(folder.parent / "new.tsv")
    return folder


@pytest.fixture(scope="module")
def new(home):
    return home.parent / "new.tsv"


def test_rows_are_printed_with_their_predictions(run, home, new):
    done = run("predict", "default", new, "--trained-on", home / "line0.csv")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "second,first,predicted target"
    assert len(lines) == 3
    assert "validated: best at step" in done.err
    assert "predictions are of 60 rows" in done.err


def test_what_is_saved_predicts_without_training(run, home, new, tmp_path):
    first = run("predict", "default", new, "--trained-on", home / "line0.csv", "--save", tmp_path / "kept")
    assert first.code == 0, first.err
    done = run("predict", tmp_path / "kept", new, "--out", tmp_path / "out.csv")
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "out.csv").read_text() == first.out
    assert len(pd.read_csv(tmp_path / "out.csv")) == 2


def test_labels_that_no_training_row_has_are_told(run, tmp_path):
    rows = "".join(f"{row % 7},{'ab'[row % 2]},{row % 2}\n" for row in range(40))
    (tmp_path / "train.csv").write_text(f"x,kind,y\n{rows}")
    (tmp_path / "corpus.toml").write_text("[defaults]\nnum_steps = 20\n")
    (tmp_path / "new.csv").write_text("x,kind\n1,c\n")
    done = run("predict", "default", tmp_path / "new.csv", "--trained-on", tmp_path / "train.csv")
    assert done.code == 0, done.err
    assert "note: column 'kind' has c, which no training row has" in done.err
    assert done.out.splitlines()[0] == "x,kind,predicted y,probability of 0,probability of 1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["default", "NEW"], "'default' is no saved predictor; a recipe needs --trained-on TABLE"),
        (["default", "absent.csv", "--trained-on", "TRAIN"], "'absent.csv' does not exist"),
        (["default", "NEW", "--trained-on", "absent.csv"], "'absent.csv' does not exist"),
        (["nothing", "NEW", "--trained-on", "TRAIN"], "nothing"),
        (["default", "NEW", "--trained-on", "TRAIN", "--num-steps", "0"], "num_steps must be a positive whole number"),
    ],
)
def test_a_mistake_is_one_sentence(run, home, new, arguments, message):
    names = {"NEW": new, "TRAIN": home / "line0.csv"}
    done = run("predict", *(names.get(argument, argument) for argument in arguments))
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") <= 2


@pytest.mark.parametrize(
    ("trained_on", "new", "unit", "predicted"),
    [
        ("digits", "new", "images", "predicted class"),
        ("languages", "new.txt", "texts", "predicted class"),
        ("talk/talk.csv", "new.csv", "texts", "predicted language"),
    ],
)
def test_images_and_texts_are_predicted(run, media, tmp_path, trained_on, new, unit, predicted):
    done = run("predict", "default", media / new, "--trained-on", media / trained_on, "--save", tmp_path / "kept")
    assert done.code == 0, done.err
    assert f"log_loss on validation {unit} " in done.err
    table = pd.read_csv(io.StringIO(done.out))
    wanted = table.file.str[0].astype(int) if unit == "images" else pd.Series(["german", "english"])
    assert table[predicted].tolist() == wanted.tolist()
    again = run("predict", tmp_path / "kept", media / new, "--out", tmp_path / "out.csv")
    assert again.code == 0, again.err
    assert again.err == f"{len(table)} {unit} with their predictions are in {tmp_path / 'out.csv'}\n"
    assert (tmp_path / "out.csv").read_text() == done.out


def test_what_images_are_not_predicted_from_is_one_sentence(run, media, tmp_path):
    (tmp_path / "two" / "a").mkdir(parents=True)
    shutil.copytree(media / "digits", tmp_path / "two" / "first")
    shutil.copytree(media / "digits", tmp_path / "two" / "second")
    for new, trained_on, sentence in (
        ("new.csv", media / "digits", "lacks the column of image files; it has "),
        ("languages", media / "digits", "holds no images (.bmp,"),
        ("new", tmp_path / "two", "holds 2 tasks of images: first, second; name the folder of one, such as"),
    ):
        done = run("predict", "default", media / new, "--trained-on", trained_on)
        assert done.code == 2
        assert sentence in done.err
        assert done.err.strip().splitlines()[-1].startswith("error: ")
