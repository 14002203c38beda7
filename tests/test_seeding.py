"""A seed holds inside, and nothing of it is left outside."""

import random

import numpy as np
import pytest
import torch

from metaopt.seeding import GlobalStream, seeded


def test_inside_numbers_are_those_of_torchs_manual_seed():
    with seeded(7):
        inside = torch.rand(3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        expected = torch.rand(3)
    assert torch.equal(inside, expected)


def test_outside_numbers_go_on_as_if_nothing_had_been():
    state = torch.get_rng_state()
    without = torch.rand(3)
    torch.set_rng_state(state)
    with seeded(7):
        torch.rand(5)
    assert torch.equal(torch.rand(3), without)


def test_numbers_go_on_after_an_error_too():
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError), seeded(7):
        torch.rand(5) + torch.rand(4)
    assert torch.equal(torch.get_rng_state(), state)


def test_seeds_nest():
    with seeded(7):
        first = torch.rand(2), torch.rand(2)
    with seeded(7):
        outer = [torch.rand(2)]
        with seeded(8):
            inner = torch.rand(2)
        outer.append(torch.rand(2))
    assert torch.equal(torch.stack(outer), torch.stack(first))
    assert not torch.equal(inner, outer[0])


def draw():
    return [float(torch.rand(())), float(np.random.rand()), random.random()]


def test_a_stream_goes_on_wherever_it_is_entered():
    straight, broken = GlobalStream(3), GlobalStream(3)
    with straight.numbers():
        expected = [draw(), draw()]
    with broken.numbers():
        first = draw()
    draw()
    with broken.numbers():
        second = draw()
    assert [first, second] == expected
    assert len({*first, *second}) == 6


def test_a_stream_leaves_nothing_behind_even_after_an_error():
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    with pytest.raises(RuntimeError), GlobalStream(3).numbers():
        torch.rand(len(draw())) + torch.rand(4)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]
