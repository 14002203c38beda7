"""The LSTM that says updates is torch's."""

import torch

from metaopt_learned._shared.recurrent import log_and_sign
from tests.plugins.metaopt_learned.conftest import GRADS, PARAMS


def test_the_l2l_lstm_is_torchs_lstm(stepped):
    """Two layers, coordinate by coordinate, against `torch.nn.LSTM` with the same weights."""
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


def test_it_learns_no_start_and_weights_do_not_depend_on_the_model(stepped):
    _, _, theta = stepped("l2l_lstm", hidden_size=6)
    assert not any(name.startswith("start.") for name in theta)
    assert theta["first.input"].shape == (2, 24)
    assert theta["second.hidden"].shape == (6, 24)
    assert max(float(tensor.abs().max()) for tensor in theta.values()) <= 6**-0.5
