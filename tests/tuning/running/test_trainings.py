"""The runs of one task are trained, whatever kind of task it is."""

import numpy as np
import pytest
import torch

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Graphs
from metaopt.tuning.running.trainings import probe_task, run_task
from metaopt_corpora.sinusoid_episodes import sinusoid_task

ADAMW = Configuration("adamw", hparams={"adamw.lr": 0.01})


@pytest.fixture
def adamw(registry):
    return assemble(ADAMW, registry)


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_each_run_has_its_curve_and_its_seconds(make_task, registry, adamw, engine):
    sgd = assemble(Configuration("sgd", hparams={"sgd.lr": 0.1}), registry)
    runs = [(adamw, 0), (sgd, 0), (adamw, 1)]
    results = run_task(make_task(), runs, engine)
    assert len(results) == 3
    for run, (curve, seconds) in zip(runs, results, strict=True):
        alone, _ = run_task(make_task(), [run], engine)[0]
        np.testing.assert_allclose(curve.values, alone.values, rtol=1e-5)
        assert seconds > 0
        assert curve.resampled == {}


def test_resampled_values_come_where_somebody_asks(make_task, adamw):
    (curve, _) = run_task(make_task(), [(adamw, 1)], "population", resampled=True)[0]
    assert set(curve.resampled) == {"validation", "test"}


def test_graphs_are_those_that_are_given_or_the_process_s_own(make_task, adamw):
    task, graphs = make_task(), Graphs()
    run_task(task, [(adamw, 0)], "population", graphs=graphs)
    assert len(graphs.of_task(task).graphs) == 2
    other = Graphs()
    run_task(task, [(adamw, 0)], "population")
    assert len(other.of_task(task).graphs) == 0


def test_a_black_box_is_trained_run_by_run(adamw):
    def job(recipe, seed):
        assert recipe.configuration == ADAMW
        yield 1, 1.0 + seed
        yield 2, 0.5 + seed

    results = run_task(metaopt.BlackBoxTask("job", "jobs", train=job), [(adamw, 0), (adamw, 3)], "loop")
    assert [curve.values.tolist() for curve, _ in results] == [[1.0, 0.5], [4.0, 3.5]]


def test_a_few_shot_task_is_meta_trained(registry):
    import dataclasses

    task = dataclasses.replace(sinusoid_task(10), num_iterations=4, num_validations=2, num_evaluated=4)
    rule = assemble(Configuration("meta_sgd"), registry)
    ((curve, _),) = run_task(task, [(rule, 0)], "loop")
    assert len(curve.values) == 2


def test_what_a_task_raises_in_training_is_told_with_its_name(make_task, adamw):
    class Fails(torch.nn.Linear):
        def forward(self, inputs):
            if len(inputs) > 32:
                raise ZeroDivisionError("too many")
            return super().forward(inputs)

    part = metaopt.Split(torch.zeros(64, 3), torch.zeros(64, 1))
    task = make_task(model=lambda: Fails(3, 1), data=metaopt.Splits(part, part, part))
    with pytest.raises(metaopt.InputError, match="Task 'line' failed in training: ZeroDivisionError: too many"):
        run_task(task, [(adamw, 0)], "loop")


def test_a_probe_is_the_task_cut_short_with_its_graphs(make_task, adamw):
    task, graphs = make_task(num_steps=20), Graphs()
    probe = probe_task(task, 4, graphs, 2)
    assert (probe.num_steps, probe.num_validations) == (4, 2)
    assert probe.splits is task.splits
    assert graphs.of_task(probe) is graphs.of_task(task)
    (curve, _) = run_task(probe, [(adamw, 0)], "population", graphs=graphs)[0]
    assert curve.steps.tolist() == [2, 4]
    made = len(graphs.of_task(task).graphs)
    run_task(task, [(adamw, 0)], "population", graphs=graphs)
    assert len(graphs.of_task(task).graphs) == made


def test_a_task_that_fails_at_values_of_its_own_has_diverged_and_at_its_defaults_it_fails(make_task, registry):
    def model(width):
        raise RuntimeError("out of memory")

    task = make_task(model=model, space={"width": metaopt.Int(1, 9, default=3)})
    (usual, other) = (
        assemble(Configuration("sgd", values=values), registry) for values in ({"of_others": 1}, {"width": 4})
    )
    with pytest.warns(RuntimeWarning, match=r"out of memory; .* Its own hyperparameters: {'width': 4}\."):
        ((curve, _),) = run_task(task, [(other, 0)], "loop")
    assert curve.diverged
    assert curve.steps.tolist() == list(task.validation_steps)
    with pytest.raises(metaopt.InputError, match="out of memory"):
        run_task(task, [(usual, 0)], "loop")
