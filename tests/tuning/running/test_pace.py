"""How long trainings take follows from probes, and from what of the machine is left."""

import pytest
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.running import pace
from metaopt.tuning.running.machine import Machine
from metaopt.tuning.running.pace import Pace, Probed, candidates_apart, extrapolated
from metaopt.tuning.running.request import Request
from metaopt.tuning.running.trainings import run_task


def test_a_machine_of_which_a_quarter_is_left_takes_four_times_as_long(evaluator, make_task):
    class Known(Pace):
        def _probe(self, task):
            return Probed(batch=8.0, alone=0.3, member=0.0)

    task = make_task()
    idle, busy = (Known(evaluator, machine=Machine(2, share)).seconds(task, 40) for share in (1.0, 0.25))
    assert (idle, busy) == (8.0, pytest.approx(32.0))


def test_candidates_train_at_once_but_for_dear_trainings_of_the_engine(evaluator, make_task):
    def wide():
        return nn.Sequential(nn.Linear(3, 2_000), nn.Linear(2_000, 900), nn.Linear(900, 1))

    assert candidates_apart(make_task(), evaluator) == [40]
    assert candidates_apart(make_task("wide", model=wide), evaluator) == [8] * 5
    dropped = make_task("dropped", model=lambda: nn.Sequential(wide(), nn.Dropout()))
    assert candidates_apart(dropped, evaluator) == [40]


def test_runs_are_probed_as_they_train_one_part_of_each_kind(evaluator, make_task, monkeypatch):
    """Two recipes and three seeds of a task whose rows are drawn anew: three parts of one kind."""
    probed = []

    def run(task, runs, *settings, **others):
        probed.append((task.num_steps, [(assembly.configuration.optimizer, seed) for assembly, seed in runs]))
        return run_task(task, runs, *settings, **others)

    monkeypatch.setattr(pace, "run_task", run)
    task = make_task(num_steps=2_000)
    request = Request(task, (Configuration("adamw"), Configuration("sgd")), (0, 1, 2))
    runs = request.runs(evaluator.registry)
    kept, drawn = Pace(evaluator), Pace(evaluator, machine=Machine(1, 0.5))
    assert kept.of_runs(task, runs) > 0
    assert [steps for steps, _ in probed] == [4, 4, 12, 12]
    assert {len(part) for _, part in probed} == {6}
    probed.clear()
    monkeypatch.setattr(type(task), "draw", lambda task, seed: seed)
    assert drawn.of_runs(task, runs) > 0
    assert [part for _, part in probed] == [[("adamw", 2), ("sgd", 2)]] * 4
    assert kept.of_runs(metaopt.BlackBoxTask("box", "boxes", train=lambda recipe, seed: None), runs) == 0.0


def test_steps_and_validations_are_told_apart():
    assert extrapolated((3.4, 1.4, 2.2, 6.2), 200, 5) == pytest.approx(3.4 + 20 + 5)
