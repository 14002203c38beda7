import numpy as np
import optuna
import pytest

from metaopt.configuration import assemble
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.trial_stand_ins import DefaultChooser, NearChooser, RandomChooser, ReplayChooser


@pytest.fixture
def random():
    return RandomChooser(np.random.default_rng(0))


def test_random_numbers_are_uniform_or_log_uniform_within_their_ends(random):
    plain = [random.suggest_float("x", 2.0, 6.0) for _ in range(2000)]
    assert 2.0 <= min(plain) < max(plain) <= 6.0
    assert np.mean(plain) == pytest.approx(4.0, abs=0.1)
    logs = np.log10([random.suggest_float("x", 1e-4, 1e-2, log=True) for _ in range(2000)])
    assert -4 <= logs.min() < logs.max() <= -2
    assert logs.mean() == pytest.approx(-3.0, abs=0.05)


def test_whole_numbers_reach_both_ends(random):
    assert {random.suggest_int("n", 2, 4) for _ in range(100)} == {2, 3, 4}
    logs = [random.suggest_int("n", 1, 100, log=True) for _ in range(500)]
    assert min(logs) == 1
    assert max(logs) > 60
    assert np.median(logs) == pytest.approx(10, abs=3)
    assert {random.suggest_categorical("c", ["a", False, 3]) for _ in range(50)} == {"a", False, 3}


def test_an_end_that_a_logarithm_would_round_past_is_kept(random):
    assert random.suggest_float("x", 0.3, 0.3, log=True) == 0.3


def test_the_same_seed_draws_the_same_configurations(registry):
    space = joint_space(registry)
    first, second = (RandomChooser(np.random.default_rng(7)) for _ in range(2))
    assert [space.suggest(first).key for _ in range(20)] == [space.suggest(second).key for _ in range(20)]


def test_defaults_are_what_the_plugin_declares_but_for_what_was_told(registry):
    space = joint_space(registry)
    chooser = DefaultChooser({"optimizer": "adamw", "controller": "cosine"}, space)
    configuration = space.suggest(chooser)
    assert (configuration.optimizer, configuration.controller, configuration.wrappers) == ("adamw", "cosine", ())
    assert configuration.hparams["adamw.lr"] == 1e-3
    declared = assemble(type(configuration)("adamw", "cosine"), registry)
    chosen = assemble(configuration, registry)
    assert chosen.rule_values == declared.rule_values
    assert chosen.controller_values == declared.controller_values
    assert chooser.params["optimizer"] == "adamw"


def test_a_default_outside_the_range_that_is_tuned_moves_into_it(registry):
    space = joint_space(registry, optimizers=["adamw"], settings=["adamw.lr=1e-2..1e-1"])
    assert space.suggest(DefaultChooser({}, space)).hparams["adamw.lr"] == 1e-2


def test_what_was_told_but_cannot_be_chosen_gives_way_to_the_first_choice(registry):
    space = joint_space(registry, optimizers=["sgd"])
    assert space.suggest(DefaultChooser({"optimizer": "adamw"}, space)).optimizer == "sgd"


def test_a_replay_gives_the_same_configuration_and_optunas_distributions(registry):
    space = joint_space(registry)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    for _ in range(30):
        trial = study.ask()
        configuration = space.suggest(trial)
        replay = ReplayChooser(trial.params)
        assert space.suggest(replay) == configuration
        assert replay.distributions == trial.distributions


def test_values_near_given_ones_stay_in_range_and_mostly_where_they_are():
    generator = np.random.default_rng(0)
    given = {"rate": 1e-3, "n": 4, "kind": "a", "far": 9.0}
    rates, counts, kinds = [], [], []
    for _ in range(300):
        chooser = NearChooser(given, generator)
        rates.append(chooser.suggest_float("rate", 1e-5, 1e-1, log=True))
        counts.append(chooser.suggest_int("n", 1, 8))
        kinds.append(chooser.suggest_categorical("kind", ["a", "b"]))
        assert 0.0 <= chooser.suggest_float("far", 0.0, 1.0) <= 1.0
        assert 2 <= chooser.suggest_int("new", 2, 3) <= 3
        assert chooser.suggest_categorical("kind of old", ["c"]) == "c"
        assert set(chooser.params) == {*given, "new", "kind of old"}
    assert 1e-5 <= min(rates) < 1e-3 < max(rates) <= 1e-1
    assert 0.4 < np.mean(np.isclose(rates, 1e-3)) < 0.6
    assert np.abs(np.log10(rates) + 3).mean() < 0.5
    assert set(counts) <= set(range(1, 9))
    assert 0.85 < np.mean([kind == "a" for kind in kinds]) < 1.0
