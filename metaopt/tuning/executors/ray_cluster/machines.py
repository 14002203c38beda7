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
#: take minutes where a cable is pulled. Together with a worker's start they are less than the half minute after which
#: what a dead machine ran shall run elsewhere.
_PING_SECONDS = 2.0
_SILENCE_SECONDS = 20.0
#: The label by which Ray knows a machine.
_NODE_ID = "ray.io/node_id"
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
    _posts: "dict[str, _Post]" = field(default_factory=dict, init=False)
    _silent: set[str] = field(default_factory=set, init=False)
    _doubtful: set[str] = field(default_factory=set, init=False)
    _shunned: frozenset[str] = field(default=frozenset(), init=False)

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
        if node not in self._posts:
            pinned = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
            made = self.ray.remote(Watchman).options(num_cpus=0, max_restarts=0, scheduling_strategy=pinned).remote()
            self._posts[node] = _Post(made)

    def doubt(self, node: str) -> None:
        """What ran there was lost with it: nothing new is begun there until it answers again, or Ray drops it."""
        self._doubtful.add(node)
        if node in self._posts:  # an answer from before would speak for it
            self._posts[node].ask()

    def others(self) -> dict[str, Any]:
        """Options of a worker that keep it off machines that do not answer, which Ray still takes to be there."""
        if not self._shunned:
            return {}
        strategies = self.ray.util.scheduling_strategies
        return {
            "scheduling_strategy": strategies.NodeLabelSchedulingStrategy(
                {_NODE_ID: strategies.NotIn(*sorted(self._shunned))}
            )
        }

    def look(self) -> bool:
        """Hear who answers; a machine that is silent for too long counts as gone until it answers again.

        Returns:
            whether others than before may be used.
        """
        now, listed = time.monotonic(), self._listed()
        for node, post in list(self._posts.items()):
            if node not in listed:
                self._dismiss(node)
            elif now - post.asked >= _PING_SECONDS:
                self._hear(node, post, now)
        before, self._shunned = self._shunned, frozenset((self._silent | self._doubtful) & listed.keys())
        return self._shunned != before

    def close(self) -> None:
        """Dismiss those who watch."""
        for node in list(self._posts):
            self._dismiss(node)

    def _listed(self, *, now: bool = False) -> Mapping[str, Mapping[str, float]]:
        """Resources of each machine that Ray takes to be there."""
        if now or time.monotonic() - self._looked >= _FRESH_SECONDS:
            nodes = self.ray.nodes()
            self._known = {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}
            self._looked = time.monotonic()
        return self._known

    def _hear(self, node: str, post: "_Post", now: float) -> None:
        ready, _ = self.ray.wait([post.ping], timeout=0)
        if not ready:
            if post.has_begun and now - post.asked > _SILENCE_SECONDS:
                self._silent.add(node)
            return
        try:
            self.ray.get(post.ping)
        except self.ray.exceptions.RayError:  # the machine, or only who watches it: another one is sent there
            self._dismiss(node)
            self._doubtful.add(node)
            self.watch(node)
        else:
            self._silent.discard(node)
            self._doubtful.discard(node)
            post.has_begun = True
            post.ask()

    def _dismiss(self, node: str) -> None:
        self._silent.discard(node)
        self._doubtful.discard(node)
        self.ray.kill(self._posts.pop(node).watchman)


class _Post:
    """Who watches a machine, and when it was last asked; its own start may take long where a machine is busy."""

    def __init__(self, watchman: Any) -> None:
        self.watchman = watchman
        self.has_begun = False
        self.ask()

    def ask(self) -> None:
        """Ask for a sign of life."""
        self.ping, self.asked = self.watchman.ping.remote(), time.monotonic()
