"""A comparison in plain sentences."""

import numpy as np
import pytest

from metaopt.tuning.judging.verdict import verdict_on
from tests.tuning.judging.test_comparison import hand_made
from tests.tuning.judging.test_verdict import comparison_of

SPREAD = np.linspace(-0.2, 0.2, 12)


def test_the_sentence_claims_no_more_than_the_intervals_show():
    apart = hand_made({"recipe": 1 + SPREAD, "adamw": SPREAD, "lion": 2 + SPREAD})
    assert "It is better than adamw, intervals apart." in apart.summary()
    assert "It is worse than lion, intervals apart." in apart.summary()
    paired = hand_made({"recipe": 5 * SPREAD + 0.1, "adamw": 5 * SPREAD})
    assert "Task by task it is better than adamw, though the two intervals overlap." in paired.summary()
    behind = hand_made({"recipe": 5 * SPREAD, "adamw": 5 * SPREAD + 0.1})
    assert "Task by task it is worse than adamw, though the two intervals overlap." in behind.summary()
    level = hand_made({"recipe": SPREAD, "adamw": SPREAD[::-1], "sgd": SPREAD})
    assert "Against adamw and sgd the intervals overlap: of further tasks nothing is claimed." in level.summary()
    few = hand_made({"recipe": [1.0, 1.1], "adamw": [0.0, 0.1]})
    assert few.summary() == (
        "Recipe scores 1.050 (too few tasks for an interval) on 2 tasks (0 the baseline, 1 long-tuned). "
        "Against adamw nothing is known, so nothing is claimed. "
        "Too few tasks for intervals: of further ones nothing is claimed."
    )


def test_too_few_tasks_are_spoken_of_as_the_verdict_does():
    """What is better there is not said to be better elsewhere, and never that nothing is claimed of it."""
    scores = {"recipe": [0.5], "adamw": [0.1], "sgd": [0.495], "lion": [0.9], "prodigy": [0.2]}
    found = comparison_of(scores)
    assert found.summary().endswith(
        " on 1 task (0 the baseline, 1 long-tuned). On this task it is better than adamw and prodigy, not measurably "
        "better than sgd and worse than lion. Too few tasks for intervals: of further ones nothing is claimed."
    )
    words = {"better": "better than", "level": "not measurably better than", "worse": "worse than"}
    for other in ("adamw", "sgd", "lion"):
        alone = comparison_of({"recipe": [0.5] * 2, other: scores[other] * 2})
        verdict = verdict_on(alone)
        assert f"On these 2 tasks it is {words[verdict.kind]} {other}." in alone.summary()
        assert verdict.where == "on 2 tasks alone"


def test_black_boxes_have_no_long_tuned_runs():
    job = hand_made({"recipe": [0.1], "adamw": [0.0]}, in_ratios=True)
    assert "(0 the baseline, .1 a tenth better)" in job.summary()
    assert "long-tuned" not in job.summary()


@pytest.mark.parametrize(("sampler", "field"), [("random", "expected"), ("TPE", "guided")])
def test_what_a_first_run_is_worth_is_said_where_trials_of_a_task_s_own_are_known(sampler, field):
    trials = {f"t{index}": np.linspace(-0.5, 1.5, 32) for index in range(12)}
    found = hand_made({"recipe": 0.5 + SPREAD, "adamw": SPREAD}, **{field: trials})
    assert f" {sampler} tuning trials of the task's own." in found.summary()
    assert "tuning trials" not in hand_made({"recipe": SPREAD, "adamw": SPREAD}).summary()


def test_an_interval_over_kinds_of_task_says_so():
    found = hand_made({"recipe": SPREAD, "adamw": SPREAD}, over="kinds of task")
    assert "on 12 tasks, with intervals over kinds of task (" in found.summary()
