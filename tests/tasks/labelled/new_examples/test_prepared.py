"""What is fitted to training examples is what the task's own splits have."""

import pytest
import torch

import metaopt
from metaopt.tasks.labelled.new_examples.prepared import example_reader, example_split
from tests.tasks.example_folders import write_classes, write_lines


@pytest.mark.parametrize("kind", ["images", "texts"])
def test_splits_are_made_again(tmp_path, kind):
    if kind == "images":
        pytest.importorskip("PIL.Image", reason="Pillow is not installed")
        write_classes(tmp_path, "ab", each=10)
    else:
        write_lines(tmp_path)
    (task,) = metaopt.load_corpus(tmp_path)
    source = task.splits.source
    reader = example_reader(source, source.own[0])
    for rows, part in zip(source.own, (task.splits.train, task.splits.validation, task.splits.test), strict=True):
        again = example_split(source, reader, rows)
        assert torch.equal(again.inputs, part.inputs)
        assert torch.equal(again.targets, part.targets)


def test_everything_is_fitted_to_the_rows_that_train(tmp_path):
    write_lines(tmp_path)
    (task,) = metaopt.load_corpus(tmp_path)
    source = task.splits.source
    english = source.own[0][source.target.values[source.own[0]] == 0]
    assert not any(
        "hund".startswith(token) and len(token) == 3 for token in example_reader(source, english).vocabulary.tokens
    )
