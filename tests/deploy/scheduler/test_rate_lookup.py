"""Rates looked up in pieces are those of the table, at any step and in any order."""

import math

import pytest
import torch

import metaopt
from metaopt.configuration.rate_table import rate_table
from metaopt.contracts import Rate
from metaopt.deploy.scheduler.rate_lookup import STEPS_AT_ONCE, RateLookup
from metaopt.plugin.kinds import ControllerSpec
from metaopt.plugin.registry import current_registry
from metaopt.space import defaults, encode

TABLES = [
    name
    for name in current_registry().names(ControllerSpec)
    if current_registry().get(ControllerSpec, name).cadence == "table"
]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("total_steps", [1, 4095, 4096, 4097, 12_289])
def test_rates_in_pieces_are_those_of_the_whole_table_bit_for_bit(name, total_steps):
    spec = current_registry().get(ControllerSpec, name)
    hparams = {
        key: torch.tensor(float(value), dtype=torch.float64)
        for key, value in encode(spec.space, defaults(spec.space)).items()
    }
    table, _ = rate_table(spec, hparams, total_steps, total_steps + 1)
    lookup = RateLookup(spec, hparams, total_steps)
    steps = [*range(0, total_steps + 1, 7), total_steps]
    assert [lookup.at(step) for step in steps] == table[steps].tolist()
    assert lookup.at(0) == table[0].item()  # back in an earlier piece


class InverseRoot:
    """1/√(t+1), as a multiplier or as a rate."""

    def __init__(self, absolute):
        self.absolute = absolute

    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        return Rate((info.step + 1).rsqrt(), absolute=self.absolute), state


def inverse_root(total_steps, absolute=False):
    spec = metaopt.ControllerSpec(name="inverse_root", version="1", controller=InverseRoot(absolute), space={})
    return RateLookup(spec, {}, total_steps)


def test_without_a_plan_rates_go_on_from_span_to_span():
    lookup = inverse_root(None)
    for step in (0, 3, STEPS_AT_ONCE - 1, STEPS_AT_ONCE, 10 * STEPS_AT_ONCE + 7, 1):
        assert lookup.at(step) == pytest.approx(1 / math.sqrt(step + 1), rel=1e-12)


def test_past_the_plan_the_last_rate_holds():
    lookup = inverse_root(15)
    assert [lookup.at(step) for step in (15, 16, 10**9)] == pytest.approx([0.25] * 3, rel=1e-12)


@pytest.mark.parametrize("absolute", [False, True])
def test_rates_are_told_from_multipliers(absolute):
    lookup = inverse_root(15, absolute)
    lookup.at(0)
    assert lookup.is_absolute is absolute
