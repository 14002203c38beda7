"""A rate is a factor unless it says otherwise; a controller is whatever gives one."""

import pytest
import torch

from metaopt import Controller, InputError, Rate, StepInfo


class Halving:
    """Half of the rate before it, from 1 on."""

    def init(self, hparams):
        return {"rate": torch.tensor(1.0)}

    def update(self, state, info, hparams):
        return Rate(state["rate"]), {"rate": state["rate"] / 2}


def test_a_rate_multiplies_unless_it_is_absolute():
    assert not Rate(torch.tensor(0.5)).absolute
    assert Rate(torch.tensor(0.5), absolute=True).absolute


def test_an_unknown_keyword_is_named():
    with pytest.raises(InputError, match="Rate takes no 'absolut'"):
        Rate(torch.tensor(0.5), absolut=True)


def test_pure_functions_with_the_contracts_names_are_a_controller():
    controller = Halving()
    assert isinstance(controller, Controller)
    assert not isinstance(Rate(torch.tensor(0.5)), Controller)
    state, rates = controller.init({}), []
    for step in range(3):
        rate, state = controller.update(state, StepInfo(step=torch.tensor(step)), {})
        rates.append(rate.value.item())
    assert rates == [1.0, 0.5, 0.25]
