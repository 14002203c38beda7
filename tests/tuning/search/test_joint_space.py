import dataclasses

import numpy as np
import optuna
import pytest

from metaopt import Categorical, Float, InputError, PluginError
from metaopt.configuration import assemble
from metaopt.plugin import current_registry
from metaopt.plugin.optimizer import OptimizerSpec
from metaopt.space import is_active
from metaopt.tuning.search.joint_space import JointSpace, joint_space
from metaopt.tuning.search.trial_stand_ins import RandomChooser


def drawn(space: JointSpace, count=200, seed=0):
    generator = np.random.default_rng(seed)
    return [space.suggest(RandomChooser(generator)) for _ in range(count)]


def own(configuration, plugin):
    return {
        name.removeprefix(f"{plugin}."): value
        for name, value in configuration.hparams.items()
        if name.startswith(f"{plugin}.")
    }


def test_everything_proposed_can_be_assembled(registry):
    space = joint_space(registry)
    proposed = drawn(space, 400)
    for configuration in proposed:
        assemble(configuration, registry)
    assert {candidate.optimizer for candidate in proposed} == {spec.name for spec in space.optimizers}
    assert {candidate.wrappers for candidate in proposed} == {(), ("averaged",)}


def test_names_are_prefixed_by_the_plugin_they_belong_to(registry):
    for configuration in drawn(joint_space(registry)):
        owners = {*configuration.optimizers, configuration.controller, *configuration.wrappers}
        assert {name.partition(".")[0] for name in configuration.hparams} <= owners


def test_conditions_are_respected_and_what_is_inactive_is_left_out(registry):
    sgd = registry.get(OptimizerSpec, "sgd")
    assert any(distribution.when for distribution in sgd.space.values())
    for configuration in drawn(joint_space(registry, optimizers=["sgd"])):
        values = own(configuration, "sgd")
        assert set(values) == {name for name in sgd.space if is_active(sgd.space, name, values)}


def test_an_optimizer_without_a_learning_rate_pairs_with_constant_only(registry):
    plain = registry.get(OptimizerSpec, "sgd")
    fixed = dataclasses.replace(
        plain,
        name="fixed_rate",
        space={name: value for name, value in plain.space.items() if name != "lr"},
        native=None,
    )
    assert not fixed.has_lr
    space = joint_space(registry, controllers=["cosine", "wsd"])
    space = dataclasses.replace(space, optimizers=(fixed, plain))
    for configuration in drawn(space):
        wanted = {"constant"} if configuration.optimizer == "fixed_rate" else {"cosine", "wsd"}
        assert configuration.controller in wanted


def test_lr_is_not_tuned_where_a_wrapper_sets_the_rate_unless_asked_for(registry):
    wrappers = ["dog", "averaged"]
    for configuration in drawn(joint_space(registry, optimizers=["sgd"], wrappers=wrappers)):
        assert ("sgd.lr" in configuration.hparams) == (configuration.wrappers != ("dog",))
    asked = joint_space(registry, optimizers=["sgd"], wrappers=wrappers, settings=["sgd.lr=0.5..2"])
    assert all(0.5 <= configuration.hparams["sgd.lr"] <= 2 for configuration in drawn(asked))


def test_wrappers_that_cannot_go_around_an_optimizer_are_not_proposed_for_it(registry):
    optimizers, wrappers = ["prodigy", "sgd", "mlp_lopt"], ["dog", "mechanic", "learned_schedule"]
    found = drawn(joint_space(registry, optimizers=optimizers, wrappers=wrappers))
    pairs = {(one.optimizer, wrapper) for one in found for wrapper in one.wrappers}
    fitting = {(one, wrapper) for one in optimizers for wrapper in wrappers}
    refused = {("prodigy", "dog"), ("mlp_lopt", "dog"), ("mlp_lopt", "learned_schedule")}
    assert pairs == fitting - refused
    for configuration in found:
        assemble(configuration, registry)


def test_only_plugins_whose_signals_an_ordinary_loop_supplies_are_proposed_unless_asked(registry):
    for spec in joint_space(registry).optimizers:
        assert spec.requires <= {"loss", "horizon", "metric"}
    assert [spec.name for spec in joint_space(registry, optimizers=["lion", "adamw", "lion"]).optimizers] == [
        "lion",
        "adamw",
    ]


def test_optuna_sees_the_same_distributions_whenever_it_asks(registry):
    space = joint_space(registry)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen: dict[str, optuna.distributions.BaseDistribution] = {}
    for _ in range(100):
        trial = study.ask()
        space.suggest(trial)
        for name, distribution in trial.distributions.items():
            assert seen.setdefault(name, distribution) == distribution
    assert "adamw.lr" in seen


def test_unknown_plugins_are_refused_by_name(registry):
    with pytest.raises(PluginError, match="There is no optimizer 'adamx'; did you mean 'adamw'"):
        joint_space(registry, optimizers=["adamx"])
    with pytest.raises(PluginError, match="needs at least one optimizer and one controller"):
        joint_space(registry, optimizers=[])


def space_of(registry, **changes):
    settings = {"optimizers": ["adamw", "sgd"], "controllers": ["constant"], "wrappers": [], **changes}
    return joint_space(registry, **settings)


def test_the_fingerprint_is_the_same_for_the_same_space(registry):
    assert space_of(registry).fingerprint == space_of(registry).fingerprint
    space = space_of(registry, settings=["adamw.lr=1e-4..1e-2", "sgd.lr=0.1"])
    other = space_of(registry, settings=["sgd.lr=0.1", "adamw.lr=1e-4..1e-2"])
    assert space.fingerprint == other.fingerprint


def test_the_fingerprint_changes_with_anything_that_changes_what_is_proposed(registry):
    plain = space_of(registry)
    sgd = registry.get(OptimizerSpec, "sgd")
    changed = [
        space_of(registry, optimizers=["adamw"]),
        space_of(registry, controllers=["constant", "cosine"]),
        space_of(registry, wrappers=["averaged"]),
        space_of(registry, settings=["adamw.lr=1e-4..1e-2"]),
        space_of(registry, settings=["adamw.lr=1e-3"]),
        dataclasses.replace(plain, optimizers=(plain.optimizers[0], dataclasses.replace(sgd, version="2"))),
        dataclasses.replace(
            plain,
            optimizers=(
                plain.optimizers[0],
                dataclasses.replace(sgd, space={**sgd.space, "lr": Float(0.1, 0.2, log=True)}, native=None),
            ),
        ),
    ]
    fingerprints = {plain.fingerprint, *(space.fingerprint for space in changed)}
    assert len(fingerprints) == len(changed) + 1


def test_choices_are_part_of_the_fingerprint(registry):
    plain = space_of(registry)
    sgd = plain.optimizers[1]
    only = dataclasses.replace(sgd, space={**sgd.space, "nesterov": Categorical((False,))}, native=None)
    assert dataclasses.replace(plain, optimizers=(plain.optimizers[0], only)).fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    "value", ["1" + "0" * 400, "1" + "0" * 5_000, "[" * 100_000, "x y " * 2_000, "1..1" + "0" * 400]
)
@pytest.mark.parametrize("name", ["adamw.lr", "sgd.nesterov", "one_cycle.warmup"])
def test_hostile_settings_are_refused_in_one_short_sentence(registry, name, value):
    with pytest.raises(InputError) as caught:
        joint_space(registry, optimizers=["adamw", "sgd"], controllers=["one_cycle"], settings=[f"{name}={value}"])
    assert len(str(caught.value)) < 500


def test_an_optimizer_of_a_part_of_a_model_is_not_proposed_for_all_of_it():
    installed = current_registry()
    assert installed.get(OptimizerSpec, "muon").proposed
    space = joint_space(installed)
    assert "muon" not in {spec.name for spec in space.optimizers}
    assert "muon" in {spec.name for spec in space.for_matrices}
