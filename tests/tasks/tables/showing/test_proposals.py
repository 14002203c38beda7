"""A corpus.toml to paste."""

import tomllib

from metaopt.tasks.tables.refusal import Refusal
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.proposals import applied, merged, toml_of


def test_what_refusals_propose_grows_together():
    refusals = [
        Refusal("a", "", "", settings={"drop": ["a"]}),
        Refusal("b", "", "", settings={"drop": ["b"], "dates": {"b": "day-first"}}),
        Refusal("c", "", "", settings={"dates": {"c": "month-first"}, "task": "regression"}),
    ]
    proposal = merged({"drop": ["x"]}, refusals)
    assert proposal == {
        "drop": ["x", "a", "b"],
        "dates": {"b": "day-first", "c": "month-first"},
        "task": "regression",
    }
    settings = applied(TableSettings(num_steps=7), proposal)
    assert (settings.drop, settings.num_steps) == (("x", "a", "b"), 7)


def test_it_is_read_as_it_was_written():
    tables = {
        "a table": {
            "drop": ["Straße", 'with "quotes"', "tab\t", "\U0001f600", "\x7f"],
            "dates": {"first day": "day-first"},
            "header": False,
            "skip_lines": 2,
            "validation": 0.25,
        }
    }
    text = toml_of(tables, {"a table": ["or something\nelse"]})
    assert tomllib.loads(text) == tables
    assert "# or something else" in text
