"""Vectors are refused for optimizers that take matrices."""

import pytest

import metaopt
from metaopt.configuration import Configuration, assemble, check_takes
from metaopt.plugin.registry import current_registry


def test_an_optimizer_for_matrices_says_how_the_rest_is_trained(normed):
    alone = assemble(Configuration("normed"), current_registry())
    check_takes(alone, None, (2, 3))
    message = r"was given one of shape \(3,\); write roles=\{'matrix': \{'optimizer': 'normed'\}\} around another"
    with pytest.raises(metaopt.InputError, match=message):
        check_takes(alone, None, (3,))


def test_only_the_role_s_own_parameters_have_to_be_matrices(normed):
    beside = assemble(Configuration("adamw", roles={"matrix": {"optimizer": "normed"}}), current_registry())
    check_takes(beside, "vector", (3,))
    with pytest.raises(metaopt.InputError, match=r"shape \(\); give it a role whose optimizer takes vectors"):
        check_takes(beside, "matrix", ())
