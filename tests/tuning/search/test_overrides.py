"""What `--set` puts in place of declared distributions."""

import numpy as np
import pytest

from metaopt import InputError
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


def test_a_range_replaces_the_declared_one(registry):
    space = joint_space(
        registry,
        optimizers=["adamw"],
        controllers=["constant"],
        wrappers=[],
        settings=["adamw.lr=1e-4..1e-2", "adamw.beta1=0.9"],
    )
    rates = [own(configuration, "adamw")["lr"] for configuration in drawn(space)]
    assert 1e-4 <= min(rates) < 2e-4
    assert 5e-3 < max(rates) <= 1e-2
    assert np.median(rates) == pytest.approx(1e-3, rel=0.5)  # still on a logarithmic scale
    assert {own(configuration, "adamw")["beta1"] for configuration in drawn(space)} == {0.9}


def test_whole_numbers_and_choices_can_be_set_too(registry):
    settings = ["plateau.patience=2..3", "sgd.nesterov=true"]
    space = joint_space(registry, optimizers=["sgd"], controllers=["plateau"], wrappers=[], settings=settings)
    configurations = drawn(space)
    assert {own(configuration, "plateau")["patience"] for configuration in configurations} == {2, 3}
    assert all(isinstance(own(configuration, "plateau")["patience"], int) for configuration in configurations)
    assert {
        own(configuration, "sgd")["nesterov"]
        for configuration in configurations
        if "nesterov" in own(configuration, "sgd")
    } == {True}


def test_a_fixed_value_is_left_out_where_it_has_no_effect(registry):
    settings = ["sgd.nesterov=true", "sgd.momentum=0"]
    space = joint_space(registry, optimizers=["sgd"], controllers=["constant"], wrappers=[], settings=settings)
    for configuration in drawn(space, 10):
        assert "nesterov" not in own(configuration, "sgd")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("adamw.lr", r"--set takes plugin.hyperparameter=low..high or =value, got 'adamw.lr'"),
        ("lr=1e-3", r"--set takes plugin.hyperparameter=low..high or =value, got 'lr=1e-3'"),
        ("adamw.lr=", r"--set takes plugin.hyperparameter=low..high or =value"),
        ("adam.lr=1e-3", r"'adam' is not among the tuned plugins \['adamw', 'constant', 'sgd'\]"),
        ("adamw.rate=1e-3", r"adamw has no hyperparameter 'rate'; it has \['beta1'"),
        ("adamw.lr=fast", r"adamw.lr must be a number in .*, got 'fast'"),
        ("adamw.lr=-1", r"adamw.lr must be in .*, got -1"),
        ("adamw.lr=1e-2..1e-4", r"--set adamw.lr=1e-2..1e-4: Bounds must be finite with low <= high"),
        ("adamw.lr=0..1e-2", r"--set adamw.lr=0..1e-2: A log scale needs low > 0"),
        ("adamw.lr=..1e-2", r"adamw.lr must be a number in .*, got ''"),
        ("sgd.nesterov=0..1", r"--set sgd.nesterov: choose one of \[False, True\], got the range '0..1'"),
        ("sgd.nesterov=maybe", r"sgd.nesterov must be one of \[False, True\], got 'maybe'"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_in_a_sentence(registry, setting, message):
    with pytest.raises(InputError, match=message):
        joint_space(registry, optimizers=["adamw", "sgd"], controllers=["constant"], wrappers=[], settings=[setting])


def test_what_is_chosen_for_roles_can_be_set_too(registry):
    settings = ["roles.input=slowed", "roles.input.fan_in=20..100"]
    space = joint_space(registry, optimizers=["adamw"], controllers=["constant"], wrappers=[], settings=settings)
    widths = [configuration.roles["input"].fan_in for configuration in drawn(space, 50)]
    assert 20 <= min(widths) < 30 < 70 < max(widths) <= 100
    never = joint_space(registry, optimizers=["adamw"], settings=["roles.input=same"])
    assert not any(configuration.roles for configuration in drawn(never, 50))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("roles.matrix=muon", r"'roles.matrix=muon': no optimizer for matrices is among those tuned; add it to --opt"),
        ("roles.head=slowed", r"roles has no hyperparameter 'head'; it has \['input', 'input.fan_in'\]"),
        ("roles.input=fast", r"roles.input must be one of \['same', 'slowed'\], got 'fast'"),
        ("roles.input.fan_in=-3", r"roles.input.fan_in must be in .*, got -3"),
    ],
)
def test_what_cannot_be_chosen_for_roles_is_refused(registry, setting, message):
    with pytest.raises(InputError, match=message):
        joint_space(registry, optimizers=["adamw"], settings=[setting])
