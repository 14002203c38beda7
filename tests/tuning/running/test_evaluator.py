import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.plugin.kinds import ControllerSpec
from metaopt.plugin.optimizer import OptimizerSpec
from metaopt.plugin.registry import Registry
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.request import Request

ADAMW = Configuration("adamw", "cosine", hparams={"adamw.lr": 0.01})
SGD = Configuration("sgd", hparams={"sgd.lr": 0.1})
DIVERGING = Configuration("sgd", hparams={"sgd.lr": 1e6})


@pytest.fixture
def lines():
    return []


def test_curves_of_all_combinations_are_run_once_and_then_found(evaluator, make_tasks):
    tasks = make_tasks(2)
    first = evaluator.curves([ADAMW, SGD], tasks, [0, 1])
    assert set(first) == {
        (configuration.key, task.name, seed) for configuration in (ADAMW, SGD) for task in tasks for seed in (0, 1)
    }
    assert (evaluator.spent.evaluations, evaluator.spent.reused) == (8, 0)
    again = evaluator.curves([ADAMW, SGD], tasks, [0, 1])
    assert (evaluator.spent.evaluations, evaluator.spent.reused) == (8, 8)
    for key, curve in first.items():
        np.testing.assert_array_equal(curve.values, again[key].values)
        np.testing.assert_array_equal(curve.test, again[key].test)


def test_only_what_is_missing_runs(evaluator, make_tasks):
    tasks = make_tasks(2)
    evaluator.curves([ADAMW], tasks[:1], [0])
    evaluator.curves([ADAMW, SGD, SGD], tasks, [0, 0])
    assert (evaluator.spent.evaluations, evaluator.spent.reused) == (4, 1)
    assert len(evaluator.evaluations(tasks)) == 4


def test_a_dear_training_is_stored_in_parts_and_goes_on_with_those_that_are_missing(evaluator, make_task):
    task = make_task(
        num_steps=20,
        model=lambda: nn.Sequential(nn.Linear(3, 2_000), nn.Linear(2_000, 900), nn.Linear(900, 1)),
    )
    configurations = [Configuration("sgd", hparams={"sgd.lr": 1e-4 * (rate + 1)}) for rate in range(9)]
    begun = []

    def stop_at_the_second():
        begun.append(len(evaluator.evaluations([task])))
        if len(begun) == 2:
            raise KeyboardInterrupt

    evaluator.check = stop_at_the_second
    with pytest.raises(KeyboardInterrupt):
        evaluator.curves(configurations, [task], [0])
    assert begun == [0, 5]
    curves = evaluator.curves(configurations, [task], [0])
    assert (begun, len(curves), evaluator.spent.evaluations, evaluator.spent.reused) == ([0, 5, 5], 9, 9, 5)


def test_seeds_differ_and_the_test_split_is_recorded_beside_validation(evaluator, make_task):
    curves = evaluator.curves([ADAMW], [make_task()], [0, 1])
    first, second = curves[ADAMW.key, "line", 0], curves[ADAMW.key, "line", 1]
    assert first.steps.tolist() == [4, 8, 12, 16, 20]
    assert not np.array_equal(first.values, second.values)
    assert not np.array_equal(first.values, first.test)


@pytest.mark.parametrize("kind", ["population", "loop"])
def test_a_learned_wrapper_runs_with_the_weights_that_it_ships_with(evaluator, make_task, kind):
    """Beside others, which do not notice, and in both engines alike."""
    model = partial(nn.Linear, 3, 1) if kind == "population" else LineWithState
    task = make_task(model=model)
    learned = dataclasses.replace(ADAMW, wrappers=("learned_schedule",))
    curves = evaluator.curves([learned, ADAMW, SGD], [task], [0])
    alone = evaluator.curves([learned], [make_task("other", model=model)], [0])
    np.testing.assert_allclose(curves[learned.key, "line", 0].values, alone[learned.key, "other", 0].values, rtol=1e-4)
    assert not np.allclose(curves[learned.key, "line", 0].values, curves[ADAMW.key, "line", 0].values, rtol=1e-2)


def test_populations_of_one_study_share_their_graphs(evaluator, make_task):
    task = make_task(num_steps=6)
    evaluator.curves([ADAMW, SGD], [task], [0])
    of_task, of_rules = len(evaluator.graphs.of_task(task).graphs), len(evaluator.graphs.rules)
    assert of_task > 0
    assert of_rules > 0
    evaluator.recording(frozenset({"evidence"})).curves([ADAMW, SGD], [task], [1])
    assert len(evaluator.graphs.of_task(task).graphs) == of_task
    assert len(evaluator.graphs.rules) == of_rules


class LineWithState(nn.Linear):
    """Counts its calls in Python, which nothing vmapped may."""

    def __init__(self):
        super().__init__(3, 1)
        self.calls = []

    def forward(self, inputs):
        self.calls.append(float(inputs.detach().sum()))
        return super().forward(inputs)


def test_a_member_that_diverges_does_not_disturb_the_others(registry, make_task):
    alone, together = Evaluator(Ledger("sqlite://"), registry), Evaluator(Ledger("sqlite://"), registry)
    task = make_task(num_steps=40)
    calm = alone.curves([ADAMW, SGD], [task], [0])
    mixed = together.curves([ADAMW, DIVERGING, SGD], [task], [0])
    assert mixed[DIVERGING.key, "line", 0].diverged
    for configuration in (ADAMW, SGD):
        np.testing.assert_allclose(
            mixed[configuration.key, "line", 0].values, calm[configuration.key, "line", 0].values, rtol=1e-5
        )
    for made in (alone, together):
        made.close()


def other_version(registry, kind, name):
    """A registry in which one plugin has the version 2."""
    changed = Registry()
    for entry in registry:
        spec = entry.spec
        same = (spec.kind, spec.name) == (kind.kind, name)
        changed.register(dataclasses.replace(spec, version="2") if same else spec)
    return changed


@pytest.mark.parametrize(
    ("kind", "name", "runs"),
    [(OptimizerSpec, "adamw", 1), (ControllerSpec, "cosine", 1), (OptimizerSpec, "lion", 0)],
    ids=["its optimizer", "its controller", "another plugin"],
)
def test_results_of_another_version_of_a_plugin_are_other_results(registry, make_task, url, kind, name, runs):
    before = Evaluator(Ledger(url), registry)
    before.curves([ADAMW], [make_task()], [0])
    before.close()
    after = Evaluator(Ledger(url), other_version(registry, kind, name))
    after.curves([ADAMW], [make_task()], [0])
    assert after.spent.evaluations == runs
    after.close()


def test_a_changed_task_is_another_task(evaluator, make_task):
    evaluator.curves([ADAMW], [make_task()], [0])
    for changed in (make_task(seed=1), make_task(num_steps=30), make_task(batch_size=8)):
        before = evaluator.spent.evaluations
        evaluator.curves([ADAMW], [changed], [0])
        assert evaluator.spent.evaluations == before + 1


class Stateful(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1))

    def forward(self, inputs):
        return self.inner(inputs)


def test_why_a_task_goes_to_the_loop_is_said_once(registry, make_task, lines):
    evaluator = Evaluator(Ledger("sqlite://"), registry, announce=lines.append)
    task = make_task("normed", model=Stateful)
    black = metaopt.BlackBoxTask("job", "jobs", train=lambda recipe, seed: iter([(1, 0.5)]))
    for seed in (0, 1):
        evaluator.curves([ADAMW], [task, black, make_task()], [seed])
    assert lines == [
        "normed runs in the plain loop: BatchNorm1d 'inner.0' writes running statistics in place.",
        "job runs in the plain loop: it is a black box.",
    ]
    evaluator.close()


class StoppedError(Exception):
    pass


def test_what_finished_before_an_interruption_is_kept(evaluator, make_tasks):
    tasks = make_tasks(3)
    checks = iter([None, None, StoppedError()])

    def check():
        if (stop := next(checks)) is not None:
            raise stop

    evaluator.check = check
    with pytest.raises(StoppedError):
        evaluator.curves([ADAMW, SGD], tasks, [0])
    assert {evaluation.task for evaluation in evaluator.evaluations(tasks)} == {"line0", "line1"}


def test_runs_in_the_plain_loop_are_stored_a_few_at_a_time(evaluator, make_task):
    task = make_task("normed", model=Stateful, num_steps=3)
    many = [Configuration("sgd", hparams={"sgd.lr": 0.01 * (number + 1)}) for number in range(20)]
    checks = iter([None, StoppedError()])

    def check():
        if (stop := next(checks)) is not None:
            raise stop

    evaluator.check = check
    with pytest.raises(StoppedError):
        evaluator.curves(many, [task], [0])
    assert 0 < len(evaluator.evaluations([task])) < 20
    evaluator.check = lambda: None
    evaluator.curves(many, [task], [0])
    assert evaluator.spent.evaluations == 20


def test_black_box_runs_are_stored_one_by_one(evaluator):
    seeds = []

    def train(recipe, seed):
        seeds.append(seed)
        if seed == 2:
            raise RuntimeError("out of paper")
        yield 1, 0.5

    task = metaopt.BlackBoxTask("job", "jobs", train=train)
    with pytest.raises(metaopt.InputError, match=r"'job' failed in its train function: RuntimeError: out of paper"):
        evaluator.curves([ADAMW], [task], [0, 1, 2, 3])
    assert [evaluation.key.seed for evaluation in evaluator.evaluations([task])] == [0, 1]
    with pytest.raises(metaopt.InputError, match="out of paper"):
        evaluator.curves([ADAMW], [task], [0, 1, 2, 3])
    assert seeds == [0, 1, 2, 2]


def shapes_that_do_not_fit(output, targets):
    return (output @ torch.ones(7, 1)).mean()


def test_a_task_whose_code_fails_is_named(evaluator, make_task):
    with pytest.raises(metaopt.InputError, match=r"Task 'bad': the model, .* fails on a batch, .*mat1 and mat2"):
        evaluator.curves([ADAMW], [make_task("bad", loss=shapes_that_do_not_fit)], [0])


def test_requests_of_several_tasks_may_differ(evaluator, make_tasks):
    first, second = make_tasks(2)
    curves = evaluator.answer([Request(first, (ADAMW,), (0,)), Request(second, (SGD,), (0, 1))])
    assert set(curves) == {(ADAMW.key, "line0", 0), (SGD.key, "line1", 0), (SGD.key, "line1", 1)}


def test_what_was_read_once_is_not_looked_up_again(evaluator, make_tasks, monkeypatch):
    tasks = make_tasks(2)
    trained = evaluator.curves([ADAMW], tasks, [0])
    known = [evaluation.key for evaluation in evaluator.evaluations(tasks)]
    evaluator.read_all(tasks)
    monkeypatch.setattr(evaluator, "ledger", None)
    again = evaluator.curves([ADAMW], tasks, [0])
    for key, curve in trained.items():
        np.testing.assert_array_equal(curve.values, again[key].values)
    assert [evaluation.key for evaluation in evaluator.evaluations(tasks)] == known
