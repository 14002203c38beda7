import numpy as np
import pytest

import metaopt
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.plugin.kinds import StopperSpec
from metaopt.plugin.registry import Registry
from metaopt.tuning.judging.scores import RatioScale, Scale
from metaopt.tuning.stopping.stopping import (
    TOLERATED_REGRET,
    PolicyResult,
    RecordedRun,
    default_policy,
    pareto_front,
    replay_policies,
    replayable,
    stop_index,
    with_guard,
)

SCALE = Scale(1.0, 0.2, -0.5, 0.5, 0.01, test_baseline=1.0, test_tuned=0.0, test_noise=0.01)


def noisy_runs(count=12, *, sign=1.0, seed=0):
    """Runs that come down and rise again, of different lengths, with training losses, evidence and a stop signal."""
    generator = np.random.default_rng(seed)
    runs = []
    for index in range(count):
        length = int(generator.integers(5, 30))
        time = np.linspace(0, 1, length)
        values = 2 - 1.8 * time + generator.uniform(0, 2) * time**2 + 0.05 * generator.normal(size=length)
        if sign < 0:
            values -= 3.0
        train = 2 - 1.9 * time + 0.02 * generator.normal(size=length)
        signals = {"train_loss": train, "evidence": 1 - 3 * (1 - time) ** 2, "stop": time**2}
        curve = metaopt.Curve(10 * np.arange(1, length + 1), values, 10 * length + 10 * (index % 2), signals=signals)
        runs.append(RecordedRun(curve, SCALE, sign))
    return runs


def live_result(stopper, runs, registry):
    """Regret and steps saved of a policy that observes one validation after the other."""
    regrets, saved = [], []
    for run in runs:
        index = stop_index(run.curve, stopper, registry, run.sign)
        best = np.minimum.accumulate(run.curve.values)
        relative = run.scale.relative(best)
        regrets.append(relative[-1] - relative[index])
        saved.append(1 - run.curve.steps[index] / run.curve.horizon)
    return np.mean(regrets), np.mean(saved)


@pytest.mark.slow
@pytest.mark.parametrize("signs", [(1.0,), (-1.0,), (1.0, -1.0)], ids=["lower is better", "higher is better", "both"])
def test_a_replay_is_what_the_deployed_stopper_does(registry, signs):
    runs = [run for sign in signs for run in noisy_runs(5, sign=sign)]
    results = replay_policies(runs, registry, seed=0)
    for result in results[:: max(1, len(results) // 40)]:
        regret, saved = live_result(result.stopper, runs, registry)
        assert result.regret == pytest.approx(regret, abs=1e-12)
        assert result.steps_saved == pytest.approx(saved, abs=1e-12)


def user_threshold(batch, hparams):
    """Fires once the metric, as users see it, is above 0."""
    return (batch.sign * batch.values > 0) & (np.asarray(hparams["on"]) > 0)


def test_a_policy_sees_metrics_as_users_do_whatever_their_direction():
    registry = Registry()
    registry.register(StopperSpec(name="positive", version="1", fires=user_threshold, space={"on": metaopt.Int(1, 1)}))
    for sign in (1.0, -1.0):
        runs = [RecordedRun(metaopt.Curve([1, 2, 3, 4], sign * np.array([-2, -1, 1, 2]), 4), SCALE, sign)]
        assert replay_policies(runs, registry, seed=0)[0].steps_saved == pytest.approx(0.25)


def test_every_replayable_plugin_is_played_at_its_defaults_and_at_random_settings(registry):
    results = replay_policies(noisy_runs(), registry, seed=0)
    for spec in replayable(registry):
        mine = [result.stopper for result in results if result.stopper.name == spec.name]
        assert len(mine) > 30 if spec.proposed else not mine
    again = replay_policies(noisy_runs(), registry, seed=0)
    assert [result.stopper for result in again] == [result.stopper for result in results]


def test_policies_that_need_a_signal_nobody_recorded_are_left_out(registry):
    bare = [
        RecordedRun(metaopt.Curve(run.curve.steps, run.curve.values, run.curve.horizon), SCALE) for run in noisy_runs(3)
    ]
    for result in replay_policies([*noisy_runs(3), *bare], registry, seed=0):
        assert result.stopper.hparams.get("criterion") != "pq"
        assert result.stopper.name not in ("evidence", "stop_signal")


def test_stoppers_can_be_named(registry):
    results = replay_policies(noisy_runs(), registry, 0, ["patience"])
    assert {result.stopper.name for result in results} == {"patience"}
    with pytest.raises(metaopt.PluginError, match=r"Stopper 'any' has no pure form to tune by replay; choose from"):
        replay_policies(noisy_runs(), registry, 0, ["any"])
    with pytest.raises(metaopt.PluginError, match="There is no stopper 'patient'"):
        replayable(registry, ["patient"])


def test_the_front_holds_exactly_what_nothing_else_beats(registry):
    results = replay_policies(noisy_runs(), registry, seed=1)
    front = pareto_front(results)
    assert len(front) > 3
    for policy in front:
        assert not any(
            other.regret <= policy.regret
            and other.steps_saved >= policy.steps_saved
            and (other.regret, other.steps_saved) != (policy.regret, policy.steps_saved)
            for other in results
        )
    for other in results:
        assert any(policy.regret <= other.regret and policy.steps_saved >= other.steps_saved for policy in front)
    assert [policy.regret for policy in front] == sorted(policy.regret for policy in front)


def policy(regret, saved, name="patience"):
    return PolicyResult(StopperConfiguration(name), regret, saved)


def test_the_default_saves_the_most_steps_at_a_tolerated_regret():
    fair, careful, thrifty = policy(TOLERATED_REGRET, 0.3), policy(0.0, 0.1), policy(TOLERATED_REGRET * 1.1, 0.9)
    assert default_policy([careful, thrifty, fair]) == fair
    assert default_policy([careful, thrifty]) == careful
    assert default_policy([thrifty, policy(0.0, 0.0)]) is None
    assert default_policy([]) is None


def test_a_recipe_always_stops_on_divergence(registry):
    guarded = with_guard(policy(0.0, 0.3), registry)
    assert guarded == StopperConfiguration(
        "any", stoppers=(StopperConfiguration("patience"), StopperConfiguration("divergence"))
    )
    assert with_guard(None, registry) == StopperConfiguration("divergence")
    only = Registry()
    only.register(registry.get(StopperSpec, "patience"))
    assert with_guard(policy(0.0, 0.3), only) == StopperConfiguration("patience")
    assert with_guard(None, only) is None


def test_diverged_runs_and_runs_of_one_validation_say_nothing(registry):
    useless = [
        RecordedRun(metaopt.Curve([1, 2], [1.0, np.nan], 2), SCALE),
        RecordedRun(metaopt.Curve([1], [1.0], 1), SCALE),
    ]
    assert replay_policies(useless, registry, seed=0) == []
    with_them = replay_policies([*useless, *noisy_runs()], registry, seed=0)
    assert with_them == replay_policies(noisy_runs(), registry, seed=0)


def test_black_boxes_are_replayed_in_units_of_their_baseline(registry):
    run = RecordedRun(metaopt.Curve([1, 2, 3], [4.0, 2.0, 1.0], 3), RatioScale(2.0, float("nan")))
    patient = replay_policies([run], registry, 0, ["target"])
    assert {(result.regret, result.steps_saved) for result in patient} == {(0.0, 0.0)}


def test_where_the_stopper_never_stops_a_run_goes_to_its_end(registry):
    curve = noisy_runs(1)[0].curve
    assert stop_index(curve, None, registry, 1.0) == len(curve.steps) - 1
    assert stop_index(curve, StopperConfiguration("divergence"), registry, 1.0) == len(curve.steps) - 1
    assert stop_index(curve, StopperConfiguration("budget", {"max_steps": 20}), registry, 1.0) == 1
