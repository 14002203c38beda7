"""A Ray cluster beside this machine's processes: overhead of long blocks, and kills of workers and machines.

    python -m benchmarks.tuning.cluster [--nodes 3] [--blocks 12] [--seconds 5] [--kills 20] [--address A]
        [--resources num_gpus=0.25]

Without an address it begins a cluster of machines of one processor each on this one (`ray.cluster_utils`). First both
executors run the same blocks, which sleep, on warm workers, as many as there are machines: what takes longer than the
sleeping is overhead. Then blocks run while workers and machines are killed in turn, machines brought back: each block
has to have its result once, whatever happened. Kills need a cluster of its own.
"""

import argparse
import os
import random
import signal
import time
from collections.abc import Sequence
from typing import Any

from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.named import dispatcher
from metaopt.tuning.executors.protocol import Block, Shared

REACH = 0.05
STORE_BYTES = 80_000_000
#: Of blocks that are killed.
KILLED_SECONDS = 2.0


class Cluster:
    """Machines on this one."""

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        self._cluster = RayCluster()
        self._cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES, include_dashboard=False)
        self._others = [self._add() for _ in range(count - 1)]
        self._cluster.wait_for_nodes()
        self.address = str(self._cluster.address)

    def replace(self) -> None:
        """Kill a machine, and let another one join."""
        self._cluster.remove_node(self._others.pop(0), allow_graceful=False)
        self._others.append(self._add())

    def shutdown(self) -> None:
        self._cluster.shutdown()

    def _add(self) -> Any:
        return self._cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES, wait=False)


def sleep(shared: bytes, number: int, seconds: float) -> tuple[int, int]:
    """Who ran it."""
    time.sleep(seconds)
    return number, os.getpid()


def blocks(count: int, seconds: float, resources: dict[str, float]) -> list[Block]:
    data = Shared("data", os.urandom(1_000_000))
    return [
        Block(f"Block {number}", sleep, (number, seconds), shared=data, resources=resources) for number in range(count)
    ]


def overhead(workers: Dispatcher, count: int, slots: int, seconds: float, resources: dict[str, float]) -> float:
    """Share of the time that is not sleeping, on warm workers."""
    list(workers.results(blocks(3 * slots, 1.0, resources)))
    begun = time.perf_counter()
    list(workers.results(blocks(count, seconds, resources)))
    best = -(-count // slots) * seconds
    return (time.perf_counter() - begun) / best - 1


def with_kills(cluster: Cluster, workers: Dispatcher, kills: int) -> Sequence[int]:
    """Run blocks until so many workers and machines were killed; the numbers of those that have results."""
    results: list[int] = []
    dice, done = random.Random(7), 0
    for number, process in (result for _, result in workers.results(blocks(4 * kills, KILLED_SECONDS, {}))):
        results.append(number)
        if done < kills and dice.random() < 0.4:
            if done % 4 == 3:
                cluster.replace()
            else:
                os.kill(process, signal.SIGKILL)
            done += 1
    print(f"{done} kills, {done // 4} of them of machines")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=3, help="machines of the cluster, or workers on another one")
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5.0, help="that a block lasts")
    parser.add_argument("--kills", type=int, default=0, help="of workers and machines")
    parser.add_argument("--address", help="of a cluster that is there")
    parser.add_argument("--resources", nargs="+", default=[], metavar="NAME=AMOUNT")
    options = parser.parse_args()
    resources = {name: float(amount) for name, _, amount in (each.partition("=") for each in options.resources)}
    cluster = None if options.address else Cluster(options.nodes)
    address = options.address or (cluster.address if cluster is not None else "")
    shares = {}
    for name in ("local", "ray"):
        workers = dispatcher(name, options.nodes, address if name == "ray" else None, print, None)
        assert workers is not None
        shares[name] = overhead(workers, options.blocks, options.nodes, options.seconds, resources)
        print(
            f"{name:6} overhead of blocks of {options.seconds:g} s: {shares[name]:.1%} (reach {REACH:.0%})", flush=True
        )
        if name == "ray" and cluster is not None and options.kills:
            numbers = with_kills(cluster, workers, options.kills)
            lost, twice = 4 * options.kills - len(set(numbers)), len(numbers) - len(set(numbers))
            print(f"{lost} blocks lost, {twice} with two results (reach 0, 0)")
        workers.close()
    if cluster is not None:
        cluster.shutdown()


if __name__ == "__main__":
    main()
