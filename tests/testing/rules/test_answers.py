"""The kit finds rules whose update is not finite at zero or drawn at random, or whose state changes its dtype."""

import pytest
import torch

import metaopt

pytestmark = pytest.mark.thorough


def momentum_of(param, hparams, theta, horizon):
    return {"momentum": torch.zeros_like(param)}


def optimizer(rule):
    return metaopt.OptimizerSpec(name="mine", version="1", rule=rule, space={"lr": metaopt.Float(1e-4, 1.0, log=True)})


def float32_momentum_of(param, hparams, theta, horizon):
    return {"momentum": torch.zeros_like(param, dtype=torch.float32)}


def counted(param, hparams, theta, horizon):
    return {"momentum": torch.zeros((), dtype=torch.int64)}


#: A state that comes back in another dtype: how it is made, what is returned, and the dtypes of which that is said.
DTYPES = {
    "half": (momentum_of, lambda old, grad: (old + grad).half(), "torch.float16, init made it in torch.float32"),
    "double": (momentum_of, lambda old, grad: (old + grad).double(), "torch.float64, init made it in torch.float32"),
    "the gradient's": (
        float32_momentum_of,
        lambda old, grad: (old + grad).to(grad.dtype),
        "torch.bfloat16, init made it in torch.float32",
    ),
    "a count that is no whole number": (
        counted,
        lambda old, grad: 0.9 * old + 1,
        "torch.float32, init made it in torch.int64",
    ),
}


def keeping(init, new):
    def update(grad, state, param, hparams, theta, info):
        return -hparams["lr"] * grad, {"momentum": new(state["momentum"], grad)}

    return metaopt.per_tensor(init, update)


@pytest.mark.parametrize(("init", "new", "said"), DTYPES.values(), ids=DTYPES)
def test_a_state_in_another_dtype_than_init_made_is_caught_where_it_returns(failures, init, new, said):
    ((check, found),) = failures(optimizer(keeping(init, new))).items()
    assert check == "keeps_dtypes_and_shapes"
    assert f"update returned the state 'momentum' in {said}." in found
    assert 'return -hparams["lr"] * grad, {"momentum": new(state["momentum"], grad)}' in found


@pytest.mark.parametrize("part", ["idle", "measure"])
def test_idle_and_measure_keep_the_dtypes_too(failures, part):
    def idle(state, param, hparams, info):
        return {"momentum": state["momentum"].half()}

    def measure(grad, state, param, hparams, theta, info):
        return {"norm": grad.norm()}, {"momentum": state["momentum"].half()}

    def update(grad, state, param, hparams, theta, info, measured=None):
        step = -hparams["lr"] * grad
        return (step, state) if measured is None else step

    given = {"idle": idle} if part == "idle" else {"measure": measure}
    ((_, found),) = failures(optimizer(metaopt.per_tensor(momentum_of, update, granularity="tensor", **given))).items()
    assert f"{part} returned the state 'momentum' in torch.float16, init made it in torch.float32." in found


@pytest.mark.parametrize("init", [momentum_of, float32_momentum_of])
def test_a_wider_dtype_that_follows_from_the_parameters_is_none(failures, init):
    assert failures(optimizer(keeping(init, lambda old, grad: 0.9 * old + grad))) == {}


def test_a_rule_that_draws_is_caught_at_the_line_that_does(failures):
    def update(grad, state, param, hparams, theta, info):
        noise = torch.randn_like(grad)
        return -hparams["lr"] * (grad + 0.01 * noise), state

    rule = metaopt.per_tensor(lambda param, hparams, theta, horizon: {}, update)
    ((check, found),) = failures(optimizer(rule)).items()
    assert check == "is_deterministic"
    assert "noise = torch.randn_like(grad)" in found
