"""Replayed policies on curves whose answers are worked out here."""

import itertools
import math
from functools import partial

import numpy as np
import pandas as pd
import pytest

import metaopt
from metaopt.contracts import Curve
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.plugin.registry import Registry, current_registry
from metaopt.tuning.recorded.recorded_tasks import RecordedTask, read_curves
from metaopt.tuning.stopping.replay import Replay, Replayed, replay


def curve(values, horizon=None):
    steps = np.arange(1.0, len(values) + 1)
    return Curve(steps=steps, values=np.asarray(values, dtype=float), horizon=horizon or len(values))


def falling(best_at, length=20):
    """Falls from 1 to 0 until its best, then rises a little."""
    rise = [0.05 * (step - best_at) for step in range(best_at + 1, length + 1)]
    return curve([1 - step / best_at for step in range(1, best_at + 1)] + rise)


def task_of(*curves, chance=1.0):
    return RecordedTask("one", tuple(curves), chance)


def test_patience_of_two_stops_two_after_the_best():
    replayed = replay(
        [task_of(*(falling(10) for _ in range(8)))], current_registry(), stoppers=["patience"], policies=300
    )
    assert replayed.num_learned == 4
    assert replayed.num_failed == 0
    assert replayed.clairvoyant == pytest.approx(0.5)
    best = replayed.best(0.0)
    assert best.regret == 0.0
    assert 0.4 <= best.saved < 0.5, "the validation that shows it costs a step at least"
    careless = [policy for policy in replayed.results if policy.saved > 0.5]
    assert all(policy.regret > 0 for policy in careless)


def test_regret_is_a_share_of_what_was_to_be_gained():
    replayed = replay(
        [task_of(*(falling(10) for _ in range(4)), chance=2.0)], current_registry(), stoppers=["budget"], policies=0
    )
    assert [policy.stopper.name for policy in replayed.results] == ["budget"]
    assert replayed.results[0].saved == 0.0
    with_fraction = metaopt.StopperSpec(
        name="quarter", version="1", space={}, fires=lambda batch, hparams: batch.steps >= 0.25 * batch.horizon
    )
    metaopt.register(with_fraction)
    replayed = replay(
        [task_of(*(falling(10) for _ in range(4)), chance=2.0)], current_registry(), stoppers=["quarter"], policies=0
    )
    # After 5 of 20 steps the value is .5 of a fall from 2 to 0.
    assert replayed.results[0].regret == pytest.approx(0.25)
    assert replayed.results[0].saved == pytest.approx(0.75)


def test_runs_that_learned_nothing_are_told_apart():
    flat, broken = curve([1.0] * 20), curve([1.0, 0.95, *[math.nan] * 18])
    replayed = replay(
        [task_of(*(falling(15) for _ in range(4)), flat, flat, broken, broken)], current_registry(), seed=1
    )
    assert replayed.num_learned + replayed.num_failed == 4
    assert replayed.num_failed > 0
    thrifty = max(replayed.results, key=lambda policy: -policy.given_up)
    assert thrifty.given_up < 0.5
    assert replayed.front()[0].regret <= replayed.front()[-1].regret


def test_runs_of_other_lengths_are_measured_by_their_own():
    replayed = replay(
        [task_of(*(falling(5, 10) for _ in range(2)), *(falling(20, 40) for _ in range(2)))], current_registry()
    )
    assert replayed.clairvoyant == pytest.approx(0.5)
    assert all(0 <= policy.saved <= 1 for policy in replayed.results)


@pytest.mark.parametrize("better", [0.0, 1.5, -1])
def test_a_share_that_is_none(better):
    with pytest.raises(metaopt.InputError, match="share of runs to look at must be above 0"):
        replay([task_of(falling(3), falling(3))], current_registry(), better=better)


def test_too_few_runs_that_learned():
    with pytest.raises(metaopt.InputError, match="0 of the runs learned something"):
        replay([task_of(curve([1.0] * 5), curve([1.0] * 5))], current_registry())


def rows(path, sign=1, **columns):
    frame = pd.DataFrame(
        {"candidate": name, "task": "one", "step": step, "value": sign * value}
        for name in "abcd"
        for step, value in enumerate(falling(10).values, start=1)
    ).assign(**columns)
    frame.to_csv(path, index=False)
    return path


def test_a_file_of_accuracies_is_the_mirror_of_one_of_losses(tmp_path):
    low = replay(read_curves(rows(tmp_path / "low.csv")), current_registry())
    high = replay(read_curves(rows(tmp_path / "high.csv", sign=-1), "max"), current_registry())
    assert [policy.saved for policy in low.results] == [policy.saved for policy in high.results]
    assert [policy.regret for policy in low.results] == pytest.approx([policy.regret for policy in high.results])


def test_optuna_finds_what_random_settings_miss_and_does_so_again():
    generator = np.random.default_rng(0)
    runs = [falling(int(generator.integers(5, 15))) for _ in range(12)]
    play = partial(replay, [task_of(*runs)], current_registry(), stoppers=["patience", "prechelt"], policies=0)
    searched, again, random = play(trials=60), play(trials=60), play(policies=60)
    assert searched.dataframe().equals(again.dataframe())
    counts = searched.dataframe()["stopper"].value_counts()
    assert counts["patience"] == 61, "the defaults and the trials"
    assert 1 <= counts["prechelt"] <= 61, "those that ask for training losses are left out"
    assert searched.best(0.0).saved >= random.best(0.0).saved


def test_what_optuna_proposes_comes_from_the_choosing_half_alone():
    """Runs of the other half may be anything."""
    choosing = set(np.random.default_rng(0).permutation(8)[::2].tolist())
    results = []
    for best_at in (4, 17):
        runs = [falling(10 if row in choosing else best_at) for row in range(8)]
        results.append(replay([task_of(*runs)], current_registry(), stoppers=["patience"], policies=0, trials=40))
    first, second = results
    assert [policy.stopper for policy in first.results] == [policy.stopper for policy in second.results]
    assert [(policy.regret, policy.saved) for policy in first.chosen_by] == [
        (policy.regret, policy.saved) for policy in second.chosen_by
    ]
    assert [policy.saved for policy in first.results] != [policy.saved for policy in second.results]


def replay_of(*policies, num_failed=0):
    chosen = tuple(Replayed(StopperConfiguration("patience"), *policy) for policy in policies)
    return Replay(chosen, chosen, clairvoyant=0.5, num_learned=10, num_failed=num_failed)


def test_the_bound_leaves_room_for_a_standard_error():
    replayed = replay_of((0.004, 0.5, math.nan, 0.007), (0.006, 0.4, math.nan, 0.003), (0.0, 0.1, math.nan, 0.0))
    assert replayed.best(0.012).saved == 0.5
    assert replayed.best(0.01).saved == 0.4, "the first one's .4 % may well be luck"
    assert replayed.best(0.008).saved == 0.1
    assert replay_of((0.004, 0.5, math.nan, 0.001)).best(0.004) is None


def test_the_standard_error_is_that_of_the_mean_over_runs():
    half_way = metaopt.StopperSpec(
        name="half", version="1", fires=lambda batch, hparams: batch.steps >= 0.5 * batch.horizon
    )
    registry = Registry()
    registry.register(half_way)
    runs = [falling(best_at) for best_at in (10, 12, 14, 16, 18, 20)]
    replayed = replay([task_of(*runs)], registry, policies=0)
    lost = sorted(1 - 10 / best_at for best_at in (10, 12, 14, 16, 18, 20))
    for half in (replayed.results[0], replayed.chosen_by[0]):
        # Three of the six runs; their mean and its error fit those three alone.
        three = [part for part in itertools.combinations(lost, 3) if np.isclose(np.mean(part), half.regret)]
        assert any(np.isclose(np.std(part, ddof=1) / np.sqrt(3), half.error) for part in three)


def test_steps_of_runs_that_learned_nothing_count_too():
    replayed = replay_of((0.0, 0.30, 0.9, 0.0), (0.0, 0.28, 0.2, 0.0), num_failed=5)
    assert replayed.best(0.01).given_up == 0.2
    alone = replay_of((0.0, 0.30, math.nan, 0.0), (0.0, 0.28, math.nan, 0.0))
    assert alone.best(0.01).saved == 0.30
