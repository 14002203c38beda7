"""The compiled population: the same training, in graphs that serve whatever population comes next."""

import shutil
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from metaopt import inner
from metaopt.inner import Graphs

#: As a study trains its populations: whatever was compiled for one of them serves the next.
train = partial(inner.train, graphs=Graphs())
needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None, reason="needs a C++ compiler"
)
pytestmark = [needs_compiler, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _torchs_own_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, on import of its compiler
        yield


def values(results):
    return np.stack([result.curve.values for result in results])


def population(member, **options):
    """Three rules in their three shapes: broadcasting, averaged, and with sums over all numbers."""
    plateau = {"plateau__patience": 0, "plateau__threshold": 0.05}
    return [
        *(member("adamw", "cosine", adamw__lr=rate, adamw__weight_decay=0.1, **options) for rate in (1e-3, 1e-2, 3e-3)),
        *(member("sgd", "plateau", "averaged", sgd__lr=rate, **plateau, **options) for rate in (0.1, 0.3)),
        *(member("prodigy", "cosine", prodigy__d_coef=coefficient, **options) for coefficient in (0.3, 0.5)),
    ]


def test_loop_population_and_graphs_agree_over_200_steps_and_a_shrinking_population_compiles_nothing(task, member):
    digits = task(dtype=torch.float32, num_steps=200, num_validations=10)
    members = population(member)
    compiled = values(train(digits, members, compile="on"))
    assert np.isfinite(compiled).all()
    np.testing.assert_allclose(compiled, values(train(digits, members, compile="off")), rtol=2e-3)
    np.testing.assert_allclose(compiled[::2], values(train(digits, members[::2], engine="loop")), rtol=2e-3)

    graphs = counters["aot_autograd"]["total"]
    fewer = [*members[1:3], *members[3:5], *members[5:7]]
    np.testing.assert_allclose(values(train(digits, fewer, compile="on")), compiled[1:], rtol=1e-5)
    other = task(lambda: torch.nn.Sequential(torch.nn.Linear(64, 7), torch.nn.Tanh(), torch.nn.Linear(7, 10)),
                 dtype=torch.float32, num_steps=3, num_validations=1)  # fmt: skip
    train(other, members, compile="on")
    assert counters["aot_autograd"]["total"] == graphs + 2, "another task needs its gradient and its metric alone"


def test_a_member_has_the_same_bits_in_any_position_and_whoever_else_is_there(task, member):
    digits = task(dtype=torch.float32, num_steps=20, num_validations=2)
    members = [member("adamw", "cosine", adamw__lr=rate) for rate in (1e-3, 1e-2, 3e-3, 2e-2, 5e-3)]
    forwards = values(train(digits, members, compile="on"))
    assert np.array_equal(forwards, values(train(digits, members[::-1], compile="on"))[::-1])
    with_a_lost_one = values(train(digits, [member("adamw", "cosine", adamw__lr=1e38), *members[1:]], compile="on"))
    assert np.isnan(with_a_lost_one[0]).all()
    assert np.array_equal(forwards[1:], with_a_lost_one[1:])


def test_seeds_of_their_own_and_a_population_of_one_are_compiled_too(task, member):
    digits = task(dtype=torch.float32, num_steps=20, num_validations=2)
    members = [member("adamw", "cosine", seed=seed, adamw__lr=1e-2) for seed in (0, 5, 6)]
    compiled = values(train(digits, members, compile="on"))
    np.testing.assert_allclose(compiled, values(train(digits, members, compile="off")), rtol=1e-4)
    np.testing.assert_allclose(values(train(digits, members[1:2], compile="on")), compiled[1:2], rtol=1e-4)
