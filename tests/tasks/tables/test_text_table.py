"""Tables of texts and labels are classified by their texts."""

import numpy as np
import pandas as pd
import pytest

import metaopt
from metaopt.tasks.tables.example_labels import InputColumns
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.table import task_from_frame
from metaopt.tasks.tables.text_table import text_columns

DRAW = np.random.default_rng(0)
TEXTS = [
    " ".join(DRAW.choice(["money", "now", "free", "hello", "friend", "meeting", "tomorrow"], 8)) for _ in range(60)
]
LABELS = ["ham" if row % 3 else "spam" for row in range(60)]


def columns_of(frame, **settings):
    return text_columns(pd.DataFrame(frame, dtype=object), TableSettings(**settings), "mail.csv")


def test_of_two_columns_the_one_of_prose_is_the_text_whichever_comes_first():
    assert columns_of({"body": TEXTS, "kind": LABELS}) == InputColumns("body", "kind")
    assert columns_of({"kind": LABELS, "body": TEXTS}) == InputColumns("body", "kind")


@pytest.mark.parametrize(
    "frame",
    [
        {"id": [f"K{row:05}" for row in range(60)], "kind": LABELS},
        {"colour": LABELS, "kind": LABELS},
        {"body": TEXTS, "stars": [row % 5 for row in range(60)], "kind": LABELS},
        {"body": TEXTS, "other": TEXTS[::-1]},
        {"day": [f"{row % 28 + 1}. March {2000 + row}" for row in range(60)], "kind": LABELS},
    ],
)
def test_other_tables_are_read_as_before(frame):
    assert columns_of(frame) is None


def test_the_owner_may_name_the_column_or_say_that_it_is_none():
    frame = {"body": TEXTS, "stars": [row % 5 for row in range(60)], "kind": LABELS}
    assert columns_of(frame, text="body") == InputColumns("body", "kind")
    assert columns_of(frame, text="body", target="stars") == InputColumns("body", "stars")
    assert columns_of({"body": TEXTS, "kind": LABELS}, hash=("body",)) is None
    with pytest.raises(metaopt.InputError, match=r"mail\.csv has no column 'bodi' \(.*body.*\), which text in corpus"):
        columns_of(frame, text="bodi")
    with pytest.raises(metaopt.InputError, match=r"needs a column of labels beside the text 'body'"):
        columns_of(frame, text="body", target="body")


def task(labels, **settings):
    frame = pd.DataFrame({"body": pd.Series(TEXTS, dtype=object), "kind": labels})
    return task_from_frame(frame, "mail", TableSettings(**settings), "mail.csv")


def test_it_is_divided_as_other_tables_are():
    made = task(LABELS, metric="auc", class_weights="balanced")
    assert (made.family, made.mode) == ("text_classification", "max")
    assert [len(part) for part in (made.splits.train, made.splits.validation, made.splits.test)] == [36, 12, 12]
    drawn = made.at(1000)
    assert not drawn.splits.validation.inputs.equal(made.splits.validation.inputs)
    assert drawn.splits.test.inputs.equal(made.splits.test.inputs)


def test_gaps_are_texts_of_nothing_and_numbers_no_labels():
    frame = pd.DataFrame({"body": pd.Series([*TEXTS[:-1], np.nan], dtype=object), "kind": LABELS})
    made = task_from_frame(frame, "mail", TableSettings(), "mail.csv")
    whole = [*made.splits.train.inputs, *made.splits.validation.inputs, *made.splits.test.inputs]
    assert sum(int(row.sum() == 0) for row in whole) == 1
    with pytest.raises(metaopt.InputError, match=r"'kind' holds numbers, and texts are classified; write task ="):
        task([row / 7 for row in range(60)])
    with pytest.raises(metaopt.InputError, match=r"class 'rare' has 1 rows"):
        task([*LABELS[:-1], "rare"])


def test_free_text_among_other_columns_stays_offered_to_drop_or_to_be_the_text():
    frame = pd.DataFrame(
        {"body": pd.Series(TEXTS, dtype=object), "stars": [row % 5 for row in range(60)], "kind": LABELS}
    )
    with pytest.raises(metaopt.InputError, match=r"column 'body' holds free text") as caught:
        task_from_frame(frame, "mail", TableSettings(), "mail.csv")
    (refusal,) = caught.value.refusals
    assert refusal.settings == {"drop": ["body"]}
    assert refusal.choice == "text = 'body' makes a task of these texts alone"
