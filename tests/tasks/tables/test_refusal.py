"""All columns of a file that cannot be used are named in one sentence."""

from metaopt import InputError
from metaopt.tasks.tables.refusal import Refusal, refused


def refusal(column, hint=""):
    return Refusal(column, " is empty in every row", "leave it out", hint)


def test_one_column_has_its_own_advice():
    error = refused("data.csv", [refusal("age", "drop it")])
    assert isinstance(error, InputError)
    assert str(error) == "data.csv, column 'age' is empty in every row; leave it out."


def test_several_columns_share_one_advice_and_keep_their_hints():
    text = str(refused("data.csv", [refusal("age"), refusal("size", "drop it")]))
    assert text.startswith(
        "data.csv has 2 columns that cannot be used: 'age' is empty in every row; "
        "'size' is empty in every row (drop it): correct them"
    )
    assert text.count("leave it out") == 0


def test_many_columns_are_counted_where_the_sentence_would_be_long():
    text = str(refused("data.csv", [refusal(f"column {number}") for number in range(100)]))
    shown = text.count("is empty in every row")
    assert text.startswith("data.csv has 100 columns that cannot be used: 'column 0'")
    assert f"; and {100 - shown} more: correct them" in text
    assert 2 <= shown < 20
    assert len(text) <= 480
