"""Objects that a class keeps go through a file that torch reads without unpickling them."""

import io
from collections import OrderedDict, deque, namedtuple
from enum import IntEnum

import numpy as np
import pytest
import torch

import metaopt
from metaopt.deploy.state.kept_objects import restored, saved


class Kind(IntEnum):
    FULL = 3


Pair = namedtuple("Pair", "first second")


class Projector:
    def __init__(self, scale=1.0):
        self.scale, self.matrix, self.inner = scale, None, deque([torch.zeros(1)], maxlen=3)
        self.reduce = torch.mean


def through_a_file(value):
    file = io.BytesIO()
    torch.save(saved(value), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def kept():
    projector = Projector(2.0)
    projector.matrix = (torch.ones(2), torch.zeros(1))
    projector.inner.extend([torch.ones(1), torch.ones(1)])
    return {
        "projector": projector,
        "queue": deque([torch.ones(1), torch.ones(1)], maxlen=2),
        "kind": Kind.FULL,
        "number": np.float32(0.1),
        "pair": Pair(1, [Projector(3.0)]),
        "blocks": [{"projector": Projector(4.0)}],
    }


def like():
    return {
        "projector": Projector(),
        "queue": deque([torch.zeros(1)], maxlen=2),
        "kind": Kind.FULL,
        "number": np.float32(0),
        "pair": Pair(0, [Projector()]),
        "blocks": [{"projector": Projector()}],
    }


def test_objects_queues_enums_and_numbers_of_numpy_come_back_as_what_they_were():
    back = restored(through_a_file(kept()), like())
    assert (back["projector"].scale, back["projector"].reduce) == (2.0, torch.mean)
    assert back["projector"].matrix[0].tolist() == [1.0, 1.0]
    assert (len(back["projector"].inner), back["projector"].inner.maxlen) == (3, 3)
    assert (len(back["queue"]), back["queue"].maxlen) == (2, 2)
    assert back["kind"] is Kind.FULL
    assert type(back["number"]) is np.float32
    assert back["number"] == np.float32(0.1)
    assert back["pair"].second[0].scale == 3.0
    assert back["blocks"][0]["projector"].scale == 4.0


def test_what_holds_no_objects_is_itself():
    plain = {"exp_avg": torch.ones(2), "step": 3, "sides": [None, torch.ones(1)], "more": OrderedDict(a=(1, "b"))}
    assert saved(plain) is plain
    assert restored(plain, {}) is plain


def test_an_older_state_with_the_objects_themselves_is_taken():
    old = kept()
    assert restored(old, like()) is old


@pytest.mark.parametrize("instead", [None, deque()])
def test_nothing_is_made_that_the_class_does_not_make_itself(instead):
    document = through_a_file({"projector": Projector()})
    made = "nothing" if instead is None else "a collections.deque"
    with pytest.raises(metaopt.InputError, match=rf"holds a .*Projector where its class makes {made} here; load it"):
        restored(document, {"projector": instead})
