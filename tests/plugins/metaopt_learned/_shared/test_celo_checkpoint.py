"""The authors' checkpoints of Celo become weights here, gate by gate and group by group."""

import pytest
import torch

import metaopt
from metaopt_learned._shared.celo_checkpoint import GROUPS, STACK, imported

HIDDEN = 3


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def scheduler():
    """Arrays as the authors name them; each gate of the LSTM holds its own number."""
    gates = torch.arange(4.0).repeat_interleave(HIDDEN)
    return {
        "lstm_init_state/hidden": random(1, HIDDEN),
        "lstm_init_state/cell": random(1, HIDDEN),
        "rnn_params/linear/w": random(18, HIDDEN),
        "rnn_params/linear/b": random(HIDDEN),
        "rnn_params/linear_1/w": random(18, HIDDEN, seed=1),
        "rnn_params/linear_1/b": random(HIDDEN, seed=1),
        "rnn_params/linear_2/w": random(18, HIDDEN, seed=2),
        "rnn_params/linear_2/b": random(HIDDEN, seed=2),
        "rnn_params/rnn/linear/w": gates.expand(2 * HIDDEN, -1) + 10 * torch.arange(2.0 * HIDDEN)[:, None],
        "rnn_params/rnn/linear/b": gates,
        "rnn_params/step_size/w": random(HIDDEN, 1),
        "rnn_params/step_size/b": torch.tensor([0.7]),
    }


def network(copies=1):
    groups = {f"{STACK}w0__{index}": torch.full((copies, size, 4), float(index)) for index, size in enumerate(GROUPS)}
    layers = {"b0": (4,), "w1": (4, 4), "b1": (4,), "w2": (4, 3), "b2": (3,)}
    return {**groups, **{STACK + name: random(copies, *shape) for name, shape in layers.items()}}


def test_a_scheduler_alone_is_celo_adams_and_beside_a_network_celos():
    assert imported(scheduler())[0] == "celo_adam"
    assert imported({**scheduler(), **network()})[0] == "celo"
    assert imported({f"theta/{name}": array.double() for name, array in scheduler().items()})[0] == "celo_adam"


def test_gates_come_in_the_order_of_the_cell_here_and_the_forget_gate_has_its_one():
    """The authors order (input, cell, forget, output), the cell here (input, forget, output, cell)."""
    _, theta = imported(scheduler())
    ordered = torch.tensor([0.0, 2.0, 3.0, 1.0]).repeat_interleave(HIDDEN)
    rows = 10 * torch.arange(2.0 * HIDDEN)[:, None]
    assert torch.equal(theta["scheduler.lstm.input"], (ordered + rows)[:HIDDEN])
    assert torch.equal(theta["scheduler.lstm.hidden"], (ordered + rows)[HIDDEN:])
    assert theta["scheduler.lstm.bias"].tolist() == [0.0] * 3 + [3.0] * 3 + [3.0] * 3 + [1.0] * 3


def test_the_other_layers_keep_their_numbers_and_one_without_effect_is_left_out():
    arrays = scheduler()
    _, theta = imported(arrays)
    assert torch.equal(theta["scheduler.mix.weight"], arrays["rnn_params/linear_1/w"])
    assert torch.equal(theta["scheduler.input.weight"], arrays["rnn_params/linear_2/w"])
    assert theta["scheduler.rate.weight"].shape == (HIDDEN,)
    assert float(theta["scheduler.rate.bias"]) == pytest.approx(0.7)
    assert not any(torch.equal(weight, arrays["rnn_params/linear/w"]) for weight in theta.values())


def test_weights_of_groups_of_features_stand_one_after_the_other():
    _, theta = imported({**scheduler(), **network()})
    expected = [float(index) for index, size in enumerate(GROUPS) for _ in range(size)]
    assert theta["w0"][:, 0].tolist() == expected
    assert theta["w2"].shape == (4, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.update({"other": torch.zeros(1)}), "holds 'other', which Celo does not have"),
        (lambda arrays: arrays.pop("rnn_params/linear_1/b"), "has no 'rnn_params/linear_1/b': it is not one of Celo"),
        (
            lambda arrays: arrays.update({"rnn_params/rnn/linear/b": torch.zeros(5)}),
            r"LSTM has weights of shape \(5,\), Celo's \(12,\)",
        ),
        (lambda arrays: arrays.update(network(copies=7)), "mixes 7 networks for each tensor, as VeLO does"),
    ],
)
def test_checkpoints_of_other_architectures_are_refused(change, message):
    arrays = scheduler()
    change(arrays)
    with pytest.raises(metaopt.InputError, match=message):
        imported(arrays)
