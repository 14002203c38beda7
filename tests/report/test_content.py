"""What a page says is what the result says."""

import dataclasses

import pytest

from metaopt.report.content import Content
from metaopt.report.headlines import headline, price
from metaopt.tuning import RECIPE

pytestmark = pytest.mark.thorough


def test_the_verdict_comes_with_what_it_is_worth_and_what_it_cost(result):
    content = Content.of(result, {})
    assert content.verdict == str(result.verdict)
    assert content.sentences == [headline(result), price(result)]
    assert content.summary == result.comparison.summary()
    assert [fact.name for fact in content.facts][:3] == ["Tasks", "Candidates", "Cost"]


def test_each_contender_of_either_comparison_has_a_colour(result):
    assert [entry.name for entry in Content.of(result, {}).key] == result.comparison.contenders
    runs = result.tuning_comparison.runs.replace({"contender": {"adamw": "another"}})
    other = dataclasses.replace(
        result, tuning_comparison=dataclasses.replace(result.tuning_comparison, runs=runs, curves={})
    )
    assert [entry.name for entry in Content.of(other, {}).key] == [*result.comparison.contenders, "another"]


def test_held_out_tasks_come_before_tuning_tasks(result):
    assert [group.title for group in Content.of(result, {}).charts] == ["Held-out tasks", "Tuning tasks"]


def test_without_drawings_it_says_what_to_install(result):
    assert "pip install 'metaopt-torch[report]'" in Content.of(result, None).caveats[-1]
    assert not any("pip install" in sentence for sentence in Content.of(result, {}).caveats)


def test_a_black_box_has_no_charts(black_box):
    content = Content.of(black_box, {})
    assert content.charts == []
    assert content.emphasised == RECIPE
