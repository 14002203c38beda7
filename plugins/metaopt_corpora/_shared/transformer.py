"""A small transformer, written so that vmap can follow it."""

import torch
from torch import Tensor, nn


class SmallTransformer(nn.Module):
    """One causal block of attention and a perceptron, LayerNorm before each: (n, context) to (n, vocabulary, context).

    Args:
        vocabulary: number of tokens.
        context: places of an input.
        width: of a token's state; a multiple of `heads`.
        heads: of the attention.
    """

    def __init__(self, vocabulary: int, context: int, width: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.embedding = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(0.02 * torch.randn(context, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.mixed = nn.Linear(width, width, bias=False)
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.output = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token at every place."""
        states = self.embedding(tokens) + self.places
        states = states + self._attention(self.norms[0](states))
        states = states + self.layers(self.norms[1](states))
        output: Tensor = self.output(self.norms[2](states)).transpose(1, 2)
        return output

    def _attention(self, states: Tensor) -> Tensor:
        parts = self.queries_keys_values(states).unflatten(-1, (3, self.heads, -1))  # (n, T, 3, heads, width / heads)
        queries, keys, values = (part.transpose(1, 2) for part in parts.unbind(2))
        scores = queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5
        future = torch.ones(states.shape[1], states.shape[1], dtype=torch.bool, device=states.device).triu(1)
        weights = torch.softmax(scores.masked_fill(future, -torch.inf), dim=-1)
        output: Tensor = self.mixed((weights @ values).transpose(1, 2).flatten(2))
        return output
