"""Models of sequences: transformers with their norms before, after, or with tied embeddings, and recurrent ones."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Layer(nn.Module):
    """Attention and a perceptron, each with a shortcut: (n, tokens, width) to the same."""

    def __init__(self, width: int, heads: int, *, is_causal: bool = True, is_post_norm: bool = False) -> None:
        super().__init__()
        self.heads, self.is_causal, self.is_post_norm = heads, is_causal, is_post_norm
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        if self.is_post_norm:
            x = self.norm1(x + self.attention(x))
            return self.norm2(x + self.perceptron(x))
        x = x + self.attention(self.norm1(x))
        return x + self.perceptron(self.norm2(x))

    def attention(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts, is_causal=self.is_causal)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))

    def perceptron(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


class LanguageModel(nn.Module):
    """The next token at every place: (n, tokens) to (n, tokens, vocabulary)."""

    def __init__(
        self,
        vocabulary: int,
        context: int,
        width: int,
        layers: int,
        heads: int = 4,
        *,
        is_post_norm: bool = False,
        is_tied: bool = False,
    ) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.layers = nn.Sequential(*(Layer(width, heads, is_post_norm=is_post_norm) for _ in range(layers)))
        self.norm = nn.Identity() if is_post_norm else nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)
        if is_tied:
            self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1])
        return self.head(self.norm(self.layers(self.tokens(tokens) + self.positions(places))))


class Recurrent(nn.Module):
    """Embeddings into `nn.GRU` or `nn.LSTM`: (n, tokens) to (n, tokens, vocabulary)."""

    def __init__(
        self, unit: type[nn.GRU] | type[nn.LSTM], vocabulary: int, width: int, hidden: int, layers: int
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.unit = unit(width, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.unit(self.tokens(tokens))[0])
