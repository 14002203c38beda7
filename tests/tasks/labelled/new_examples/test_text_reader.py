"""Later texts become what the training texts became, wherever they stand."""

import json

import pandas as pd
import pytest
import torch

import metaopt
from metaopt.errors import InputError
from metaopt.tasks.labelled.new_examples.prepared import example_reader
from metaopt.tasks.labelled.new_examples.text_reader import TextReader
from tests.tasks.example_folders import write_lines


@pytest.fixture
def of_lines(tmp_path):
    write_lines(tmp_path / "lines")
    return reader_of(tmp_path / "lines")


@pytest.fixture
def of_table(tmp_path):
    rows = "".join(f"{'the cat sat' if row % 2 else 'der hund lief'} so {row};{'ab'[row % 2]}\n" for row in range(40))
    (tmp_path / "talk.csv").write_text(f"said;by\n{rows}")
    return reader_of(tmp_path)


def reader_of(folder):
    (task,) = metaopt.load_corpus(folder)
    return example_reader(task.splits.source, task.splits.source.own[0])


def test_a_folder_of_lines_is_read_as_in_training(of_lines, tmp_path):
    (task,) = metaopt.load_corpus(tmp_path / "lines")
    rows = of_lines.read(tmp_path / "lines")
    assert list(rows.cells.columns) == ["file", "text"]
    assert torch.equal(rows.inputs[task.splits.source.own[1]], task.splits.validation.inputs)


def test_one_column_is_enough(of_lines, tmp_path):
    (tmp_path / "new.csv").write_text("sentence\nthe cat\n")
    frame = pd.DataFrame({"sentence": ["the cat"]})
    assert torch.equal(of_lines.read(tmp_path / "new.csv").inputs, of_lines.read(frame).inputs)


def test_the_column_of_training_is_read_among_others(of_table):
    frame = pd.DataFrame({"number": [1, 2], "said": ["der hund", None]})
    inputs = of_table.read(frame).inputs
    assert bool(inputs[0].any())
    assert not bool(inputs[1].any())


def test_text_files_are_a_text_each_where_they_were(tmp_path):
    for name, text in (("a/0", "one\ntwo"), ("b/0", "three")):
        for place in range(5):
            path = tmp_path / f"{name}{place}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{text} {place}")
    assert list(reader_of(tmp_path).read(tmp_path / "a").cells.file) == [f"0{place}.txt" for place in range(5)]


def test_it_goes_through_json(of_table):
    again = TextReader.from_json(json.loads(json.dumps(of_table.to_json())))
    assert again == of_table
    assert type(again.fresh_model()) is type(of_table.fresh_model())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other": ["x"], "by": ["a"]}, "The data frame lacks the column 'said', which texts are read from; it has"),
        ({"said": []}, "has no rows; there is nothing to predict."),
    ],
)
def test_a_frame_without_texts_is_refused(of_table, content, message):
    with pytest.raises(InputError) as error:
        of_table.read(pd.DataFrame(content))
    assert message in str(error.value)


def test_files_without_texts_are_refused(of_lines, tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "other.txt").write_bytes("кошка сидела на ковре".encode("cp1251"))
    with pytest.raises(InputError, match=r"other.txt' \(it is not UTF-8 text .*\) cannot be read; replace"):
        of_lines.read(tmp_path / "other.txt")
    with pytest.raises(InputError, match="holds no text; there is nothing to predict"):
        of_lines.read(tmp_path / "empty.txt")
    with pytest.raises(InputError, match="Texts are a file, a folder or a data frame, got 7"):
        of_lines.read(7)
