"""MAML and its relatives step alike; how their start is learned tells them apart."""

import pytest
import torch


@pytest.mark.parametrize("name", ["maml", "fomaml", "reptile", "proto_maml"])
def test_descent_is_descent(name, stepped):
    params, _, _ = stepped(name, lr=0.1)
    torch.testing.assert_close(params["0.weight"], torch.tensor([[0.99, -2.02]]))
