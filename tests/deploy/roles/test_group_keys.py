"""A key of a param group that only other optimizers know is refused; whatever is the user's own stays."""

import pytest
import torch
from torch import nn

import metaopt


def group(**keys):
    return {"params": [nn.Parameter(torch.ones(2, 2))], **keys}


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_a_hyperparameter_of_another_optimizer_is_refused(implementation):
    with pytest.raises(metaopt.InputError, match=r"A param group states 'momentum', which .* have and adamw has not"):
        metaopt.create_optimizer("adamw", [group(momentum=0.9)], implementation=implementation)
    roles = {"matrix": {"rate": 0.5}}
    optimizer = metaopt.create_optimizer("adamw", [group()], roles=roles, implementation=implementation)
    with pytest.raises(metaopt.InputError, match=r"states 'nesterov', .*; leave it out, or choose another optimizer"):
        optimizer.add_param_group(group(nesterov=True))
    assert len(optimizer.param_groups) == 1


def test_what_one_of_several_optimizers_has_may_be_stated():
    roles = {"matrix": {"optimizer": "sgd"}}
    groups = [group(momentum=0.5), {"params": [nn.Parameter(torch.ones(2))]}]
    optimizer = metaopt.create_optimizer("adamw", groups, roles=roles)
    assert optimizer.param_groups[0]["momentum"] == 0.5


def test_names_of_one_s_own_arguments_of_the_class_and_no_decay_stay():
    optimizer = metaopt.create_optimizer("adamw", [group(title="first", foreach=False, initial_lr=0.1)])
    assert optimizer.param_groups[0]["title"] == "first"
    assert metaopt.create_optimizer("muon", [group(weight_decay=0.0)]).param_groups[0]["weight_decay"] == 0.0
