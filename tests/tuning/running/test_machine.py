"""The machine is measured as busy as it is."""

import subprocess
import sys
import time

import pytest

from metaopt.tuning.running.machine import IDLE, Machine, measured


def test_processes_share_processors_with_others():
    assert IDLE.speed() == 1.0
    assert Machine(4).speed(3) == 3.0
    assert Machine(2).speed(3) == 2.0
    assert Machine(2, 1.0, others=1.0).speed(2) == pytest.approx(2 * 2 / 3)
    busy = Machine(2, share=0.25)  # seven others
    assert busy.speed() == 0.25
    assert busy.speed(2) == pytest.approx(2 * 2 / 9)
    assert Machine(2, share=0.25).speed(100) < 2.0


@pytest.mark.slow
def test_load_leaves_less_of_a_processor():
    before = measured(0.3)
    assert 0 < before.share <= 1.0
    spin = "import time\nend = time.time() + 60\nwhile time.time() < end: pass"
    others = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(4 * before.processors)]
    try:
        time.sleep(1.0)
        during = measured(1.0)
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert during.share < 0.7
    assert during.speed(2) < 2 * 0.7
