"""Lookahead follows pytorch-optimizer's."""

import pytest
import torch


def test_it_is_pytorch_optimizers(waves):
    package = pytest.importorskip("pytorch_optimizer", reason="needs pytorch-optimizer")
    model = waves.model()
    inner = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    theirs = waves.trained(package.Lookahead(inner, k=5, alpha=0.5, pullback_momentum="none"), model)
    found = waves.ours("sgd", "lookahead", lr=0.1, momentum=0.9, **{"lookahead.period": 5, "lookahead.alpha": 0.5})
    torch.testing.assert_close(found, theirs, rtol=1e-9, atol=1e-12)
