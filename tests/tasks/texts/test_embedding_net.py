"""The mean of embeddings, as a product of counts."""

import torch
import torch.nn.functional as F

from metaopt.tasks.texts.embedding_net import EmbeddingNet


def test_it_is_the_mean_of_the_embeddings_that_torch_looks_up():
    torch.manual_seed(0)
    model = EmbeddingNet(20, 3)
    tokens = torch.randint(1, 20, (6, 9))
    tokens[2, 4:] = tokens[3] = 0
    lengths = (tokens > 0).sum(1, keepdim=True)
    bags = torch.nn.EmbeddingBag.from_pretrained(model.embedding.weight, mode="mean", padding_idx=0)(tokens)
    expected = model.head(F.relu(model.hidden(torch.where(lengths > 0, bags, torch.zeros_like(bags)))))
    torch.testing.assert_close(model(tokens), expected)


def test_nothing_is_learned_for_what_stands_for_nothing():
    model = EmbeddingNet(20, 3)
    model(torch.tensor([[1, 2, 0, 0]])).sum().backward()
    rows = model.embedding.weight.grad.abs().sum(1)
    assert rows[0] == 0
    assert (rows[[1, 2]] > 0).all()


def test_its_size_and_how_it_widens():
    count = sum(parameter.numel() for parameter in EmbeddingNet(100, 5).parameters())
    assert count == 100 * 32 + (32 * 64 + 64) + (64 * 5 + 5)
    assert EmbeddingNet(100, 5, 2.0).hidden.out_features == 128
