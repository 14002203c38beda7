"""The Meta-LSTM's gates, on numbers worked out beside them."""

import torch

from tests.plugins.metaopt_learned.conftest import GRADS, PARAMS


def test_the_meta_lstm_begins_as_descent_at_a_small_rate(stepped):
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


def test_the_meta_lstm_feeds_back_what_comes_before_the_sigmoid(stepped):
    """f_t = θ_{t−1} + 2 f_{t−1} where these two weights are all there are."""
    weight = torch.zeros(22)
    weight[20], weight[21] = 1.0, 2.0
    theta = {"forget.weight": weight, "forget.bias": torch.zeros(())}
    once, first, _ = stepped("meta_lstm", theta)
    _, second, _ = stepped("meta_lstm", theta, steps=2)
    torch.testing.assert_close(first["tensors"]["1.weight"]["forget"], PARAMS["1.weight"])
    expected = once["1.weight"] + 2 * first["tensors"]["1.weight"]["forget"]
    torch.testing.assert_close(second["tensors"]["1.weight"]["forget"], expected)
