"""A learned start: kept by the parameters' names, in their dtype."""

import pytest
import torch

import metaopt
from metaopt_learned._shared.descent import Descent
from metaopt_learned._shared.learned_start import of, start_theta


def test_parameters_without_names_are_refused_with_what_to_do():
    theta = {"start.weight": torch.zeros(1, 2), "rate.weight": torch.zeros(1, 2)}
    model = torch.nn.Linear(2, 1, bias=False)
    model(torch.ones(1, 2)).sum().backward()
    optimizer = metaopt.create_optimizer("maml", list(model.parameters()), theta=theta, lr=0.1)
    optimizer.step()  # it needs no name
    optimizer = metaopt.create_optimizer("meta_sgd", list(model.parameters()), theta=theta)
    with pytest.raises(metaopt.InputError, match=r"the model itself rather than its parameters\(\)"):
        optimizer.step()


def test_the_start_is_a_copy_of_the_model_in_float32():
    param = torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)
    theta = start_theta({"w": param})
    with torch.no_grad():
        param.zero_()
    assert theta["start.w"].tolist() == [1.0, 2.0]
    assert (theta["start.w"].dtype, theta["start.w"].requires_grad) == (torch.float32, False)


def test_a_model_begins_there_in_its_own_dtype():
    theta = {"start.w": torch.tensor([1.0, 2.0]), "start.other": torch.zeros(1)}
    started = Descent().start({"w": torch.zeros(2, dtype=torch.float64)}, theta)
    assert started.keys() == {"w"}
    assert (started["w"].dtype, started["w"].tolist()) == (torch.float64, [1.0, 2.0])


def test_what_was_not_learned_is_named_beside_what_was():
    theta = {"rate.a": torch.zeros(()), "rate.b": torch.zeros(()), "start.w": torch.zeros(())}
    with pytest.raises(metaopt.InputError, match=r"Nothing was learned for the parameter 'w', but for \['a', 'b'\]"):
        of(theta, "rate", "w")
