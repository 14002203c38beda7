import numpy as np
import pytest

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.tuning.judging.noise import best_so_far
from metaopt.tuning.judging.references import (
    DEFAULT_BASELINE,
    POOL_SIZE,
    pool_configurations,
    reference_evaluations,
    references,
)
from metaopt.tuning.judging.scores import RatioScale
from metaopt.tuning.seeds import REFERENCE_SEEDS


def black_box(values):
    return metaopt.BlackBoxTask("job", "jobs", train=lambda recipe, seed: iter(enumerate(values, 1)))


def test_the_pool_is_the_same_in_every_study_and_can_be_assembled(registry):
    pool = pool_configurations(registry)
    assert len({configuration.key for configuration in pool}) == POOL_SIZE
    assert [configuration.key for configuration in pool] == [
        configuration.key for configuration in pool_configurations(registry)
    ]
    assert {configuration.optimizer for configuration in pool} == {"adamw", "nadamw"}
    assert {configuration.controller for configuration in pool} == {"constant", "linear", "cosine"}
    for configuration in pool:
        assemble(configuration, registry)


def test_the_references_of_a_task_are_the_baseline_and_the_best_of_its_pool(evaluator, registry, make_task):
    task = make_task()
    reference = references(evaluator, [task], DEFAULT_BASELINE)["line"]
    assert len(reference.pool) == POOL_SIZE
    finals = [float(best_so_far(curve)[-1]) for curve in reference.pool]
    winner = pool_configurations(registry)[int(np.argmin(finals))]
    for configuration, score in ((DEFAULT_BASELINE, 0.0), (winner, 1.0)):
        curves = evaluator.curves([configuration], [task], REFERENCE_SEEDS)
        assert np.mean([reference.scale.score(run) for run in curves.values()]) == pytest.approx(score, abs=1e-9)
        assert np.mean([reference.scale.test_score(run) for run in curves.values()]) == pytest.approx(score, abs=1e-9)


def test_they_cost_what_is_announced_and_are_frozen(evaluator, make_tasks):
    tasks = [*make_tasks(2), black_box([0.5])]
    first = references(evaluator, tasks, DEFAULT_BASELINE)
    assert evaluator.spent.evaluations == reference_evaluations(tasks) == 2 * (POOL_SIZE + 5) + 1
    again = references(evaluator, tasks, DEFAULT_BASELINE)
    assert evaluator.spent.evaluations == reference_evaluations(tasks)
    assert {name: repr(reference.scale) for name, reference in first.items()} == {
        name: repr(reference.scale) for name, reference in again.items()
    }


def test_the_baseline_can_be_ones_own(evaluator, make_task):
    mine = Configuration("sgd", hparams={"sgd.lr": 0.05})
    scale = references(evaluator, [make_task()], mine)["line"].scale
    curves = evaluator.curves([mine], [make_task()], REFERENCE_SEEDS)
    assert np.mean([scale.score(curve) for curve in curves.values()]) == pytest.approx(0.0, abs=1e-9)


def test_black_boxes_have_the_baseline_alone(evaluator):
    reference = references(evaluator, [black_box([0.9, 0.5, 0.7])], DEFAULT_BASELINE)["job"]
    assert reference.scale == RatioScale(0.5, pytest.approx(float("nan"), nan_ok=True))
    assert reference.pool == ()


def nan_loss(output, targets):
    return (output - targets).mean() * float("nan")


def test_a_task_whose_loss_is_nan_from_the_start_gets_no_weight(evaluator, make_task):
    reference = references(evaluator, [make_task("broken", loss=nan_loss)], DEFAULT_BASELINE)["broken"]
    assert reference.scale.weight == 0
