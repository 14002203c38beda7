"""What `corpus.toml` may say."""

import os
import re

import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.settings import TableSettings, read_settings


def read(folder, text, stems=("housing", "flowers")):
    (folder / "corpus.toml").write_text(text, encoding="utf-8")
    return read_settings(folder, stems)


def test_a_folder_needs_no_toml(tmp_path):
    assert read_settings(tmp_path, ["housing"]) == {"housing": TableSettings()}


def test_a_table_wins_over_the_defaults(tmp_path):
    settings = read(
        tmp_path,
        '[defaults]\nnum_steps = 50\nbatch_size = 16\n[housing]\ntask = "regression"\nnum_steps = 70\ndrop = ["id"]\n',
    )
    assert settings["housing"] == TableSettings(task="regression", num_steps=70, batch_size=16, drop=("id",))
    assert settings["flowers"] == TableSettings(num_steps=50, batch_size=16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[houses]\n", "corpus.toml: there is no houses.csv for the table [houses] (did you mean 'housing'?)."),
        ("[housing]\nsteps = 3\n", "[housing]: unknown key 'steps' (did you mean 'num_steps'?); known: task, family"),
        ('[housing]\ntask = "ranking"\n', "[housing]: task must be 'classification' or 'regression', got 'ranking'."),
        ("[housing]\ntest = 2\n", "[housing]: test must be a fraction between 0 and 1, got 2."),
        (
            "[housing]\nvalidation = 0.6\ntest = 0.4\n",
            "validation and test must leave rows to train on, got 0.6 and 0.4.",
        ),
        ("[housing]\ntest = 0.9\n", "validation and test must leave rows to train on, got 0.2 and 0.9."),
        ("[defaults]\nbatch_size = 0\n", "[defaults]: batch_size must be a positive whole number, got 0."),
        ("[defaults]\nnum_steps = true\n", "[defaults]: num_steps must be a positive whole number, got True."),
        ('[housing]\ncategories = "a"\n', "[housing]: categories must be a list of column names, got 'a'."),
        ("[housing]\nmodel = 3\n", "[housing]: model must be 'package.module:factory', got 3."),
        ("housing = 3\n", '[housing] must be a table with keys such as task = "regression", got 3.'),
        ("[housing\n", "corpus.toml cannot be read: Expected ']' at the end of a table declaration"),
    ],
)
def test_what_it_cannot_say_is_refused_in_one_sentence(tmp_path, text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read(tmp_path, text)


def test_a_byte_order_mark_is_no_part_of_it(tmp_path):
    (tmp_path / "corpus.toml").write_bytes(b"\xef\xbb\xbf[defaults]\nnum_steps = 20\n")
    assert read_settings(tmp_path, ["housing"])["housing"].num_steps == 20


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 50_000,
        "a = " + "{b = " * 50_000,
        "[defaults]\nnum_steps = 1" + "0" * 400,
        "[defaults]\nnum_steps = 1" + "0" * 5_000,
        "[defaults]\nnum_steps = -1" + "0" * 400,
        "[defaults]\nvalidation = 1" + "0" * 5_000 + ".5",
        "[defaults]\n" + "x" * 5_000 + " = 1",
        "[" + "x" * 5_000 + "]",
        '[defaults]\ntask = "' + "x y " * 5_000 + '"',
        '[defaults]\ndrop = ["a", ' + "1, " * 5_000 + "]",
        "[defaults]\nnum_steps = 1979-05-27",
        "[defaults]\nvalidation = nan",
        "[defaults]\nnum_steps = inf",
        "a" * 5_000,
        "\0",
    ],
)
def test_hostile_settings_are_refused_in_one_short_sentence(tmp_path, text):
    with pytest.raises(InputError, match=r"corpus\.toml") as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert len(message) < 500
    assert "\n" not in message
    assert "x" * 81 not in message
    assert "0" * 81 not in message


def test_a_pipe_for_settings_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "corpus.toml")
    with pytest.raises(InputError, match="it is a pipe or a device, not a file"):
        read_settings(tmp_path, ["housing"])
