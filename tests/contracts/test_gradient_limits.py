"""Gradients are limited alike as new tensors and in place."""

import torch

from metaopt.contracts import GradientLimits


def gradients():
    generator = torch.Generator().manual_seed(0)
    return {
        "matrix": torch.randn(4, 3, generator=generator),
        "double": torch.randn(5, generator=generator, dtype=torch.float64),
        "scalar": torch.randn((), generator=generator),
        "free": torch.randn(3, generator=generator),
    }


def test_both_ways_give_the_same_numbers_and_leave_what_has_no_limit():
    factor = torch.tensor(0.5, dtype=torch.float64)
    limits = GradientLimits(
        factors={"matrix": torch.tensor([[2.0], [1.0], [0.5], [3.0]]), "double": factor, "scalar": factor},
        bounds={"matrix": torch.tensor(0.3), "scalar": torch.tensor(0.1)},
    )
    written, before = gradients(), gradients()
    new = limits.of(before)
    limits.write(written)
    for name, grad in gradients().items():
        assert torch.equal(new[name], written[name])
        assert torch.equal(before[name], grad)
        assert new[name].dtype == grad.dtype
    assert new["free"] is before["free"]
    torch.testing.assert_close(new["double"], before["double"] / 2)
    assert new["matrix"].abs().max() == torch.tensor(0.3)
    assert new["scalar"].abs() == torch.tensor(0.1)


def test_a_factor_of_one_writes_nothing():
    grads = gradients()
    versions = {name: grad._version for name, grad in grads.items()}
    GradientLimits(factors=dict.fromkeys(grads, torch.ones(()))).write(grads)
    assert {name: grad._version for name, grad in grads.items()} == versions


def test_limits_of_tensors_without_a_gradient_are_passed_over():
    grads = gradients()
    GradientLimits(factors={"absent": torch.zeros(())}, bounds={"absent": torch.zeros(())}).write(grads)
    assert torch.equal(grads["matrix"], gradients()["matrix"])
