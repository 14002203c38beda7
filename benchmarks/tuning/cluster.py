"""A Ray cluster beside this machine's processes: overhead of long blocks, and kills of workers and machines.

    python -m benchmarks.tuning.cluster [--nodes 3] [--blocks 12] [--seconds 5] [--kills 20] [--address A]
        [--resources num_gpus=0.25] [--deaths 6]

Without an address it begins a cluster of machines of one processor each on this one (`ray.cluster_utils`). First both
executors run the same blocks, which sleep, on warm workers, as many as there are machines: what takes longer than the
sleeping is overhead. Then blocks run while workers and machines are killed in turn, machines brought back: each block
has to have its result once, whatever happened. `--deaths` times how long it takes until what a dead machine ran runs
elsewhere: by turns a machine is killed, whose connections the system closes, and frozen with all its processes, of
which nobody is told, as where a cable is pulled. Kills and deaths need a cluster of its own.
"""

import argparse
import os
import random
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.named import dispatcher
from metaopt.tuning.executors.protocol import Block, Shared

REACH = 0.05
STORE_BYTES = 80_000_000
#: Of blocks that are killed.
KILLED_SECONDS = 2.0
#: Until a machine that joined knows the others.
SETTLED_SECONDS = 10.0
#: Until what a dead machine ran runs again.
AGAIN_SECONDS = 30.0


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
        self.kill(0)
        self.join()

    def join(self) -> None:
        """Let another machine join; in the main thread, as Ray wants it."""
        self._others.append(self._add())

    def kill(self, position: int) -> None:
        """Kill one of the other machines."""
        self._cluster.remove_node(self._others.pop(position), allow_graceful=False)

    def freeze(self, position: int) -> list[psutil.Process]:
        """Stop all processes of one of the other machines; they are to be killed in the end."""
        frozen = self._others.pop(position)
        raylets = [psutil.Process(each.process.pid) for each in frozen.all_processes["raylet"]]
        stopped = [each for raylet in raylets for each in (raylet, *raylet.children(recursive=True))]
        for each in stopped:
            each.suspend()
        return stopped

    def machine_of(self, process: int) -> int:
        """Which of the other machines runs a process; -1 for the first machine of all, which stays."""
        above = {each.pid for each in psutil.Process(process).parents()}
        for position, machine in enumerate(self._others):
            if above & {each.process.pid for each in machine.all_processes["raylet"]}:
                return position
        return -1

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


def linger(folder: str, number: int, seconds: float) -> int:
    """Say when a block began, and where."""
    with open(f"{folder}/{number}", "a") as file:
        file.write(f"{time.time()} {os.getpid()}\n")
    time.sleep(seconds)
    return number


def begun(folder: str, number: int) -> list[tuple[float, int]]:
    """When and in which processes a block began."""
    path = Path(folder) / str(number)
    lines = path.read_text().splitlines() if path.exists() else []
    return [(float(when), int(process)) for when, process in (line.split() for line in lines)]


def again(cluster: Cluster, workers: Dispatcher, freeze: bool) -> float:
    """Seconds from a machine's death until the block that it ran runs elsewhere."""
    waited: list[float] = []
    with tempfile.TemporaryDirectory() as folder:

        def die() -> None:
            while True:
                ran = [(number, begun(folder, number)) for number in range(2)]
                where = [(number, cluster.machine_of(once[0][1])) for number, once in ran if once]
                if len(where) == 2:
                    break
                time.sleep(0.1)
            number, position = next((number, at) for number, at in where if at >= 0)
            died = time.time()
            frozen = []
            if freeze:
                frozen = cluster.freeze(position)
            else:
                cluster.kill(position)
            while len(begun(folder, number)) < 2:
                time.sleep(0.05)
            waited.append(begun(folder, number)[1][0] - died)
            for process in frozen:
                process.kill()

        death = threading.Thread(target=die)
        death.start()
        list(workers.results([Block(f"Block {number}", linger, (folder, number, 45.0)) for number in range(2)]))
        death.join()
        cluster.join()
        time.sleep(SETTLED_SECONDS)
    return waited[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=3, help="machines of the cluster, or workers on another one")
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5.0, help="that a block lasts")
    parser.add_argument("--kills", type=int, default=0, help="of workers and machines")
    parser.add_argument("--deaths", type=int, default=0, help="of machines, by turns killed and frozen")
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
        if name == "ray" and cluster is not None and options.deaths:
            waits: dict[str, list[float]] = {"killed": [], "frozen": []}
            for death in range(options.deaths):
                how = "frozen" if death % 2 else "killed"
                waits[how].append(again(cluster, workers, freeze=how == "frozen"))
                print(f"a machine {how}: its block runs again after {waits[how][-1]:.1f} s", flush=True)
            for how, seconds in waits.items():
                if seconds:
                    print(
                        f"{how}: median {statistics.median(seconds):.1f} s, at most {max(seconds):.1f} s "
                        f"(reach {AGAIN_SECONDS:.0f})"
                    )
        workers.close()
    if cluster is not None:
        cluster.shutdown()


if __name__ == "__main__":
    main()
