"""What may be handed over as parameters."""

import pytest
import torch
from torch import nn

from metaopt import InputError
from metaopt.deploy.parameters import as_groups

WEIGHT, BIAS = nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(2))


def test_a_model_gives_one_group_with_its_names():
    model = nn.Linear(2, 1)
    (group,) = as_groups(model)
    assert [name for name, _ in group["params"]] == ["weight", "bias"]


@pytest.mark.parametrize(
    "params",
    [
        [WEIGHT, BIAS],
        (param for param in (WEIGHT, BIAS)),
        {"w": WEIGHT, "b": BIAS}.values(),
        [{"params": [WEIGHT, BIAS]}],
        [{"params": (param for param in (WEIGHT, BIAS))}],
    ],
)
def test_lists_generators_and_groups_of_tensors_are_kept_in_order(params):
    (group,) = as_groups(params)
    assert [id(param) for param in group["params"]] == [id(WEIGHT), id(BIAS)]


def test_named_tensors_keep_their_names():
    (group,) = as_groups([("w", WEIGHT), ("b", BIAS)])
    assert group["params"] == [("w", WEIGHT), ("b", BIAS)]


def test_a_group_may_hold_a_single_tensor_or_a_module_and_the_users_dict_is_not_changed():
    given = [{"params": WEIGHT, "lr": 0.1}, {"params": nn.Linear(2, 1)}]
    first, second = as_groups(given)
    assert first == {"params": [WEIGHT], "lr": 0.1}
    assert len(second["params"]) == 2
    assert given[0]["params"] is WEIGHT


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ([], "params is an empty list"),
        (WEIGHT, r"params must be a model, or a list of tensors.*got a Parameter\."),
        ({WEIGHT}, "got a set"),
        ({"w": WEIGHT}, "got a dict"),
        (None, "got a NoneType"),
        ([WEIGHT, 3.0], r"Parameters must be tensors, got 3\.0"),
        ([nn.Linear(2, 1)], r"Parameters must be tensors, got a Linear; give its parameters\(\)"),
        ([{"lr": 0.1}], "A param group is a dict with the key 'params', got {'lr': 0.1}"),
    ],
)
def test_anything_else_gets_a_sentence(params, sentence):
    with pytest.raises(InputError, match=sentence):
        as_groups(params)
