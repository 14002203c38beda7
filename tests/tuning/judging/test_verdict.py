"""Better or not than what would have been used without tuning: every kind of verdict in its words."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from metaopt.tuning.judging.comparison import Comparison
from metaopt.tuning.judging.noise import Difference
from metaopt.tuning.judging.statistics import Interval
from metaopt.tuning.judging.verdict import Verdict, verdict_on

NAN = float("nan")
SPREAD = (-0.02, 0.0, 0.02)
WOULD = "which you would have used without tuning"


def comparison_of(scores, *, seeds=SPREAD, in_ratios=False, **fields):
    """A comparison with these test scores: contender → one a task, around which seeds scatter for the first alone."""
    rows = [
        {
            "contender": name,
            "task": f"t{index}",
            "family": "f",
            "seed": seed,
            "test": 0.0,
            "test_score": score + (noise if position == 0 else 0.0),
            "validation": 0.0,
            "validation_score": score,
            "steps": 10,
            "horizon": 10,
            "diverged": False,
        }
        for position, (name, values) in enumerate(scores.items())
        for index, score in enumerate(values)
        for seed, noise in enumerate(seeds)
    ]
    return Comparison(pd.DataFrame(rows), {}, {}, {}, in_ratios=in_ratios, **fields)


def verdict_of(mine, other=0.0, **given):
    """On three tasks, on which intervals are of seeds alone: there are too few of them for another."""
    comparison = comparison_of({"recipe": [mine] * 3, "adamw": [other] * 3})
    return Verdict.of(comparison, "on 3 tasks", incumbent="adamw", **given)


def test_better():
    verdict = verdict_of(0.5)
    assert verdict.kind == "better"
    assert not verdict.is_bad
    # Three tasks of variance .0004 / 3 each: .0133 / 2 of standard error, by six degrees of freedom.
    margin = 2.446912 * np.sqrt(0.0004 / 9)
    assert verdict.lead.low == pytest.approx(0.5 - margin, rel=1e-5)
    assert verdict.lead.high == pytest.approx(0.5 + margin, rel=1e-5)
    assert str(verdict) == f"Better than adamw, {WOULD}: by 0.50 [0.48, 0.52] on 3 tasks."


def test_worse_is_said_in_capitals_and_with_its_size():
    verdict = verdict_of(-0.5)
    assert verdict.kind == "worse"
    assert verdict.is_bad
    assert str(verdict) == f"WORSE than adamw, {WOULD}: by 0.50 [0.48, 0.52] on 3 tasks."


def test_nothing_inside_its_noise_is_worded_as_a_win():
    verdict = verdict_of(0.01)
    assert verdict.kind == "level"
    assert not verdict.is_bad
    assert str(verdict) == (
        f"Not measurably better than adamw, {WOULD}: +0.01 [-0.01, +0.03] on 3 tasks; "
        "the difference is inside its noise."
    )
    assert str(verdict_of(-0.01)).startswith(f"Not measurably better than adamw, {WOULD}: -0.01 [-0.03, +0.01]")


def test_a_baseline_that_is_handed_over_is_no_tuned_recipe():
    promised = Difference(-0.04, 0.01, 3.0)
    verdict = verdict_of(0.0, handed_over="adamw", promised=promised)
    assert verdict.kind == "untuned"
    assert not verdict.is_bad
    assert str(verdict) == (
        f"No tuned candidate was surely better than adamw (the best of them: -0.04 ± 0.10), {WOULD}: adamw itself is "
        "handed over."
    )
    assert str(verdict_of(0.0, handed_over="adamw")) == (
        f"No tuned candidate was surely better than adamw, {WOULD}: adamw itself is handed over."
    )


def test_a_baseline_that_is_handed_over_because_a_better_one_is_excluded_is_held_against_that_one():
    verdict = verdict_of(-0.5, handed_over="sgd", excluded="--optimizers")
    assert verdict.kind == "worse"
    assert str(verdict) == "Worse than adamw, which --optimizers excludes: by 0.50 [0.48, 0.52] on 3 tasks."
    assert not verdict.is_bad


def test_what_the_user_excluded_is_named():
    assert "adamw, which --set excludes: by" in str(verdict_of(0.5, excluded="--set"))
    unknown = Verdict.of(None, "on 3 tasks", incumbent="adamw", excluded="--set")
    assert (
        str(unknown)
        == "Whether the recipe is better than adamw, which --set excludes, is not known: nothing is claimed."
    )


def test_without_a_comparison_nothing_is_claimed():
    verdict = Verdict.of(None, "on 3 tasks", incumbent="adamw")
    assert (verdict.kind, verdict.lead) == ("unknown", None)
    assert str(verdict) == "Whether the recipe is better than adamw is not known: nothing is claimed."


def test_of_one_seed_the_size_is_said_and_nothing_is_claimed():
    comparison = comparison_of({"recipe": [0.5] * 3, "adamw": [0.0] * 3}, seeds=(0.0,))
    verdict = Verdict.of(comparison, "on 3 tasks", incumbent="adamw")
    assert verdict.kind == "unknown"
    assert (
        str(verdict) == "Whether the recipe is better than adamw is not known (+0.50 on 3 tasks): nothing is claimed."
    )


def test_with_nothing_to_compare_with_nothing_is_claimed():
    sentence = "There is nothing to compare the recipe with, so nothing is claimed."
    assert str(Verdict.of(None, "on 3 tasks")) == sentence
    assert str(Verdict.of(comparison_of({"recipe": [0.5] * 3}), "on 3 tasks")) == sentence


@pytest.mark.parametrize(
    ("lead", "sentence"),
    [
        (np.log(1.25), f"Better than adamw, {WOULD}: by 25.0 % [22.5 %, 27.5 %] on the job."),
        (np.log(0.8), f"WORSE than adamw, {WOULD}: by"),
        (0.001, f"Not measurably better than adamw, {WOULD}: +0.1 % [-1.9 %, +2.1 %] on the job;"),
    ],
)
def test_black_boxes_are_told_in_their_own_unit(lead, sentence):
    """Never in long-tuned runs, of which a black box has none."""
    comparison = comparison_of({"recipe": [lead], "adamw": [0.0]}, in_ratios=True)
    interval = Interval(lead, lead - 0.02, lead + 0.02)
    kind = "better" if interval.low > 0 else "worse" if interval.high < 0 else "level"
    verdict = Verdict(kind, "adamw", interval, "on the job", in_ratios=True)
    assert str(verdict).startswith(sentence[:60])
    if kind != "worse":
        assert str(verdict).startswith(sentence)
    assert "long-tuned" not in str(verdict)
    assert Verdict.of(comparison, "on the job").in_ratios


def test_an_interval_over_tasks_is_taken_where_they_are_enough_for_one():
    """Tasks that differ widely, seeds that hardly do: better here, and not known of others like them."""
    gains = np.linspace(-1.0, 1.4, 9)
    comparison = comparison_of({"recipe": gains, "adamw": [0.0] * 9}, seeds=(-1e-6, 1e-6))
    assert Verdict.of(comparison, "on 9 held-out tasks", incumbent="adamw").kind == "level"
    assert Verdict.of(comparison, "on 9 tasks that it was tuned on", incumbent="adamw", here=True).kind == "better"


def test_the_incumbent_is_the_one_that_validation_would_have_chosen():
    comparison = comparison_of({"recipe": [0.5] * 3, "adamw": [0.1] * 3, "sgd": [0.2] * 3})
    verdict = verdict_on(comparison)
    assert verdict.incumbent == "sgd"
    assert verdict.lead.value == pytest.approx(0.3)
    assert verdict.where == "on 3 tasks alone"


def test_a_verdict_on_one_task_is_worded_so():
    assert verdict_on(comparison_of({"recipe": [0.5], "adamw": [0.1]})).where == "on 1 task alone"
    six = comparison_of({"recipe": [0.5] * 6, "adamw": [0.1] * 6}, over="kinds of task")
    assert verdict_on(six).where == "on 6 tasks alone"  # of one kind
    kinds = dataclasses.replace(six, runs=six.runs.assign(family=six.runs["task"]))
    assert verdict_on(kinds).where == "on 6 tasks, with intervals over kinds of task"


@pytest.mark.parametrize(
    ("verdict", "kind", "lead"),
    [
        (verdict_of(0.5), "better", [0.5, 0.4837, 0.5163]),
        (verdict_of(-0.5), "worse", [-0.5, -0.5163, -0.4837]),
        (verdict_of(0.01), "level", [0.01, -0.0063, 0.0263]),
        (verdict_of(0.0, handed_over="adamw"), "untuned", [0.0, -0.0163, 0.0163]),
        (Verdict.of(None, "on 3 tasks", incumbent="adamw"), "unknown", None),
        (Verdict("unknown", "adamw", Interval(0.5, NAN, NAN), "on 3 tasks"), "unknown", [0.5, None, None]),
        (Verdict.of(None, "on 3 tasks"), "unknown", None),
    ],
)
def test_a_recipe_keeps_it_in_plain_json(verdict, kind, lead):
    document = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert document["kind"] == kind
    assert document["incumbent"] == verdict.incumbent
    assert document["lead"] == lead
    assert document["where"] == "on 3 tasks"
    assert document["in"] == "distance of the references"
    assert document["sentence"] == str(verdict)


def test_json_says_which_unit_a_lead_is_in():
    verdict = Verdict("better", "adamw", Interval(0.2, 0.1, 0.3), "on the job", in_ratios=True)
    assert verdict.to_json()["in"] == "log-ratio of values"
