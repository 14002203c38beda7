"""One thread for every test: more than one each makes small models slower, and many times so under xdist."""

import contextlib
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, and for processes that tests start

from pathlib import Path

import pytest
import torch

import metaopt
from metaopt.plugin import registry
from tests import slow_tests

OMNIGLOT = Path(__file__).parents[2] / "shared" / "data" / "omniglot"
if OMNIGLOT.is_dir():
    os.environ.setdefault("METAOPT_OMNIGLOT", str(OMNIGLOT))


@pytest.hookimpl(tryfirst=True)  # before pytest looks which markers were asked for
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    names = set(slow_tests.listed())
    for item in items:
        if slow_tests.is_listed(item.nodeid, names):
            item.add_marker(pytest.mark.slow)


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


@pytest.fixture(scope="module", autouse=True)
def _plugins_of_a_module_end_with_it():
    with plugins_end():
        yield


@pytest.fixture(autouse=True)
def _plugins_of_a_test_end_with_it():
    with plugins_end():
        yield


@contextlib.contextmanager
def plugins_end():
    """Plugins of files, and those registered by hand, that came in the block are gone after it."""
    before = {key for key, _ in plugins_of_this_process()}
    yield
    for key, entry in plugins_of_this_process():
        if key not in before:
            entries = registry._current._entries
            entries[key] = [other for other in entries[key] if other is not entry]
            if not entries[key]:
                del entries[key]


def plugins_of_this_process():
    """Plugins of files, and those registered by hand, each with its kind and name."""
    entries = [] if registry._current is None else registry._current.of_session()
    return [((entry.spec.kind, entry.spec.name), entry) for entry in entries]


#: Bytes; Ray would take a third of the memory of each machine, and here all three are one.
STORE_BYTES = 80_000_000


class Nodes:
    """Machines of a cluster on this one, which can be taken away and brought back."""

    def __init__(self):
        os.environ.setdefault("RAY_worker_niceness", "0")  # or workers get nothing of a machine that others use as well
        os.environ.setdefault("RAY_local_fs_capacity_threshold", "0")  # a store that is full does not go on on the disk
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
