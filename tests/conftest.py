"""One thread for every test: more than one each makes small models slower, and many times so under xdist."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, and for processes that tests start

from pathlib import Path

import pytest
import torch

import metaopt
from metaopt.plugin import registry
from metaopt.plugin.source import SESSION

OMNIGLOT = Path(__file__).parents[2] / "shared" / "data" / "omniglot"
if OMNIGLOT.is_dir():
    os.environ.setdefault("METAOPT_OMNIGLOT", str(OMNIGLOT))


@pytest.fixture(scope="session", autouse=True)
def _one_thread_by_default() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def normed():
    """An optimizer for matrices alone: the gradient over its norm."""

    def update(grad, state, param, hparams, theta, info):
        return -hparams["lr"] * grad / grad.norm(), state

    spec = metaopt.OptimizerSpec(
        name="normed",
        version="1",
        summary="Steps of one length.",
        rule=metaopt.per_tensor(lambda param, hparams, theta, horizon: {}, update, granularity="tensor"),
        space={"lr": metaopt.Float(1e-3, 1.0, log=True, default=0.1)},
        takes="matrices",
    )
    metaopt.register(spec)
    return spec


@pytest.fixture(autouse=True)
def _plugins_registered_by_a_test_end_with_it():
    before = session_plugins()
    yield
    for key in session_plugins() - before:
        registry._current._entries[key] = [
            entry for entry in registry._current._entries[key] if entry.source.distribution != SESSION
        ]


def session_plugins():
    """Kind and name of each plugin of the process that somebody registered by hand."""
    entries = [] if registry._current is None else list(registry._current)
    return {(entry.spec.kind, entry.spec.name) for entry in entries if entry.source.distribution == SESSION}


#: Bytes; Ray would take a third of the memory of each machine, and here all three are one.
STORE_BYTES = 80_000_000


class Nodes:
    """Machines of a cluster on this one, which can be taken away and brought back."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        self.cluster = Cluster()
        self.head = self.cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES, include_dashboard=False)
        self.others = [self.add(), self.add()]
        self.cluster.wait_for_nodes()

    @property
    def address(self):
        return self.cluster.address

    def add(self):
        return self.cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES, wait=False)

    def take_away(self):
        """Kill a machine: its processes get no chance to say anything."""
        self.cluster.remove_node(self.others.pop(), allow_graceful=False)

    def bring_back(self):
        self.others.append(self.add())


@pytest.fixture(scope="session")
def nodes():
    """One small cluster of three machines for all tests that need one."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'metaopt-torch[ray]'")
    made = Nodes()
    yield made
    made.cluster.shutdown()
