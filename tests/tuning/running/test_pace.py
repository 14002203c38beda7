"""How long trainings take follows from probes, and from what of the machine is left."""

import pytest
from torch import nn

from metaopt.tuning.running.machine import Machine
from metaopt.tuning.running.pace import Pace, Probed, candidates_apart, extrapolated


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


def test_steps_and_validations_are_told_apart():
    assert extrapolated((3.4, 1.4, 2.2, 6.2), 200, 5) == pytest.approx(3.4 + 20 + 5)
