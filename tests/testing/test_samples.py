"""What plugins are tried on is the same each time, and covers ranks and ends of ranges."""

import torch

from metaopt import Float, When
from metaopt.space import Categorical
from metaopt.testing.samples import MATRICES, SHAPES, draws, early, edges, generator, gradients, parameters

SPACE = {
    "lr": Float(1e-3, 1.0, log=True, default=0.1),
    "nesterov": Categorical((False, True)),
    "momentum": Float(0.5, 0.9, default=0.6, when=When("nesterov", among=(True,))),
}


def test_parameters_have_every_rank_from_none_to_four():
    params = parameters()
    assert {name: tuple(param.shape) for name, param in params.items()} == SHAPES
    assert {param.ndim for param in params.values()} == {0, 1, 2, 4}
    assert any(param.numel() == 0 for param in params.values())


def test_a_seed_gives_the_same_numbers_in_each_dtype():
    assert torch.equal(parameters(3)["matrix"], parameters(3)["matrix"])
    assert not torch.equal(parameters(3)["matrix"], parameters(4)["matrix"])
    assert torch.equal(parameters(3, torch.float64)["matrix"], parameters(3)["matrix"].double())


def test_the_global_generator_is_not_touched():
    before = torch.get_rng_state()
    gradients(parameters(), 2)
    draws(SPACE, 3)
    torch.rand(1, generator=generator(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_each_step_has_other_gradients_of_the_parameters_dtype():
    first, second = gradients(parameters(dtype=torch.bfloat16), 2)
    assert first.keys() == SHAPES.keys()
    assert first["kernel"].dtype == torch.bfloat16
    assert not torch.equal(first["kernel"], second["kernel"])


def test_an_optimizer_of_matrices_is_given_nothing_else():
    params = parameters(takes="matrices")
    assert {name: tuple(param.shape) for name, param in params.items()} == MATRICES
    assert {param.ndim for param in params.values()} == {2, 4}
    assert any(param.numel() == 0 for param in params.values())


def test_some_of_either_have_gradients_from_the_first_step_on():
    assert list(early(parameters())) == ["vector", "scalar"]
    assert list(early(parameters(takes="matrices"))) == ["square", "wide"]


def test_draws_begin_with_the_defaults_and_lie_in_the_space():
    samples = draws(SPACE, 20)
    assert samples[0] == {"lr": 0.1, "nesterov": False, "momentum": 0.6}
    assert len(samples) == 20
    assert all(1e-3 <= values["lr"] <= 1.0 for values in samples)
    assert samples == draws(SPACE, 20)
    assert samples[1:] != draws(SPACE, 20, seed=5)[1:]


def test_what_has_no_effect_keeps_its_default_in_draws():
    samples = draws(SPACE, 20)[1:]
    assert {values["momentum"] for values in samples if not values["nesterov"]} == {0.6}
    assert all(values["momentum"] != 0.6 for values in samples if values["nesterov"])
    assert {values["nesterov"] for values in samples} == {False, True}


def test_edges_are_each_end_and_choice_beside_defaults():
    samples = edges(SPACE)
    assert list(samples) == [
        "the defaults",
        "lr=0.001",
        "lr=1.0",
        "nesterov=False",
        "nesterov=True",
        "momentum=0.5",
        "momentum=0.9",
    ]
    assert samples["lr=1.0"] == {"lr": 1.0, "nesterov": False, "momentum": 0.6}
    assert samples["momentum=0.9"] == {"lr": 0.1, "nesterov": False, "momentum": 0.9}
