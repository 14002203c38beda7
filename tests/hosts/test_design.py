"""The benchmark of hosts goes through each pair of settings that a host can have."""

import itertools
import sys
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.hosts.design import PLACES, Case, pairwise

AXES = {
    "recipe": ("a", "b", "c"),
    "place": PLACES,
    "implementation": ("auto", "rule"),
    "accumulation": (1, 2),
    "dtype": ("float32", "bfloat16"),
    "spike": (False, True),
    "resumed": (False, True),
}


def pairs(cases):
    names = [field.name for field in fields(Case)]
    return {
        ((one, getattr(case, one)), (other, getattr(case, other)))
        for case in cases
        for one, other in itertools.combinations(names, 2)
    }


def test_each_possible_pair_of_values_occurs_and_nothing_else():
    every = [case for case in (Case(*values) for values in itertools.product(*AXES.values())) if case.is_possible]
    cases = pairwise(AXES, lambda case: case.is_possible, seed=3)
    assert all(case.is_possible for case in cases)
    assert pairs(cases) == pairs(every)
    assert len(cases) < len(every) / 5


def test_a_seed_gives_the_same_cases():
    first, again, other = (pairwise(AXES, lambda case: case.is_possible, seed) for seed in (0, 0, 1))
    assert first == again != other
