"""Tables in all dialects are read as what they mean, or `metaopt show` asks: a small run of the benchmark."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.tables.fuzz import run  # noqa: E402


@pytest.mark.slow
def test_tables_are_read_as_what_they_mean_or_asked_about():
    counts, faults = run(40, 3)
    assert faults == []
    assert sum(outcomes["agrees"] for outcomes in counts.values()) > 120
    assert len(counts) > 15
