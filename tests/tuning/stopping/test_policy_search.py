"""Optuna proposes settings of a stopper by what earlier ones gave up and saved."""

import pytest

from metaopt.plugin import StopperSpec
from metaopt.tuning.stopping.policy_search import BATCH, new_sampler, search_policies


@pytest.fixture
def patience(registry):
    return registry.get(StopperSpec, "patience")


def played_by_patience(settings):
    """More patience gives up less and saves less."""
    return [(1 - setting["patience"], 1 - setting["patience"]) for setting in settings]


def test_so_many_settings_are_proposed_in_batches_each_inside_the_space(patience):
    sizes = []

    def play(settings):
        sizes.append(len(settings))
        return played_by_patience(settings)

    settings = search_policies(patience, play, frozenset({"horizon"}), 2 * BATCH + 3, new_sampler(0))
    assert len(settings) == sum(sizes) == 2 * BATCH + 3
    assert max(sizes) == BATCH
    assert all(set(setting) == set(patience.space) for setting in settings)
    assert all(
        patience.space[name].check(name, value) == value for setting in settings for name, value in setting.items()
    )


def test_the_same_seed_proposes_the_same_and_another_seed_other_settings(patience):
    first, again, other = (
        search_policies(patience, played_by_patience, frozenset({"horizon"}), 10, new_sampler(seed))
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_what_earlier_settings_did_decides_what_comes(patience):
    def play_around(settings):
        return [(abs(setting["patience"] - 0.3), -abs(setting["patience"] - 0.3)) for setting in settings]

    signals, count = frozenset({"horizon"}), 4 * BATCH
    settings = search_policies(patience, play_around, signals, count, new_sampler(0))
    late = [abs(setting["patience"] - 0.3) for setting in settings[-BATCH:]]
    early = [abs(setting["patience"] - 0.3) for setting in settings[:BATCH]]
    assert sum(late) / len(late) < sum(early) / len(early)


def test_settings_that_require_what_curves_lack_are_left_out_and_not_played(registry):
    spec = registry.get(StopperSpec, "patience")
    played = []

    def play(settings):
        played.extend(settings)
        return played_by_patience(settings)

    settings = search_policies(spec, play, frozenset(), 20, new_sampler(0))
    assert settings == played
    assert all(spec.required(setting) <= frozenset() for setting in settings)
