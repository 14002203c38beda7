"""One small cluster of three machines for all tests that need one."""

import pytest

#: Bytes; Ray would take a third of the memory of each machine, and here all three are one.
STORE = 80_000_000


class Nodes:
    """Machines of a cluster on this one, which can be taken away and brought back."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        self.cluster = Cluster()
        self.head = self.cluster.add_node(num_cpus=1, object_store_memory=STORE, include_dashboard=False)
        self.others = [self.add(), self.add()]
        self.cluster.wait_for_nodes()

    @property
    def address(self):
        return self.cluster.address

    def add(self):
        return self.cluster.add_node(num_cpus=1, object_store_memory=STORE, wait=False)

    def take_away(self):
        """Kill a machine: its processes get no chance to say anything."""
        self.cluster.remove_node(self.others.pop(), allow_graceful=False)

    def bring_back(self):
        self.others.append(self.add())


@pytest.fixture(scope="session")
def nodes():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'metaopt-torch[ray]'")
    made = Nodes()
    yield made
    made.cluster.shutdown()
