"""Each learned rule does what its formula says, on numbers worked out beside it."""

import pytest
import torch

import metaopt
from metaopt.configuration.configuration import Configuration, assemble
from metaopt.plugin.registry import current_registry

PARAMS = {"0.weight": torch.tensor([[1.0, -2.0]]), "1.weight": torch.tensor([0.5])}
GRADS = {"0.weight": torch.tensor([[0.1, 0.2]]), "1.weight": torch.tensor([-0.3])}


def stepped(name, theta=None, steps=1, **hparams):
    assembly = assemble(
        Configuration(name, hparams={f"{name}.{key}": value for key, value in hparams.items()}), current_registry()
    )
    meta = assembly.optimizer.meta
    weights = meta.init_theta(PARAMS, torch.Generator().manual_seed(0), assembly.meta_values)
    weights.update(theta or {})
    numbers = assembly.tensor_hparams(PARAMS)
    state = assembly.rule.init(PARAMS, numbers, weights, torch.tensor(1.0))
    params = PARAMS
    for step in range(steps):
        info = metaopt.StepInfo(step=torch.tensor(float(step)), loss=torch.tensor(0.7))
        updates, state = assembly.rule.update(GRADS, state, params, numbers, weights, info)
        params = {key: value + updates[key] for key, value in params.items()}
    return params, state, weights


@pytest.mark.parametrize("name", ["maml", "fomaml", "reptile", "proto_maml"])
def test_descent_is_descent(name):
    params, _, _ = stepped(name, lr=0.1)
    torch.testing.assert_close(params["0.weight"], torch.tensor([[0.99, -2.02]]))


def test_anil_moves_the_head_alone():
    params, _, _ = stepped("anil", lr=0.1)
    torch.testing.assert_close(params["0.weight"], PARAMS["0.weight"])
    torch.testing.assert_close(params["1.weight"], torch.tensor([0.53]))


def test_meta_sgd_has_a_rate_of_either_sign_for_each_coordinate():
    params, _, _ = stepped("meta_sgd", {"rate.0.weight": torch.tensor([[1.0, -1.0]])}, initial_lr=0.5)
    torch.testing.assert_close(params["0.weight"], torch.tensor([[0.9, -1.8]]))
    torch.testing.assert_close(params["1.weight"], torch.tensor([0.65]))


def test_meta_sgd_serves_other_shapes_with_a_rate_a_tensor_and_refuses_them_with_one_a_coordinate():
    wide = {"0.weight": torch.ones(3, 2), "1.weight": torch.ones(3)}
    for rates, fine in (("tensor", True), ("coordinate", False)):
        hparams = {"meta_sgd.rates": rates}
        assembly = assemble(Configuration("meta_sgd", hparams=hparams), current_registry())
        theta = assembly.optimizer.meta.init_theta(PARAMS, torch.Generator(), assembly.meta_values)
        if fine:
            assembly.rule.init(wide, {}, theta, None)
            continue
        with pytest.raises(
            metaopt.InputError, match=r"rates of '0.weight' have shape \(1, 2\), the parameter has \(3, 2\)"
        ):
            assembly.rule.init(wide, {}, theta, None)


def test_the_meta_lstm_begins_as_descent_at_a_small_rate():
    """σ(b_F) is near 1 and σ(b_I) near 0.01; both at the values of its biases where all other weights are zero."""
    zeros = {
        "forget.weight": torch.zeros(22),
        "input.weight": torch.zeros(22),
        "forget.bias": torch.tensor(4.5),
        "input.bias": torch.tensor(-4.5),
    }
    params, state, _ = stepped("meta_lstm", zeros)
    forget, keep = torch.tensor(4.5).sigmoid(), torch.tensor(-4.5).sigmoid()
    for name, value in PARAMS.items():
        torch.testing.assert_close(params[name], forget * value - keep * GRADS[name])
        torch.testing.assert_close(state["tensors"][name]["forget"], torch.full_like(value, 4.5))


def test_the_meta_lstm_feeds_back_what_comes_before_the_sigmoid():
    """f_t = θ_{t−1} + 2 f_{t−1} where these two weights are all there are."""
    weight = torch.zeros(22)
    weight[20], weight[21] = 1.0, 2.0
    theta = {"forget.weight": weight, "forget.bias": torch.zeros(())}
    once, first, _ = stepped("meta_lstm", theta)
    _, second, _ = stepped("meta_lstm", theta, steps=2)
    torch.testing.assert_close(first["tensors"]["1.weight"]["forget"], PARAMS["1.weight"])
    expected = once["1.weight"] + 2 * first["tensors"]["1.weight"]["forget"]
    torch.testing.assert_close(second["tensors"]["1.weight"]["forget"], expected)


def test_the_l2l_lstm_is_torchs_lstm():
    """Two layers, coordinate by coordinate, against `torch.nn.LSTM` with the same weights."""
    from metaopt_learned._shared.recurrent import log_and_sign

    params, _, theta = stepped("l2l_lstm", steps=3, hidden_size=6)
    reference = torch.nn.LSTM(2, 6, num_layers=2)
    with torch.no_grad():
        for layer, name in enumerate(("first", "second")):
            for part, key in (("ih", "input"), ("hh", "hidden")):
                i, f, o, g = theta[f"{name}.{key}"].chunk(4, dim=-1)
                getattr(reference, f"weight_{part}_l{layer}").copy_(torch.cat([i, f, g, o], dim=-1).T)
                getattr(reference, f"bias_{part}_l{layer}").zero_()
    inputs = log_and_sign(GRADS["0.weight"].reshape(-1)).expand(3, 2, 2)
    outputs, _ = reference(inputs)
    moved = 0.1 * (outputs @ theta["output.weight"] + theta["output.bias"]).sum(0)
    torch.testing.assert_close(params["0.weight"], PARAMS["0.weight"] + moved.detach().reshape(1, 2))


def test_parameters_without_names_are_refused_with_what_to_do():
    theta = {"start.weight": torch.zeros(1, 2), "rate.weight": torch.zeros(1, 2)}
    model = torch.nn.Linear(2, 1, bias=False)
    model(torch.ones(1, 2)).sum().backward()
    optimizer = metaopt.create_optimizer("maml", list(model.parameters()), theta=theta, lr=0.1)
    optimizer.step()  # it needs no name
    optimizer = metaopt.create_optimizer("meta_sgd", list(model.parameters()), theta=theta)
    with pytest.raises(metaopt.InputError, match=r"the model itself rather than its parameters\(\)"):
        optimizer.step()
