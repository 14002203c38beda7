"""Meta-SGD has learned rates of either sign, for each coordinate or each tensor."""

import pytest
import torch

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.plugin.registry import current_registry
from tests.plugins.metaopt_learned.conftest import PARAMS


def test_meta_sgd_has_a_rate_of_either_sign_for_each_coordinate(stepped):
    params, _, _ = stepped("meta_sgd", {"rate.0.weight": torch.tensor([[1.0, -1.0]])}, initial_lr=0.5)
    torch.testing.assert_close(params["0.weight"], torch.tensor([[0.9, -1.8]]))
    torch.testing.assert_close(params["1.weight"], torch.tensor([0.65]))


def test_meta_sgd_serves_other_shapes_with_a_rate_a_tensor_and_refuses_them_with_one_a_coordinate():
    wide = {"0.weight": torch.ones(3, 2), "1.weight": torch.ones(3)}
    for rates, fine in (("tensor", True), ("coordinate", False)):
        hparams = {"meta_sgd.rates": rates}
        assembly = assemble(Configuration("meta_sgd", hparams=hparams), current_registry())
        theta = assembly.optimizer.meta.init_theta(PARAMS, torch.Generator(), assembly.meta_values)
        if fine:
            assembly.rule.init(wide, {}, theta, None)
            continue
        with pytest.raises(
            metaopt.InputError, match=r"rates of '0.weight' have shape \(1, 2\), the parameter has \(3, 2\)"
        ):
            assembly.rule.init(wide, {}, theta, None)


def test_start_and_rate_are_learned_through_every_step(meta_gradient):
    """w₂ − 1 = (1 − α)² (w₀ − 1), so that ∂w₂/∂w₀ = (1 − α)² and ∂w₂/∂α = −2 (1 − α)(w₀ − 1)."""
    found = meta_gradient("meta_sgd", start=0.0, num_steps=2, initial_lr=0.25)
    end = 1 - 0.75**2
    assert float(found["start.weight"]) == pytest.approx(0.75**2 * (end - 3))
    assert float(found["rate.weight"]) == pytest.approx(2 * 0.75 * (end - 3))
