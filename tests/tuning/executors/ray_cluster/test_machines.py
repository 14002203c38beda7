"""Which machines there are and what they have room for, as Ray tells it and as they answer."""

from types import SimpleNamespace

import pytest

from metaopt.tuning.executors.ray_cluster import machines as machines_module
from metaopt.tuning.executors.ray_cluster.machines import Machines


class Engine:
    """The part of Ray that is asked here; a machine answers once it is among `answering`, if not among `failing`."""

    def __init__(self, *nodes):
        self.listed = [{"NodeID": name, "Alive": alive, "Resources": resources} for name, alive, resources in nodes]
        self.answering, self.failing = set(), set()
        self.killed = []
        self.exceptions = SimpleNamespace(RayError=OSError)
        strategies = SimpleNamespace(
            NodeAffinitySchedulingStrategy=lambda node, soft: node,
            NodeLabelSchedulingStrategy=lambda labels: labels,
            NotIn=lambda *names: names,
        )
        self.util = SimpleNamespace(scheduling_strategies=strategies)

    def nodes(self):
        return self.listed

    def remote(self, kind):
        def on(*, scheduling_strategy, **resources):
            ping = SimpleNamespace(remote=lambda: scheduling_strategy)
            return SimpleNamespace(remote=lambda: SimpleNamespace(ping=ping, node=scheduling_strategy))

        return SimpleNamespace(options=on)

    def wait(self, pings, timeout):
        return [ping for ping in pings if ping in self.answering], []

    def get(self, ping):
        if ping in self.failing:
            raise self.exceptions.RayError

    def kill(self, watchman):
        self.killed.append(watchman.node)


def test_room_is_counted_machine_by_machine():
    three = Machines(
        Engine(("a", True, {"CPU": 4.0}), ("b", True, {"CPU": 3.0, "GPU": 1.0}), ("c", False, {"CPU": 64.0}))
    )
    assert three.room({"CPU": 1.0}) == 7
    assert three.room({"CPU": 2.0}) == 3
    assert three.room({"CPU": 1.0, "GPU": 0.1}) == 3
    assert three.room({"CPU": 0.1, "GPU": 0.1}) == 10  # fractions that do not add up in floating point
    assert three.room({"GPU": 2.0}) == 0
    assert sorted(three.alive()) == ["a", "b"]


@pytest.fixture
def at(monkeypatch):
    """Sets the clock."""

    def set_to(seconds):
        monkeypatch.setattr(machines_module.time, "monotonic", lambda: seconds)

    return set_to


def test_a_machine_that_falls_silent_is_gone_until_it_answers_again(at):
    engine = Engine(("a", True, {"CPU": 1.0}), ("b", True, {"CPU": 1.0}))
    machines = Machines(engine)
    at(100.0)
    for node in ("a", "b"):
        machines.watch(node)
    engine.answering = {"a", "b"}
    at(106.0)
    machines.look()
    engine.answering = {"b"}
    for seconds in (112.0, 118.0, 124.0, 130.0):
        at(seconds)
        machines.look()
    assert sorted(machines.alive()) == ["b"]
    assert machines.silent() == 1
    assert machines.others() == {"scheduling_strategy": {"ray.io/node_id": ("a",)}}
    engine.answering = {"a", "b"}
    at(136.0)
    assert machines.look()
    assert not machines.others()
    assert sorted(machines.alive()) == ["a", "b"]
    assert machines.silent() == 0
    assert engine.killed == []


def test_where_a_block_was_lost_with_its_machine_nothing_begins_until_it_answers(at):
    engine = Engine(("a", True, {"CPU": 1.0}), ("b", True, {"CPU": 1.0}))
    machines = Machines(engine)
    at(100.0)
    machines.watch("a")
    engine.answering = {"a"}
    machines.doubt("a")
    at(101.0)
    assert machines.look()  # an answer to what was asked before is none
    assert machines.others() == {"scheduling_strategy": {"ray.io/node_id": ("a",)}}
    assert sorted(machines.alive()) == ["a", "b"]  # what runs there goes on
    at(103.0)
    assert machines.look()
    assert not machines.others()
    assert not machines.look()


def test_who_watches_is_replaced_where_it_died_and_the_machine_avoided_until_then(at):
    engine = Engine(("a", True, {"CPU": 1.0}))
    machines = Machines(engine)
    at(100.0)
    machines.watch("a")
    engine.answering, engine.failing = {"a"}, {"a"}
    at(103.0)
    assert machines.look()
    assert engine.killed == ["a"]
    assert machines.others()
    engine.failing = set()
    at(106.0)
    assert machines.look()
    assert not machines.others()


def test_a_machine_so_busy_that_nobody_there_could_begin_yet_is_no_silent_one(at):
    engine = Engine(("a", True, {"CPU": 1.0}))
    machines = Machines(engine)
    at(100.0)
    machines.watch("a")
    at(200.0)
    machines.look()
    assert list(machines.alive()) == ["a"]
    engine.listed[0]["Alive"] = False  # until Ray says that it is gone
    at(206.0)
    machines.look()
    assert not machines.alive()
    assert engine.killed == ["a"]
