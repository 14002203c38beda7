"""What each parameter is by itself."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.parameter_roles import fan_in_of
from metaopt.parameter_roles.weights import is_repeated, weights


def kinds(model):
    return {weight.name: weight.kind for weight in weights(model)}


def test_tables_norms_and_biases_are_no_weights():
    model = nn.ModuleDict({"table": nn.EmbeddingBag(3, 2), "norm": nn.LayerNorm((4, 2)), "layer": nn.Linear(2, 1)})
    assert kinds(model) == {
        "table.weight": "embedding",
        "norm.weight": "vector",
        "norm.bias": "vector",
        "layer.weight": "weight",
        "layer.bias": "vector",
    }


def test_parts_of_attention_and_of_recurrent_layers_are_hidden_but_for_what_sees_the_input():
    assert kinds(nn.MultiheadAttention(4, 2, bias=False)) == {"in_proj_weight": "hidden", "out_proj.weight": "hidden"}
    assert kinds(nn.MultiheadAttention(4, 2, bias=False, kdim=3))["k_proj_weight"] == "hidden"
    lstm = kinds(nn.LSTM(3, 4, num_layers=2, bias=False))
    assert lstm == {
        "weight_ih_l0": "weight",
        "weight_hh_l0": "hidden",
        "weight_ih_l1": "hidden",
        "weight_hh_l1": "hidden",
    }
    assert kinds(nn.LSTMCell(3, 4, bias=False)) == {"weight_ih": "weight", "weight_hh": "hidden"}


def test_kernels_are_weights_unless_each_channel_has_its_own():
    assert kinds(nn.Conv2d(1, 8, 3, bias=False)) == {"weight": "weight"}
    assert kinds(nn.Conv2d(8, 1, 1, bias=False)) == {"weight": "weight"}  # of shape (1, 8, 1, 1)
    assert kinds(nn.Conv2d(8, 8, 3, groups=8, bias=False)) == {"weight": "vector"}
    assert kinds(nn.Conv2d(8, 8, 3, groups=2, bias=False)) == {"weight": "weight"}


def test_bare_parameters_are_known_by_shape_and_name():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.pos_embed = nn.Parameter(torch.zeros(1, 5, 4))
            self.scale = nn.Parameter(torch.ones(1, 4, 1))
            self.mixing = nn.Parameter(torch.zeros(4, 4))

    assert kinds(Odd()) == {"pos_embed": "embedding", "scale": "vector", "mixing": "weight"}


def test_the_lengths_of_normalised_weights_are_no_weights():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4, bias=False))
    assert list(kinds(layer).values()) == ["vector", "weight"]


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_the_lengths_of_the_older_normalised_weights_are_no_weights_either():
    model = nn.Sequential(*(nn.utils.weight_norm(nn.Linear(16, size, bias=False)) for size in (16, 1)))
    assert list(kinds(model).values()) == ["vector", "weight"] * 2
    assert list(metaopt.roles(model).values()) == ["vector", "input", "vector", "head"]


def test_bare_matrices_of_the_state_are_hidden():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            for gate in "if":
                setattr(self, f"W_{gate}", nn.Parameter(torch.zeros(3, 4)))
                setattr(self, f"U_{gate}", nn.Parameter(torch.zeros(4, 4)))

    assert list(kinds(Recurrent()).values()) == ["weight", "hidden"] * 2


def test_lazy_layers_are_to_be_run_first():
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 1))
    with pytest.raises(metaopt.InputError, match=r"'0\.weight' is lazy and has no shape yet; run one forward pass"):
        metaopt.roles(model)
    model(torch.zeros(1, 2))
    assert metaopt.roles(model)["0.weight"] == "input"


@pytest.mark.parametrize(
    ("layer", "width"),
    [
        (nn.Linear(784, 3), 784),
        (nn.Conv2d(3, 8, 5), 75),
        (nn.Conv2d(8, 8, 3, groups=4), 18),
        (nn.Embedding(100, 16), 16),
        (nn.LSTM(20, 4), 20),
    ],
)
def test_it_counts_what_torch_s_layers_see(layer, width):
    assert fan_in_of(next(layer.parameters()).shape) == width
    assert fan_in_of((5,)) == fan_in_of(()) == 1


def test_members_that_are_built_alike_are_repeated_and_so_is_what_they_hold():
    blocks = nn.ModuleList(nn.ModuleDict({"mix": nn.Linear(4, 4)}) for _ in range(2))
    model = nn.ModuleDict({"blocks": blocks, "last": nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 2)])})
    assert is_repeated(model, "blocks.1.mix")
    assert not is_repeated(model, "blocks")
    assert not is_repeated(model, "last.1")
