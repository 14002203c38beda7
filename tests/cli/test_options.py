"""Names that are given in one option are parted by commas."""

import pytest

from metaopt.cli.options import names


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (None, None),
        ("", ()),
        ("adamw", ("adamw",)),
        ("adamw,sgd", ("adamw", "sgd")),
        (" adamw , sgd ,", ("adamw", "sgd")),
        (",,", ()),
        ("two words", ("two words",)),
    ],
)
def test_parts_are_stripped_and_empty_ones_left_out(text, parts):
    assert names(text) == parts
