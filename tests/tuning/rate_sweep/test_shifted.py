import pytest

import metaopt
from metaopt import Configuration, RateLaw, Role
from metaopt.configuration import assemble
from metaopt.plugin import current_registry
from metaopt.tuning.rate_sweep.shifted import PRIOR, check_has_rate, exponent, octaves_around, shifted


def test_all_optimizers_move_together():
    configuration = Configuration(
        "adamw", hparams={"adamw.lr": 0.01, "muon.lr": 0.02}, roles={"matrix": Role(optimizer="muon")}
    )
    moved = shifted(configuration, 2, current_registry())
    assert (moved.hparams["adamw.lr"], moved.hparams["muon.lr"]) == (0.04, 0.08)


def test_a_default_moves_too():
    assert shifted(Configuration("adamw"), -1, current_registry()).hparams["adamw.lr"] == 0.0005


@pytest.mark.parametrize("configuration", [Configuration("sgd", "polyak"), Configuration("meta_lstm")])
def test_what_sets_its_own_rate_is_refused(configuration):
    with pytest.raises(metaopt.InputError, match="There is no rate to look for"):
        check_has_rate(assemble(configuration, current_registry()))


@pytest.mark.parametrize("wrong", [0, -1, 21, 1.5, True, "4", None])
def test_octaves_are_a_small_whole_number(wrong):
    assert octaves_around(2) == [-2, -1, 0, 1, 2]
    with pytest.raises(metaopt.InputError, match="octaves must be a whole number from 1 to 20"):
        octaves_around(wrong)


def test_the_exponent_is_the_laws_where_there_is_one():
    assert exponent(Configuration("adamw")) == PRIOR
    assert exponent(Configuration("adamw", rate_law={"adamw": RateLaw(0.3, 0.3, 0.1)})) == 0.1
