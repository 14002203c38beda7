"""What a command says when it is ended from outside."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.thorough

TASKS = """
import time
import metaopt


def train(recipe, seed):
    for step in range(1, 1000):
        print("training", flush=True)
        time.sleep(0.1)
        yield step, 1.0 / step


tasks = [metaopt.BlackBoxTask("job", "jobs", train, num_steps=1000)]
"""


@pytest.mark.parametrize(("ended_by", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_tuning_that_is_ended_says_how_to_go_on(tmp_path, ended_by, code):
    (tmp_path / "slow.py").write_text(TASKS)
    child = subprocess.Popen(
        [sys.executable, "-m", "metaopt", "tune", "slow:tasks", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell may have it ignored
    )
    assert child.stdout.readline() == "training\n"
    child.send_signal(ended_by)
    _, said = child.communicate(timeout=60)
    assert child.returncode == code
    assert "What has finished is stored; the same command continues where this one stopped.\n" in said
    assert "Traceback" not in said


def test_whoever_handles_sigterm_goes_on_doing_so(run):
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        run("plugins")
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]
