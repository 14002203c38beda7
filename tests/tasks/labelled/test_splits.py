"""Splits remember the images and texts that they were made from."""

import torch

from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.labelled.splits import LabelledSplits
from metaopt.tasks.labelled.task import task_of_folder
from tests.tasks.example_folders import write_lines


def test_the_source_has_what_the_splits_have(tmp_path):
    write_lines(tmp_path)
    splits = task_of_folder(tmp_path, "texts", LabelledSettings()).task.splits
    assert isinstance(splits, LabelledSplits)
    source = splits.source
    assert source.target.names == ("english", "german")
    assert len(source.contents) == 40
    for rows, part in zip(source.own, (splits.train, splits.validation, splits.test), strict=True):
        assert torch.equal(torch.from_numpy(source.target.values[rows]), part.targets)
