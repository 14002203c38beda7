"""What one run is worth in trials of a TPE search on the task itself."""

import numpy as np
import pytest

import metaopt
from metaopt.tuning.judging.own_trials import BATCH, STARTUP, tpe_evaluations, tpe_trials
from metaopt.tuning.judging.references import DEFAULT_BASELINE, final_value, references
from metaopt.tuning.judging.statistics import best_of_first

pytestmark = pytest.mark.thorough

COUNT = STARTUP + 3 * BATCH


@pytest.fixture
def tasks(make_tasks):
    return make_tasks(2, num_steps=10)


def test_trials_beyond_those_of_the_pool_are_trained_and_stored(evaluator, tasks):
    references(evaluator, tasks, DEFAULT_BASELINE)
    before = evaluator.spent.evaluations
    trials_by_task = tpe_trials(evaluator, tasks, COUNT)
    assert {name: len(trials) for name, trials in trials_by_task.items()} == {"line0": COUNT, "line1": COUNT}
    spent = evaluator.spent.evaluations - before
    assert 0 < spent <= len(tasks) * tpe_evaluations(COUNT)
    again = tpe_trials(evaluator, tasks, COUNT)
    assert evaluator.spent.evaluations - before == spent
    for name, trials in trials_by_task.items():
        assert [final_value(trial) for trial in trials] == [final_value(trial) for trial in again[name]]


def test_fewer_trials_are_the_first_of_more(evaluator, tasks):
    more, fewer = (tpe_trials(evaluator, tasks, count)["line0"] for count in (COUNT, STARTUP + BATCH))
    assert [final_value(trial) for trial in fewer] == [final_value(trial) for trial in more[: len(fewer)]]


def test_the_search_gets_better_than_its_random_beginning(evaluator, make_tasks):
    trials_by_task = tpe_trials(evaluator, make_tasks(6, num_steps=20), 32)
    begun, ended = (
        np.mean(
            [np.log(np.median([final_value(trial) for trial in trials[part]])) for trials in trials_by_task.values()]
        )
        for part in (slice(STARTUP), slice(-STARTUP, None))
    )
    assert ended < begun - 0.3


def test_the_trial_that_is_kept_is_the_best_by_validation(evaluator, tasks):
    scale = references(evaluator, tasks, DEFAULT_BASELINE)["line0"].scale
    trials = tpe_trials(evaluator, tasks, COUNT)["line0"]
    scores = best_of_first(trials, scale)
    for count in (1, 5, COUNT):
        kept = min(trials[:count], key=final_value)
        assert scores[count - 1] == scale.test_score(kept)


def test_black_boxes_have_no_trials(evaluator, tasks):
    def job(recipe, seed):
        yield 1, 1.0

    box = metaopt.BlackBoxTask(name="job", family="jobs", train=job)
    assert set(tpe_trials(evaluator, [box, tasks[0]], 2)) == {"line0"}
