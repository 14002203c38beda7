"""Which machines there are and what they have room for, as Ray tells it."""

from types import SimpleNamespace

from metaopt.tuning.executors.ray_cluster.machines import Machines


def machines(*nodes):
    listed = [{"NodeID": name, "Alive": alive, "Resources": resources} for name, alive, resources in nodes]
    return Machines(SimpleNamespace(nodes=lambda: listed))


def test_room_is_counted_machine_by_machine():
    three = machines(("a", True, {"CPU": 4.0}), ("b", True, {"CPU": 3.0, "GPU": 1.0}), ("c", False, {"CPU": 64.0}))
    assert three.room({"CPU": 1.0}) == 7
    assert three.room({"CPU": 2.0}) == 3
    assert three.room({"CPU": 1.0, "GPU": 0.1}) == 3
    assert three.room({"CPU": 0.1, "GPU": 0.1}) == 10  # fractions that do not add up in floating point
    assert three.room({"GPU": 2.0}) == 0
    assert sorted(three.alive()) == ["a", "b"]
