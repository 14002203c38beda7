"""Contenders that are compared: one of few steps, one that is far too slow, and tasks with their references."""

import pytest

from metaopt.configuration import Configuration
from metaopt.plugin.registry import current_registry
from metaopt.tuning.judging.comparison import Contender, contender_named
from metaopt.tuning.judging.contest import compare
from metaopt.tuning.judging.references import DEFAULT_BASELINE, references
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator

FAST = Contender("recipe", Configuration("adamw", hparams={"adamw.lr": 0.1}))


SLOW = Contender("slow", Configuration("adamw", hparams={"adamw.lr": 1e-5}))


CONTENDERS = [FAST, SLOW, contender_named("sgd+cosine")]


@pytest.fixture(scope="module")
def module_evaluator():
    made = Evaluator(Ledger("sqlite://"), current_registry())
    yield made
    made.close()


@pytest.fixture
def known(module_evaluator, make_tasks):
    """Six tasks in two families with their references."""
    tasks = make_tasks(6, families=2, num_steps=10)
    return tasks, references(module_evaluator, tasks, DEFAULT_BASELINE)


@pytest.fixture
def comparison(module_evaluator, known):
    tasks, scales = known
    return compare(module_evaluator, tasks, scales, CONTENDERS)
