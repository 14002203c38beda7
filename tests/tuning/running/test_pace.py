"""How long trainings take follows from probes, and from what of the machine is left."""

import pytest

from metaopt.tuning.running.machine import Machine
from metaopt.tuning.running.pace import Pace, extrapolated


def test_a_machine_of_which_a_quarter_is_left_takes_four_times_as_long(evaluator, make_task):
    class Probed(Pace):
        def __init__(self, machine):
            super().__init__(evaluator, machine=machine)
            self._whole["line"], self._single["line"] = 8.0, 0.0

    task = make_task()
    idle, busy = (Probed(Machine(2, share)).seconds(task, 40) for share in (1.0, 0.25))
    assert (idle, busy) == (8.0, pytest.approx(32.0))


def test_steps_and_validations_are_told_apart():
    assert extrapolated((3.4, 1.4, 2.2, 6.2), 200, 5) == pytest.approx(3.4 + 20 + 5)
