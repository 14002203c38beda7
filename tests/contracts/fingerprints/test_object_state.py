"""What an object holds is what pickle would make it from."""

from collections import OrderedDict
from functools import cached_property

import pytest
import torch

from metaopt.contracts.fingerprints.object_state import object_state


class Held:
    """A user's own object."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    @cached_property
    def total(self):
        return sum(vars(self).values())


def attributes(value, changed=frozenset()):
    return object_state(value, changed)[2]


def test_attributes_private_ones_too_make_a_users_object():
    assert attributes(Held(size=3, _hidden=4)) == {"size": 3, "_hidden": 4}


def test_a_cached_property_does_not_count():
    held = Held(size=3, other=4)
    assert held.total == 7
    assert "total" in vars(held)
    assert attributes(held) == {"size": 3, "other": 4}


def test_what_changes_does_not_count():
    assert attributes(Held(size=3, calls=9), {"calls"}) == {"size": 3}
    assert attributes(Held(calls=9), {"calls"}) is None


def test_the_version_of_a_library_does_not_count():
    assert attributes(Held(size=3, _sklearn_version="1.5")) == {"size": 3}


def test_attributes_in_slots_count_beside_those_in_the_dict():
    class Slotted:
        __slots__ = ("calls", "size")

    slotted = Slotted()
    slotted.size, slotted.calls = 3, 9
    assert attributes(slotted, {"calls"}) == [None, {"size": 3}]


def test_items_of_lists_and_pairs_of_dicts_count():
    class Several(list):
        pass

    assert object_state(Several([1, 2]), frozenset())[3] == [1, 2]
    assert object_state(OrderedDict(a=1, b=2), frozenset())[4] == [("a", 1), ("b", 2)]


def test_private_attributes_of_a_librarys_object_do_not_count():
    sampler = torch.utils.data.SequentialSampler([1, 2])
    sampler._private = 5
    assert attributes(sampler) == {"data_source": [1, 2]}


def test_an_object_that_says_what_to_keep_is_believed():
    class Telling(Held):
        def __getstate__(self):
            return {"_kept": self.size}

    assert attributes(Telling(size=3)) == {"_kept": 3}


def test_what_cannot_be_pickled_raises():
    with pytest.raises(TypeError, match="pickle"):
        object_state((number for number in range(3)), frozenset())
