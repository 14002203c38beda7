"""Recurrent cells that read characters and say the next one; vmap follows cells, which it does not `nn.LSTM`."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

import metaopt
from benchmarks.corpora import judging_rows
from benchmarks.corpora.ladder.family import Family
from benchmarks.corpora.ladder.transformers import CHARACTERS, character_splits
from metaopt_corpora.sequences import GRU


def families(folder: Path) -> list[Family]:
    """A gated recurrent unit on Tiny Shakespeare, a long short-term memory on WikiText-2."""
    shakespeare = partial(last_character_splits, judging_rows.shakespeare, folder)
    wikitext = partial(last_character_splits, judging_rows.wikitext_validation, folder)
    middle = {"width": 32, "context": 16, "batch": 32, "horizon": 300}
    return [
        Family(
            "gru",
            partial(reader, GRU),
            shakespeare,
            middle,
            {"width": (4,), "batch": (4,), "horizon": (4,)},
        ),
        Family("lstm", partial(reader, LSTM), wikitext, middle, {"width": (4,)}),
    ]


def reader(unit: type[nn.Module], width: int, context: int) -> nn.Module:
    """Embeddings half as wide as the state, into a unit: (n, context) to (n, V)."""
    embedding = nn.Embedding(CHARACTERS + 1, width // 2)
    return nn.Sequential(embedding, unit(width // 2, width, CHARACTERS + 1))


class LSTM(nn.Module):
    """A long short-term memory and a linear layer on its last state (Hochreiter & Schmidhuber, 1997).

    `i, f, o = σ(W x + U h)`, `g = tanh(W x + U h)`, `c ← f c + i g`, `h ← o tanh(c)`; f begins near σ(1).
    """

    def __init__(self, num_inputs: int, num_hidden: int, num_outputs: int) -> None:
        super().__init__()
        self.num_hidden = num_hidden
        self.from_input = nn.Linear(num_inputs, 4 * num_hidden)
        self.from_state = nn.Linear(num_hidden, 4 * num_hidden, bias=False)
        self.output = nn.Linear(num_hidden, num_outputs)

    def forward(self, sequences: Tensor) -> Tensor:
        """Shape (n, steps, num_inputs) to (n, num_outputs)."""
        state = memory = sequences.new_zeros(len(sequences), self.num_hidden)
        for given in self.from_input(sequences).unbind(dim=1):
            entered, kept, shown, new = (given + self.from_state(state)).chunk(4, dim=1)
            memory = torch.sigmoid(kept + 1) * memory + torch.sigmoid(entered) * torch.tanh(new)
            state = torch.sigmoid(shown) * torch.tanh(memory)
        output: Tensor = self.output(state)
        return output


def last_character_splits(read, folder: Path, context: int) -> metaopt.Splits:  # type: ignore[no-untyped-def]
    """The character after the last place alone."""
    splits = character_splits(read, folder, context)
    return metaopt.Splits(
        *(
            metaopt.Split(part.inputs, part.targets[:, -1].clone())
            for part in (splits.train, splits.validation, splits.test)
        )
    )
