"""What `corpus.toml` says of folders of examples by class."""

import re

import pytest

from metaopt.errors import InputError
from metaopt.tasks.labelled.settings import LabelledSettings, read_labelled_settings


def read(folder, text, kind="images"):
    (folder / "corpus.toml").write_text(text)
    return read_labelled_settings(folder, {folder: kind})[folder]


def test_keys_of_a_single_task_stand_at_the_top(tmp_path):
    settings = read(tmp_path, 'size = [24, 32]\naugment = ["shift"]\nnum_steps = 30\n')
    assert settings == LabelledSettings(size=(24, 32), augment=("shift",), num_steps=30)
    assert read(tmp_path, 'tokens = "words"\n', "texts").tokens == "words"


def test_tables_over_defaults_and_a_tasks_own_file_over_both(tmp_path):
    tasks = {tmp_path / name: "images" for name in ("first", "second")}
    for task in tasks:
        task.mkdir()
    (tmp_path / "corpus.toml").write_text("[defaults]\nnum_steps = 10\nsize = 16\n[second]\nsize = 8\n")
    (tmp_path / "second" / "corpus.toml").write_text("num_steps = 20\n")
    first, second = read_labelled_settings(tmp_path, tasks).values()
    assert (first.num_steps, first.size) == (10, 16)
    assert (second.num_steps, second.size) == (20, 8)
    for text, message in (
        ("[third]\nsize = 8\n", "there is no folder for the table ['third']"),
        ("size = 8\n", "['size'] stands outside of all tables; write it under [defaults]"),
    ):
        (tmp_path / "corpus.toml").write_text(text)
        with pytest.raises(InputError, match=re.escape(message).replace("\\['", ".*").replace("'\\]", ".*")):
            read_labelled_settings(tmp_path, tasks)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sise = 8\n", r"unknown key 'sise'.*size"),
        ("size = 0\n", r"size must be pixels each way, or \[height, width\], of at most 4096, got 0"),
        ("channels = 2\n", r"channels must be 1 \(grey\), 3 \(colours\) or 4, got 2"),
        ('augment = ["mirror"]\n', r"augment must be a list of shift, flip, rotate, light, got"),
        ('drop_files = ["all"]\n', r"drop_files must be a list of broken, rare_class, nested, got"),
        ('metric = "mse"\n', r"metric must be one of accuracy, .*log_loss, got 'mse'"),
        ('task = "regression"\n', r"task must be 'classification', or in a folder of one task 'episodes', got"),
        ('tokens = "words"\n', r"unknown key 'tokens'"),
        ("width = 100\n", r"width must be a number from 0.25 to 64, got 100"),
        ("validation = 0.5\ntest = 0.5\n", r"validation and test must leave examples to train on"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)
