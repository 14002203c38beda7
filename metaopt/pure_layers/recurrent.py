"""`nn.LSTM`, `nn.GRU` and `nn.RNN` in plain arithmetic, which can be vmapped and differentiated twice.

torch's own are one operation each, without a batching rule; what it decomposes them into writes in place. With x the
input and h the state before a step (https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html):

    LSTM    i, f, g, o = W x + b + U h + d,    c ← σ(f) c + σ(i) tanh(g),    h ← σ(o) tanh(c), projected where asked
    GRU     r, z, n = W x + b  and  U h + d,   h ← (1 − z) tanh(n_x + r n_h) + z h    with r and z through σ
    RNN     h ← tanh(W x + b + U h + d), or its relu
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

#: What goes from step to step: h, and c of an LSTM.
_Hidden: TypeAlias = tuple[Tensor, ...]
#: From W x + b of a step, the hidden state and the weights that act on this to the new hidden state.
_Cell: TypeAlias = Callable[[Tensor, _Hidden, "_LayerWeights"], _Hidden]


class _LayerWeights:
    """The weights of one layer in one direction, which torch has in a row."""

    def __init__(self, row: Sequence[Tensor], has_biases: bool) -> None:
        self.inputs, self.hidden, *others = row
        biases, others = (others[:2], others[2:]) if has_biases else ([], others)
        self.input_bias: Tensor | None
        self.hidden_bias: Tensor | None
        self.input_bias, self.hidden_bias = biases or (None, None)
        self.projection = others[0] if others else None

    def of_hidden(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.hidden, self.hidden_bias)


def _lstm(inputs: Tensor, hidden: _Hidden, weights: _LayerWeights) -> _Hidden:
    i, f, g, o = (inputs + weights.of_hidden(hidden[0])).chunk(4, dim=-1)
    c = f.sigmoid() * hidden[1] + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return (h if weights.projection is None else F.linear(h, weights.projection)), c


def _gru(inputs: Tensor, hidden: _Hidden, weights: _LayerWeights) -> _Hidden:
    input_r, input_z, input_n = inputs.chunk(3, dim=-1)
    r, z, n = weights.of_hidden(hidden[0]).chunk(3, dim=-1)
    update_gate = (input_z + z).sigmoid()
    return ((1 - update_gate) * (input_n + (input_r + r).sigmoid() * n).tanh() + update_gate * hidden[0],)


def _tanh(inputs: Tensor, hidden: _Hidden, weights: _LayerWeights) -> _Hidden:
    return ((inputs + weights.of_hidden(hidden[0])).tanh(),)


def _relu(inputs: Tensor, hidden: _Hidden, weights: _LayerWeights) -> _Hidden:
    return ((inputs + weights.of_hidden(hidden[0])).relu(),)


def _plain(operation: Callable[..., Any], cell: _Cell) -> Callable[..., Any]:
    """Torch's operation on padded sequences, `(input, hidden, weights, …) -> (output, hidden…)`, from its cell.

    Packed sequences, which are `(data, batch_sizes, hidden, weights, …)`, are left to torch.
    """

    def run(inputs: Tensor, hidden: Any, params: Any, *settings: Any) -> Any:
        if len(settings) != 6 or not isinstance(settings[0], bool):
            return operation(inputs, hidden, params, *settings)
        has_biases, num_layers, dropout, train, bidirectional, batch_first = settings
        begins = tuple(hidden) if isinstance(hidden, list | tuple) else (hidden,)
        directions = 2 if bidirectional else 1
        size = len(params) // (num_layers * directions)
        steps = inputs.transpose(0, 1) if batch_first else inputs
        ends: list[_Hidden] = []
        for layer in range(num_layers):
            if layer and train and dropout:
                steps = F.dropout(steps, dropout, training=True)
            outputs = []
            for direction in range(directions):
                number = layer * directions + direction
                weights = _LayerWeights(params[number * size : (number + 1) * size], has_biases)
                state = tuple(begin[number] for begin in begins)
                output, end = _along(cell, steps, state, weights, backwards=direction == 1)
                outputs.append(output)
                ends.append(end)
            steps = torch.cat(outputs, dim=-1)
        output = steps.transpose(0, 1) if batch_first else steps
        return output, *(torch.stack(each) for each in zip(*ends, strict=True))

    return run


def _along(
    cell: _Cell, steps: Tensor, hidden: _Hidden, weights: _LayerWeights, *, backwards: bool
) -> tuple[Tensor, _Hidden]:
    """One layer in one direction: h after each step, and where it ends."""
    outputs = []
    for inputs in _in_turn(F.linear(steps, weights.inputs, weights.input_bias), backwards):
        hidden = cell(inputs, hidden, weights)
        outputs.append(hidden[0])
    return torch.stack(outputs[::-1] if backwards else outputs), hidden


def _in_turn(steps: Tensor, backwards: bool) -> Iterator[Tensor]:
    each = steps.unbind(0)
    return reversed(each) if backwards else iter(each)


#: torch's operations, and what to do in their place.
PLAIN: dict[Any, Callable[..., Any]] = {
    torch.lstm: _plain(torch.lstm, _lstm),
    torch.gru: _plain(torch.gru, _gru),
    torch.rnn_tanh: _plain(torch.rnn_tanh, _tanh),
    torch.rnn_relu: _plain(torch.rnn_relu, _relu),
}
