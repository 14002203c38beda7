"""Matching networks: attention over the examples of the support set (Vinyals et al. 2016).

    p(k | x) = Σ_i a_i · [y_i = k],   a = softmax over i of cos(f(x), g(x_i)) / T

Without `context` f and g are the backbone. With it they see the support set S (full context embeddings, the paper's
appendix): g adds to g'(x_i) the outputs of a bidirectional LSTM that reads S in its order, and f is an LSTM that looks
at S `reads` times, with f' = g' the backbone and [ , ] a concatenation,

    ĥ, c ← LSTM(f'(x), [h, r], c),   h ← ĥ + f'(x),   r ← Σ_i softmax(h · g(x_i)) g(x_i)

The paper has no temperature; its cosines lie within ±1, so that attention can hardly be sharp. Queries do not see each
other. A class with more examples has more votes.

When to use it: where classes are no single clusters, so that a mean says little; `context` pays on few classes at most.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt import Tensors, Theta
from metaopt_learners._shared.closeness import cosines


def fit(support: Tensor, labels: Tensor, theta: Theta, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """The examples, in their context where that is asked for."""
    if not hparams["context"]:
        return {"examples": support, "labels": labels}
    forth = _read(support, theta, "forth")
    back = _read(support.flip(0), theta, "back").flip(0)
    return {"examples": support + forth + back, "labels": labels}


def predict(kept: Tensors, queries: Tensor, theta: Theta, hparams: Mapping[str, metaopt.Value]) -> Tensor:
    """Log p."""
    examples = kept["examples"]
    if hparams["context"]:
        queries = _in_context(queries, examples, theta, int(hparams["reads"]))
    attention = (cosines(queries, examples) / float(hparams["temperature"])).log_softmax(dim=1)
    # The logarithm of 0 leaves an example out of the sums of the other classes.
    return (attention.unsqueeze(2) + kept["labels"].log()).logsumexp(dim=1)


def init_theta(shape: tuple[int, ...], generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """The three LSTMs, uniform within ±1/√size as torch's; none without context."""
    if not hparams["context"]:
        return {}
    size = shape[0]
    widths = {"forth": size, "back": size, "query": 2 * size}
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}.{part}": (4 * size, width)
        for name, hidden in widths.items()
        for part, width in (("input", size), ("hidden", hidden))
    }
    shapes.update({f"{name}.bias": (4 * size,) for name in widths})
    return {
        name: (2 * torch.rand(own, generator=generator, dtype=torch.float32) - 1) / size**0.5
        for name, own in shapes.items()
    }


def _cell(inputs: Tensor, hidden: Tensor, cell: Tensor, theta: Theta, name: str) -> tuple[Tensor, Tensor]:
    """One step of an LSTM, shapes (n, d), (n, its width) and (n, d)."""
    gates = inputs @ theta[f"{name}.input"].T + hidden @ theta[f"{name}.hidden"].T + theta[f"{name}.bias"]
    i, f, g, o = gates.chunk(4, dim=-1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def _read(examples: Tensor, theta: Theta, name: str) -> Tensor:
    """The outputs of an LSTM that reads examples one after the other, shape (n, d)."""
    hidden = cell = torch.zeros_like(examples[:1])
    outputs = []
    for position in range(len(examples)):
        hidden, cell = _cell(examples[position : position + 1], hidden, cell, theta, name)
        outputs.append(hidden)
    return torch.cat(outputs)


def _in_context(queries: Tensor, examples: Tensor, theta: Theta, reads: int) -> Tensor:
    hidden, cell = queries, torch.zeros_like(queries)
    for _ in range(reads):
        read = (hidden @ examples.T).softmax(dim=1) @ examples
        hidden, cell = _cell(queries, torch.cat([hidden, read], dim=1), cell, theta, "query")
        hidden = hidden + queries
    return hidden


spec = metaopt.LearnerSpec(
    name="matching_net",
    version="1",
    summary="Attention over the support set's examples, in their context where asked (matching networks).",
    fit=fit,
    predict=predict,
    init_theta=init_theta,
    space={
        "temperature": metaopt.Float(0.01, 1.0, log=True, default=0.1, valid="(0, inf)"),
        "context": metaopt.Categorical((False, True)),
        "reads": metaopt.Int(1, 10, default=5, when=metaopt.When("context", among=(True,)), valid="[1, inf)"),
    },
    references=("https://arxiv.org/abs/1606.04080",),
)
