"""What a rule or controller may know about its step."""

import pytest
import torch

from metaopt import StepInfo


def test_the_fraction_is_that_of_the_planned_steps():
    steps = torch.tensor([0.0, 5.0, 9.0, 12.0])
    fractions = StepInfo(step=steps, horizon=torch.tensor(10.0)).fraction
    assert fractions.tolist() == pytest.approx([0.0, 0.5, 0.9, 1.2])


def test_without_a_horizon_the_fraction_is_zero():
    fraction = StepInfo(step=torch.tensor(7)).fraction
    assert fraction.dtype == torch.float32
    assert fraction.item() == 0.0


def test_all_tensors_move_to_the_device():
    info = StepInfo(torch.tensor(1), torch.tensor(10.0), torch.tensor(2.0), {"gradient_norm": torch.tensor(3.0)})
    moved = info.to(torch.device("meta"))
    tensors = (moved.step, moved.horizon, moved.loss, moved.signals["gradient_norm"])
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert info.step.device.type == "cpu"


def test_what_is_unknown_stays_unknown_on_the_device():
    moved = StepInfo(torch.tensor(1)).to(torch.device("meta"))
    assert moved.horizon is None
    assert moved.loss is None
    assert moved.signals == {}
