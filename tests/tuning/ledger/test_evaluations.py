"""What identifies an evaluation, when its curve is made, and what became of a proposal."""

import pickle

import metaopt
from metaopt import Configuration
from metaopt.configuration import assemble
from metaopt.plugin import Registry
from metaopt.testing.rules.subject import CONSTANT, DESCENT
from metaopt.tuning.ledger.evaluations import (
    EvaluationKey,
    RaceOutcome,
    StoredEvaluation,
    evaluation_key,
    plugin_versions,
)

DOUBLED = metaopt.WrapperSpec(name="doubled", version="3", wrap=lambda rule: rule)


def assembly(*wrappers, **hparams):
    registry = Registry()
    for spec in (DESCENT, CONSTANT, DOUBLED):
        registry.register(spec)
    return assemble(Configuration(DESCENT.name, CONSTANT.name, wrappers, hparams), registry)


def test_an_outcome_is_that_of_the_last_rung():
    outcome = RaceOutcome(0, {4: 0.1, 16: 0.3, 8: 0.2}, complete=False, scores={})
    assert outcome.tasks_done == 16
    assert outcome.objective == 0.3


def test_versions_are_told_in_the_order_of_the_parts():
    assert plugin_versions(assembly()) == "plain_descent@1,constant@1"
    assert plugin_versions(assembly("doubled")) == "plain_descent@1,doubled@3,constant@1"


def test_configuration_plugins_task_and_seed_identify_an_evaluation(make_task):
    task = make_task()
    key = evaluation_key(assembly(), task, 3)
    assert (key.configuration_key, key.plugins) == (assembly().configuration.key, "plain_descent@1,constant@1")
    assert (key.task_fingerprint, key.seed) == (task.fingerprint, 3)
    others = {
        evaluation_key(assembly(), task, 4),
        evaluation_key(assembly("doubled"), task, 3),
        evaluation_key(assembly(**{"plain_descent.lr": 0.5}), task, 3),
    }
    assert len({key, *others}) == 4
    assert evaluation_key(assembly(), task, 3) == key


def test_the_curve_of_a_stored_evaluation_is_made_when_somebody_looks_at_it():
    calls = []

    def curve():
        calls.append(1)
        return metaopt.Curve([1, 2], [0.5, 0.4], 2)

    configuration = Configuration("adamw")
    key = EvaluationKey(configuration.key, "adamw@1", "print", 0)
    stored = StoredEvaluation(key, "task", "family", configuration, curve, 0.1)
    assert (stored.key, stored.task, calls) == (key, "task", [])
    assert stored.curve is stored.curve
    assert calls == [1]
    copied = pickle.loads(pickle.dumps(stored))
    assert list(copied.curve.values) == [0.5, 0.4]
