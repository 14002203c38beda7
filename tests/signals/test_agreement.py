"""Agreement is the cosine between all gradients and all updates, taken as two long vectors."""

import pytest
import torch

from metaopt.signals.agreement import agreement


def randn(*shapes, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def test_it_is_torchs_cosine_of_the_long_vectors():
    gradients, updates = randn((3, 4), (5,), (), seed=0), randn((3, 4), (5,), (), seed=1)
    long = [torch.cat([tensor.flatten() for tensor in tensors]) for tensors in (gradients, updates)]
    expected = torch.nn.functional.cosine_similarity(*long, dim=0)
    assert agreement(gradients, updates).item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize(("update", "expected"), [([6.0, 8.0], 1.0), ([-3.0, -4.0], -1.0), ([4.0, -3.0], 0.0)])
def test_along_against_and_across(update, expected):
    assert agreement([torch.tensor([3.0, 4.0])], [torch.tensor(update)]).item() == pytest.approx(expected, abs=1e-6)


def test_where_nothing_moves_it_is_0():
    assert agreement([torch.zeros(2)], [torch.ones(2)]).item() == 0.0
    assert agreement([torch.ones(2)], [torch.zeros(2)]).item() == 0.0


def test_each_member_has_its_own():
    gradients, updates = randn((3, 4), (3, 2, 2), seed=0), randn((3, 4), (3, 2, 2), seed=1)
    together = agreement(gradients, updates, start=1)
    alone = [agreement([g[i] for g in gradients], [u[i] for u in updates]).item() for i in range(3)]
    assert together.tolist() == pytest.approx(alone, rel=1e-12)
