import pytest
import torch
import torch.nn.functional as F

from metaopt_corpora._shared.transformer import SmallTransformer


@pytest.fixture
def model():
    torch.manual_seed(0)
    return SmallTransformer(27, 12, width=16)


def test_no_place_sees_what_comes_after_it(model):
    tokens = torch.randint(27, (4, 12))
    changed = tokens.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 27
    logits, other = model(tokens), model(changed)
    assert logits.shape == (4, 27, 12)
    torch.testing.assert_close(logits[:, :, :7], other[:, :, :7])
    assert ((logits - other)[:, :, 7:].abs().amax(dim=(0, 1)) > 0).all()


def test_its_attention_is_that_of_torch(model):
    states = torch.randn(3, 12, 16)
    queries, keys, values = (
        part.unflatten(-1, (2, 8)).transpose(1, 2) for part in model.queries_keys_values(states).chunk(3, dim=-1)
    )
    mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
    torch.testing.assert_close(model._attention(states), model.mixed(mixed.transpose(1, 2).flatten(2)))
