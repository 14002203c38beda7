"""The reference runs that ship with the starter corpus."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import metaopt_corpora
from metaopt.plugin.registry import current_registry
from metaopt.tuning.judging.references import DEFAULT_BASELINE, reference_evaluations, references
from metaopt.tuning.judging.shipped_references import read
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt_corpora.starter import load_starter

STARTER = load_starter()
*_, SPEC = metaopt_corpora.metaopt_plugins()
SHIPPED = read(Path(SPEC.reference_runs))


def test_they_are_of_the_tasks_as_they_are_now():
    assert {one.key.task_fingerprint for one in SHIPPED} == {task.fingerprint for task in STARTER}
    assert set(Counter(one.task for one in SHIPPED).values()) == {reference_evaluations(STARTER.tasks[:1])}


def test_they_are_small():
    assert Path(SPEC.reference_runs).stat().st_size < 300_000


def test_nothing_else_is_needed():
    said = []
    evaluator = Evaluator(Ledger("sqlite://"), current_registry(), announce=said.append)
    found = references(evaluator, STARTER.tasks, DEFAULT_BASELINE)
    assert evaluator.spent.evaluations == 0
    assert all(0 < one.scale.weight <= 1 for one in found.values())
    assert said[0].startswith("References of 34 tasks are shipped with corpus 'starter': 1,258 trainings, ")
    evaluator.close()


@pytest.mark.parametrize(("task", "place"), [("iris_mlp", 0), ("digits_mlp", 5)])
def test_run_again_they_are_the_same(task, place):
    run = [one for one in SHIPPED if one.task == task][place]
    evaluator = Evaluator(Ledger("sqlite://"), current_registry())
    (curve,) = evaluator.curves([run.configuration], [STARTER[task]], [run.key.seed]).values()
    np.testing.assert_allclose(curve.values, run.curve.values, rtol=1e-3)  # processors differ in the last bits
    np.testing.assert_allclose(curve.test, run.curve.test, rtol=1e-3)
    evaluator.close()
