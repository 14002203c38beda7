"""The machines of a cluster: which are there, how many workers each has room for, and which no longer answer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from metaopt.tuning.executors.ray_cluster.slot import Watchman

#: How old what is known of the machines may be, seconds.
_FRESH_SECONDS = 1.0
#: How often each machine is asked for a sign of life, and after how long without one it counts as gone: Ray itself may
#: take minutes where a cable is pulled.
_PING_SECONDS = 5.0
_SILENCE_SECONDS = 20.0
#: Of fractions, which do not add up in floating point.
_TINY = 1e-9


@dataclass
class Machines:
    """The machines of a cluster.

    Attributes:
        ray: the module.
    """

    ray: ModuleType
    _known: dict[str, Mapping[str, float]] = field(default_factory=dict, init=False)
    _looked: float = field(default=-_FRESH_SECONDS, init=False)
    _watchmen: "dict[str, _Post]" = field(default_factory=dict, init=False)
    _silent: set[str] = field(default_factory=set, init=False)

    def alive(self, *, now: bool = False) -> dict[str, Mapping[str, float]]:
        """Resources of each machine that answers, by its id."""
        return {name: resources for name, resources in self._listed(now=now).items() if name not in self._silent}

    def silent(self) -> int:
        """How many machines belong to the cluster, as far as Ray knows, and do not answer."""
        return len(self._silent & self._listed().keys())

    def room(self, needed: Mapping[str, float]) -> int:
        """How many workers that need so much, by resource, there would be room for on empty machines."""
        return sum(
            min((int((resources.get(name, 0.0) + _TINY) // each) for name, each in needed.items() if each), default=0)
            for resources in self.alive().values()
        )

    def watch(self, node: str) -> None:
        """Ask this machine for signs of life from now on."""
        if node not in self._watchmen:
            pinned = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
            made = self.ray.remote(Watchman).options(num_cpus=0, max_restarts=0, scheduling_strategy=pinned).remote()
            self._watchmen[node] = _Post(made, made.ping.remote(), time.monotonic())

    def look(self) -> None:
        """Hear who answers; a machine that is silent for too long counts as gone until it answers again."""
        now, listed = time.monotonic(), self._listed()
        for node, post in list(self._watchmen.items()):
            if now - post.asked < _PING_SECONDS:
                continue
            ready, _ = self.ray.wait([post.ping], timeout=0)
            if ready and self._is_answer(ready[0]):
                post.ping, post.asked, post.has_begun = post.watchman.ping.remote(), now, True
                self._silent.discard(node)
            elif ready or node not in listed:
                self._silent.discard(node)
                self._dismiss(node)
            elif post.has_begun and now - post.asked > _SILENCE_SECONDS:
                self._silent.add(node)

    def close(self) -> None:
        """Dismiss those who watch."""
        for node in list(self._watchmen):
            self._dismiss(node)

    def _listed(self, *, now: bool = False) -> Mapping[str, Mapping[str, float]]:
        """Resources of each machine that Ray takes to be there."""
        if now or time.monotonic() - self._looked >= _FRESH_SECONDS:
            nodes = self.ray.nodes()
            self._known = {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}
            self._looked = time.monotonic()
        return self._known

    def _is_answer(self, ping: Any) -> bool:
        try:
            self.ray.get(ping)
        except self.ray.exceptions.RayError:
            return False
        return True

    def _dismiss(self, node: str) -> None:
        self.ray.kill(self._watchmen.pop(node).watchman)


@dataclass
class _Post:
    """Who watches a machine, and when it was last asked; its own start may take long where a machine is busy."""

    watchman: Any
    ping: Any
    asked: float
    has_begun: bool = False
