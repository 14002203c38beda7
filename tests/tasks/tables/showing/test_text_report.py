"""What a table of texts becomes."""

from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.table_report import report_of
from metaopt.tasks.tables.showing.text_report import shown_vocabulary
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


def test_vocabularies_are_described():
    assert shown_vocabulary(Vocabulary("words", ("a", "b"), 7)) == "texts of at most 7 words, 2 different ones"
