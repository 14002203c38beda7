"""The authors' checkpoints of Celo and of Celo with Adam, as weights of the rules here."""

import torch
from torch import Tensor

import metaopt
from metaopt import Params, Tensors
from metaopt_learned._shared import celo_scheduler
from metaopt_learned._shared.small_network import network_shapes
from metaopt_learned._shared.whole_training import check_shapes

#: Where the authors keep the scheduler's weights; the LSTM's first state has names or numbers.
SCHEDULER = {
    "scheduler.hidden": ("lstm_init_state/hidden", "lstm_init_state/0"),
    "scheduler.cell": ("lstm_init_state/cell", "lstm_init_state/1"),
    "scheduler.mix.weight": ("rnn_params/linear_1/w",),
    "scheduler.mix.bias": ("rnn_params/linear_1/b",),
    "scheduler.input.weight": ("rnn_params/linear_2/w",),
    "scheduler.input.bias": ("rnn_params/linear_2/b",),
    "scheduler.rate.weight": ("rnn_params/step_size/w",),
    "scheduler.rate.bias": ("rnn_params/step_size/b",),
}
#: Weights of the checkpoint without effect: an overwritten mixing layer, and controls of a stack of one network.
UNUSED = frozenset(
    {f"rnn_params/linear/{kind}" for kind in "wb"} | {f"rnn_params/rnn_to_controls/{kind}" for kind in "wb"}
)
STACK = "ff_mod_stack/~/"
#: Sizes of the groups of features whose first-layer weights the checkpoint keeps apart.
GROUPS = (1, 1, 1, 3, 1, 3, 1, 3, 1, 3, 3, 3, 3, 3)


def imported(arrays: Params) -> tuple[str, Tensors]:
    """The rule that a checkpoint is for, `celo` or `celo_adam`, and its weights.

    Raises:
        InputError: the checkpoint is of another architecture.
    """
    arrays = {name.removeprefix("theta/"): array.float() for name, array in arrays.items()}
    has_network = any(name.startswith(STACK) for name in arrays)
    used: set[str] = set()
    theta = {ours: _taken(arrays, theirs, used) for ours, theirs in SCHEDULER.items()}
    for name in ("scheduler.hidden", "scheduler.cell", "scheduler.rate.weight", "scheduler.rate.bias"):
        theta[name] = theta[name].reshape(-1)
    theta["scheduler.rate.bias"] = theta["scheduler.rate.bias"].reshape(-1)[0]
    theta.update(_lstm(arrays, used, len(theta["scheduler.hidden"])))
    if has_network:
        theta.update(_network(arrays, used))
    unknown = sorted(arrays.keys() - used - UNUSED)
    if unknown:
        raise metaopt.InputError(
            f"The checkpoint holds {unknown[0]!r}, which Celo does not have: it is of another architecture."
        )
    network = network_shapes(sum(GROUPS), theta, 3) if has_network else {}
    check_shapes("Celo", theta, {**celo_scheduler.shapes(theta), **network})
    return ("celo" if has_network else "celo_adam"), theta


def _lstm(arrays: Params, used: set[str], hidden: int) -> Tensors:
    """The LSTM's weights: the authors have one matrix, gates in another order, and add 1 to the forget gate's bias."""
    weight, bias = (_taken(arrays, (f"rnn_params/rnn/linear/{kind}",), used) for kind in "wb")
    for tensor, shape in ((weight, (2 * hidden, 4 * hidden)), (bias, (4 * hidden,))):
        if tuple(tensor.shape) != shape:
            raise metaopt.InputError(
                f"The checkpoint's LSTM has weights of shape {tuple(tensor.shape)}, Celo's {shape}: it is of another "
                "architecture."
            )
    (i, g, f, o), (bi, bg, bf, bo) = weight.chunk(4, dim=1), bias.chunk(4)
    gates = torch.cat([i, f, o, g], dim=1)
    return {
        "scheduler.lstm.input": gates[:hidden].clone(),
        "scheduler.lstm.hidden": gates[hidden:].clone(),
        "scheduler.lstm.bias": torch.cat([bi, bf + 1, bo, bg]),
    }


def _network(arrays: Params, used: set[str]) -> Tensors:
    names = [f"w0__{group}" for group in range(len(GROUPS))] + ["b0", "w1", "b1", "w2", "b2"]
    layers = {name: _taken(arrays, (STACK + name,), used) for name in names}
    copies = {layer.shape[0] for layer in layers.values() if layer.ndim}
    if copies != {1}:
        raise metaopt.InputError(
            f"The checkpoint mixes {max(copies, default=0)} networks for each tensor, as VeLO does; Celo has one."
        )
    single = {name: layer[0] for name, layer in layers.items()}
    first = torch.cat([single.pop(f"w0__{group}") for group in range(len(GROUPS))])
    return {"w0": first, **single}


def _taken(arrays: Params, names: tuple[str, ...], used: set[str]) -> Tensor:
    for name in names:
        if name in arrays:
            used.add(name)
            return arrays[name]
    raise metaopt.InputError(f"The checkpoint has no {names[0]!r}: it is not one of Celo.")
