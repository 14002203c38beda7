import math

import pytest
import torch
from torch import nn

from metaopt.learners import one_hot
from metaopt_learners.matching_net import fit, init_theta, predict

GENERATOR = torch.Generator().manual_seed(0)
SUPPORT = torch.randn(4, 3, generator=GENERATOR)
TARGETS = [0, 1, 1, 0]
QUERIES = torch.randn(2, 3, generator=GENERATOR)


def hparams(**changes):
    return {"temperature": 0.5, "context": False, "reads": 2, **changes}


def answer(values, theta):
    labels = one_hot(torch.tensor(TARGETS), 2, torch.float32)
    return predict(fit(SUPPORT, labels, theta, values), QUERIES, theta, values)


def test_it_is_attention_by_cosines_over_examples():
    """Equation 1 and the kernel of section 2.1.1, example by example, with a temperature."""
    for query, got in zip(QUERIES, answer(hparams(), {}), strict=True):
        votes = [0.0, 0.0]
        for example, target in zip(SUPPORT, TARGETS, strict=True):
            cosine = float(query @ example / (query.norm() * example.norm()))
            votes[target] += math.exp(cosine / 0.5)
        assert got.exp().tolist() == pytest.approx([vote / sum(votes) for vote in votes], rel=1e-4)


def test_support_examples_are_read_forth_and_back_by_an_lstm():
    """As `nn.LSTM` reads them, its outputs added to the features: the paper's appendix A.2."""
    values = hparams(context=True)
    theta = init_theta((3,), torch.Generator().manual_seed(1), values)
    theirs = nn.LSTM(3, 3, bidirectional=True)
    with torch.no_grad():
        for name, suffix in (("forth", ""), ("back", "_reverse")):
            getattr(theirs, f"weight_ih_l0{suffix}").copy_(theta[f"{name}.input"])
            getattr(theirs, f"weight_hh_l0{suffix}").copy_(theta[f"{name}.hidden"])
            getattr(theirs, f"bias_ih_l0{suffix}").copy_(theta[f"{name}.bias"])
            getattr(theirs, f"bias_hh_l0{suffix}").zero_()
        outputs = theirs(SUPPORT)[0]
    kept = fit(SUPPORT, one_hot(torch.tensor(TARGETS), 2, torch.float32), theta, values)
    assert torch.allclose(kept["examples"], SUPPORT + outputs[:, :3] + outputs[:, 3:], atol=1e-6)


def test_queries_read_the_support_set_by_attention():
    """Equations 3 to 6 of appendix A.1, query by query."""
    values = hparams(context=True)
    theta = init_theta((3,), torch.Generator().manual_seed(1), values)
    examples = fit(SUPPORT, one_hot(torch.tensor(TARGETS), 2, torch.float32), theta, values)["examples"]
    for query, got in zip(QUERIES, answer(values, theta), strict=True):
        h, c = query, torch.zeros(3)
        for _ in range(2):
            a = torch.stack([h @ example for example in examples]).softmax(0)
            r = sum(weight * example for weight, example in zip(a, examples, strict=True))
            gates = theta["query.input"] @ query + theta["query.hidden"] @ torch.cat([h, r]) + theta["query.bias"]
            i, f, g, o = gates.split(3)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh() + query
        cosines = torch.stack([h @ example / (h.norm() * example.norm()) for example in examples])
        a = (cosines / 0.5).softmax(0)
        expected = [float(a[0] + a[3]), float(a[1] + a[2])]
        assert got.exp().tolist() == pytest.approx(expected, rel=1e-4)


def test_without_context_it_has_no_weights():
    assert init_theta((3,), torch.Generator(), hparams()) == {}
