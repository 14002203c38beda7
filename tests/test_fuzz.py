"""What people and accidents make of inputs is read right or refused in a sentence: a small run of the benchmark."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[1]


def test_hostile_and_damaged_inputs_are_read_right_or_refused_in_one_sentence():
    command = [sys.executable, "-m", "benchmarks.robustness.fuzz", "--inputs", "250", "--seed", "1", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=240, check=False)
    assert done.stdout, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["failures"] == []
    assert sum(count for kind in found["counts"].values() for count in kind.values()) == 250
    assert all(found["counts"][kind].get("read", 0) for kind in ("tables", "runs", "toml", "recipes"))
