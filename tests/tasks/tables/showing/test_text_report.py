"""What a table of texts becomes."""

import numpy as np
import torch

from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.table_report import report_of
from metaopt.tasks.tables.showing.text_report import repeated, shown_vocabulary
from metaopt.tasks.texts.tokens import Vocabulary


def test_columns_are_text_target_or_no_input(tmp_path):
    words = ["some", "words", "that", "come", "in", "all", "the", "texts"]
    lines = [f"{row},{' '.join(words[row % 5 :])} {row},{'ab'[row % 2]}" for row in range(40)]
    (tmp_path / "mail.csv").write_text("\n".join(["number,body,kind", *lines, "41,,a"]))
    report = report_of(tmp_path / "mail.csv", "mail", TableSettings(text="body", tokens="words"))
    assert report.columns == {"number": "no input beside the text", "body": "text", "kind": "target"}
    assert report.facts["inputs"].startswith("texts of at most ")
    assert report.facts["classes"] == {"a": 21, "b": 20}
    assert report.hints[0] == "Rows without a text: 1."


def test_doubles_are_told():
    inputs = torch.tensor([[1], [2], [1], [3]])
    own = (np.array([0, 1]), np.array([2]), np.array([3]))
    (line,) = repeated(inputs, own, "rows")
    assert line.startswith("warning: rows that are training rows too: 1 of 1 that validate, 0 of 1 that test")
    assert repeated(inputs, (own[0], own[2], own[2]), "rows") == []


def test_vocabularies_are_described():
    assert shown_vocabulary(Vocabulary("words", ("a", "b"), 7)) == "texts of at most 7 words, 2 different ones"
