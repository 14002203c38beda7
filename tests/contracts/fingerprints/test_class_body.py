"""The body of a class is what its author wrote."""

import dataclasses
from enum import Enum
from typing import NamedTuple

from metaopt.contracts.fingerprints.class_body import class_body


class Scaled:
    """Multiplies."""

    factor: float = 2.0

    def __call__(self, value):
        return self.factor * value

    @property
    def doubled(self):
        return 2 * self.factor


def test_methods_properties_and_constants_are_kept_and_nothing_else():
    body = class_body(Scaled)
    assert body.keys() == {"factor", "__call__", "doubled"}
    assert body["factor"] == 2.0
    assert body["__call__"] is Scaled.__call__


def test_a_dataclass_is_its_fields_and_the_methods_that_were_written():
    @dataclasses.dataclass
    class Point:
        x: float
        y: float = 1.0
        names: list = dataclasses.field(default_factory=list)

        def norm(self):
            return abs(self.x) + abs(self.y)

    body = class_body(Point)
    assert body["fields"] == [["x", "none", "none"], ["y", 1.0, "none"], ["names", "none", list]]
    assert "norm" in body
    assert not {"__init__", "__eq__", "__repr__"} & body.keys()


def test_an_init_that_was_written_is_kept():
    @dataclasses.dataclass(init=False)
    class Point:
        x: float

        def __init__(self):
            self.x = 3.0

    assert class_body(Point)["__init__"] is Point.__init__


def test_an_enumeration_is_its_members_and_methods():
    class Side(Enum):
        LEFT = 1
        RIGHT = 2
        WEST = 1

        def opposite(self):
            return Side.LEFT if self is Side.RIGHT else Side.RIGHT

    body = class_body(Side)
    assert body["members"] == {"LEFT": 1, "RIGHT": 2, "WEST": 1}
    assert body["opposite"] is Side.opposite
    assert body.keys() == {"members", "opposite"}


def test_descriptors_of_slots_are_left_out():
    class Slotted:
        __slots__ = ("value",)

        def get(self):
            return self.value

    assert class_body(Slotted).keys() == {"get"}


def test_what_makes_a_named_tuple_is_left_out():
    class Pair(NamedTuple):
        first: int
        second: int = 2

    body = class_body(Pair)
    assert body["_fields"] == ("first", "second")
    assert body["_field_defaults"] == {"second": 2}
    assert not {"__new__", "_make", "_replace", "_asdict", "__repr__"} & body.keys()
