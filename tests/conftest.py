"""One thread for every test: more than one each makes small models slower, and many times so under xdist."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, and for processes that tests start

from pathlib import Path

import pytest
import torch

OMNIGLOT = Path(__file__).parents[2] / "shared" / "data" / "omniglot"
if OMNIGLOT.is_dir():
    os.environ.setdefault("METAOPT_OMNIGLOT", str(OMNIGLOT))


@pytest.fixture(scope="session", autouse=True)
def _one_thread_by_default() -> None:
    torch.set_num_threads(1)
