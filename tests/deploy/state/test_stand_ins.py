"""What a class keeps is found out on stand-ins, which leave what they are given alone."""

import torch
from torch import nn

from metaopt.deploy.state.stand_ins import as_built, expected_state, fresh_state


class Stepping(torch.optim.SGD):
    """Descent that reads its gradients, steps a tensor in its group, and keeps as many numbers as parameters are 0."""

    def __init__(self, params, lr: float = 0.1):
        super().__init__(params, lr=lr)
        self.param_groups[0].setdefault("count", torch.zeros(()))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["count"] += 1
            for param in group["params"]:
                largest = float(param.abs().max())
                self.state[param] = {"moment": torch.full_like(param, largest), "zeros": param[param == 0].clone()}


def test_a_step_on_stand_ins_moves_neither_parameters_nor_tensors_of_groups():
    weight, count = nn.Parameter(torch.full((2, 3), 5.0)), torch.tensor(4.0)
    group = {"params": [0], "lr": 0.1, "count": count}
    state = expected_state(Stepping, [group], [{**group, "params": [weight]}])
    assert state[0]["moment"].shape == (2, 3)
    assert count == 4
    assert bool((weight == 5).all())


def test_shapes_that_depend_on_the_numbers_are_not_expected():
    weight = nn.Parameter(torch.zeros(2))
    group = {"params": [0], "lr": 0.1}
    assert expected_state(Stepping, [group], [{**group, "params": [weight]}])[0].keys() == {"moment"}


def test_a_class_that_steps_on_no_stand_in_is_expected_to_keep_nothing():
    class Failing(torch.optim.SGD):
        def step(self, closure=None):
            raise ValueError

    group = {"params": [0], "lr": 0.1}
    assert expected_state(Failing, [group], [{**group, "params": [nn.Parameter(torch.zeros(2))]}]) == {}


def test_what_a_class_begins_with_is_that_of_its_groups_own_settings():
    weight = nn.Parameter(torch.zeros(2))
    group = {"params": [weight], "lr": 0.1, "initial_accumulator_value": 3.0, "param_names": ["weight"]}
    assert fresh_state(torch.optim.Adagrad, group, weight)["sum"].tolist() == [3.0, 3.0]
    assert as_built(torch.optim.SGD, group).param_groups[0]["params"] == [weight]
    assert group["params"] == [weight]
