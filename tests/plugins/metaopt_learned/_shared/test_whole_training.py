"""What rules for whole trainings declare alike."""

import pytest
import torch

import metaopt
from metaopt_learned._shared.whole_training import by_evolution, check_shapes, shipped

SHAPES = {"w": (2, 3), "b": (3,)}


def test_it_is_by_persistent_evolution_in_truncations():
    meta = by_evolution(
        lambda *_: {}, {"hidden_size": metaopt.Int(1, 2, default=1)}, handover=dict, check=lambda theta: None
    )
    assert (meta.estimator, meta.objective, meta.truncation, meta.clip) == ("pes", "trajectory", 50, 1.0)
    assert meta.orders == ("first",)
    assert meta.shipped is None
    assert "hidden_size" in meta.full_space


def test_weights_that_ship_are_those_of_the_recipe_of_the_name():
    meta = by_evolution(lambda *_: {}, {}, handover=dict, check=lambda theta: None, ships="mlp_lopt")
    recipe = metaopt.load_recipe("mlp_lopt")
    assert meta.shipped().keys() == recipe.theta.keys() == shipped("mlp_lopt").keys()
    assert all(torch.equal(weight, recipe.theta[name]) for name, weight in meta.shipped().items())


def test_weights_of_the_right_names_and_shapes_pass():
    check_shapes("mine", {name: torch.zeros(shape) for name, shape in SHAPES.items()}, SHAPES)


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        ({"w": torch.zeros(2, 3)}, "The weights lack 'b': they are not those of 'mine', which are b, w."),
        (
            {"w": torch.zeros(2, 3), "b": torch.zeros(3), "z": torch.zeros(1)},
            "The weights hold 'z': they are not those of 'mine', which are b, w.",
        ),
        (
            {"w": torch.zeros(3, 2), "b": torch.zeros(3)},
            "The weights 'w' have shape (3, 2), those of 'mine' (2, 3): they are of another architecture.",
        ),
    ],
)
def test_others_are_refused_by_name(theta, message):
    with pytest.raises(metaopt.InputError) as caught:
        check_shapes("mine", theta, SHAPES)
    assert str(caught.value) == message
