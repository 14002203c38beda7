"""ANIL adapts the layer of the output alone, and nothing learns which that is."""

import torch

from tests.plugins.metaopt_learned.conftest import PARAMS


def test_anil_moves_the_head_alone(stepped):
    params, _, _ = stepped("anil", lr=0.1)
    torch.testing.assert_close(params["0.weight"], PARAMS["0.weight"])
    torch.testing.assert_close(params["1.weight"], torch.tensor([0.53]))


def test_which_parameters_adapt_is_part_of_the_weights_and_is_not_learned(stepped, meta_gradient):
    _, _, theta = stepped("anil")
    assert {name: float(theta[f"adapts.{name}"]) for name in PARAMS} == {"0.weight": 0.0, "1.weight": 1.0}
    found = meta_gradient("anil", start=0.0, num_steps=2, lr=0.5)
    assert float(found["adapts.weight"]) == 0.0
    # A model of one layer is all head: it is MAML.
    torch.testing.assert_close(found["start.weight"], meta_gradient("maml", 0.0, 2, lr=0.5)["start.weight"])
