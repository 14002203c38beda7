"""The role of each parameter of models as people build them."""

from itertools import pairwise

import pytest
import torch
from torch import nn

import metaopt


class Transformer(nn.Module):
    """As language models are: a table, blocks, a norm, and an output that may share the table."""

    def __init__(self, tied):
        super().__init__()
        self.tokens = nn.Embedding(7, 8)
        self.positions = nn.Parameter(torch.zeros(1, 5, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2)
        self.norm = nn.LayerNorm(8)
        self.lm_head = nn.Linear(8, 7, bias=False)
        if tied:
            self.lm_head.weight = self.tokens.weight


def by_role(model, patterns=None):
    names = {}
    for name, role in metaopt.roles(model, patterns).items():
        names.setdefault(role, []).append(name)
    return {role: own for role, own in names.items() if role != "vector"}


@pytest.mark.parametrize("tied", [False, True])
def test_a_language_model_has_tables_matrices_and_a_head_of_its_own_or_none(tied):
    found = by_role(Transformer(tied))
    parts = ("self_attn.in_proj_weight", "self_attn.out_proj.weight", "linear1.weight", "linear2.weight")
    assert found.pop("matrix") == [f"blocks.layers.{block}.{part}" for block in range(2) for part in parts]
    assert sorted(found.pop("embedding")) == ["positions", "tokens.weight"]
    assert found == ({} if tied else {"head": ["lm_head.weight"]})


def test_the_first_weight_of_a_raw_input_has_a_role_of_its_own():
    mlp = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    assert by_role(mlp) == {"input": ["0.weight"], "matrix": ["3.weight"], "head": ["5.weight"]}
    convolutional = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    assert by_role(convolutional) == {"input": ["0.weight"], "matrix": ["1.weight"], "head": ["3.weight"]}


def test_a_recurrent_layer_on_a_raw_input_sees_it_with_one_of_its_matrices():
    found = by_role(nn.ModuleDict({"rnn": nn.LSTM(3, 4, bidirectional=True), "out": nn.Linear(8, 1)}))
    assert found["input"] == ["rnn.weight_ih_l0", "rnn.weight_ih_l0_reverse"]
    assert found["matrix"] == ["rnn.weight_hh_l0", "rnn.weight_hh_l0_reverse"]
    after_table = nn.ModuleDict({"table": nn.Embedding(9, 3), "rnn": nn.GRU(3, 4), "out": nn.Linear(4, 9)})
    assert by_role(after_table)["matrix"] == ["rnn.weight_ih_l0", "rnn.weight_hh_l0"]


def test_recurrent_layers_alone_have_an_input_in_each_direction_and_no_head():
    found = by_role(nn.LSTM(3, 4, bidirectional=True))
    assert found["input"] == ["weight_ih_l0", "weight_ih_l0_reverse"]
    assert "head" not in found


def test_of_bare_parameters_the_first_sees_the_input():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.W1, self.W2, self.W3 = (nn.Parameter(torch.zeros(size)) for size in ((8, 16), (16, 16), (16, 1)))

    assert by_role(Bare()) == {"input": ["W1"], "matrix": ["W2"], "head": ["W3"]}
    listed = nn.ParameterList(torch.zeros(size) for size in ((8, 16), (16, 16), (16, 1)))
    assert by_role(listed) == {"input": ["0"], "matrix": ["1"], "head": ["2"]}


def test_a_table_that_is_registered_late_sees_the_input_all_the_same():
    class Tutorial(nn.Module):  # in the order of PyTorch's tutorials
        def __init__(self):
            super().__init__()
            self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
            self.embedding = nn.Embedding(7, 8)
            self.linear = nn.Linear(8, 7)

    found = by_role(Tutorial())
    assert found["head"] == ["linear.weight"]
    assert "input" not in found
    late = by_role(nn.ModuleDict({"body": nn.Linear(8, 8), "linear": nn.Linear(8, 7), "table": nn.Embedding(7, 8)}))
    assert late["matrix"] == ["body.weight"]


def test_of_an_encoder_alone_no_matrix_sees_a_raw_input():
    found = by_role(nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2))
    assert list(found) == ["matrix"]


def test_a_language_model_that_is_registered_in_reverse_has_no_raw_input():
    model = nn.ModuleDict({"decoder": nn.Linear(4, 9), "rnn": nn.LSTM(4, 4), "table": nn.Embedding(9, 4)})
    model["decoder"].weight = model["table"].weight
    assert by_role(model) == {"embedding": ["decoder.weight"], "matrix": ["rnn.weight_ih_l0", "rnn.weight_hh_l0"]}


def test_tables_of_positions_stand_beside_a_raw_input():
    model = nn.ModuleDict({"patches": nn.Conv2d(3, 8, 4), "positions": nn.Embedding(5, 8), "head": nn.Linear(8, 2)})
    assert by_role(model)["input"] == ["patches.weight"]
    linear = nn.ModuleDict({"patches": nn.Linear(48, 8), "positions": nn.Embedding(5, 8), "head": nn.Linear(8, 2)})
    assert by_role(linear)["input"] == ["patches.weight"]


def test_a_table_of_labels_stands_beside_images():
    model = nn.ModuleDict({"first": nn.Conv2d(3, 8, 4), "labels": nn.Embedding(5, 8), "last": nn.Conv2d(8, 3, 4)})
    assert by_role(model)["input"] == ["first.weight"]


def test_one_layer_makes_the_output():
    assert by_role(nn.Linear(3, 1)) == {"head": ["weight"]}


def test_adapters_are_matrices_wherever_they_stand_and_frozen_parameters_have_roles_too():
    class Adapted(nn.Module):  # named as PEFT names them
        def __init__(self, inside, outside):
            super().__init__()
            self.base_layer = nn.Linear(inside, outside).requires_grad_(False)
            self.lora_A = nn.ModuleDict({"default": nn.Linear(inside, 2, bias=False)})
            self.lora_B = nn.ModuleDict({"default": nn.Linear(2, outside, bias=False)})

    found = by_role(nn.Sequential(Adapted(3, 4), nn.ReLU(), Adapted(4, 2)))
    assert found["matrix"] == [f"{layer}.lora_{part}.default.weight" for layer in (0, 2) for part in "AB"]
    assert found["input"] == ["0.base_layer.weight"]
    assert found["head"] == ["2.base_layer.weight"]


def test_parameters_without_a_model_are_known_by_their_dimensions():
    tensors = [torch.zeros(2, 3), torch.zeros(3), torch.zeros(4, 3, 2, 2)]
    assert metaopt.roles(tensors) == {"0": "matrix", "1": "vector", "2": "matrix"}
    assert metaopt.roles([("w", tensors[0]), ("b", tensors[1])], {"w": "head"}) == {"w": "head", "b": "vector"}
    assert metaopt.roles(nn.Linear(2, 2).named_parameters()) == {"weight": "matrix", "bias": "vector"}


@pytest.mark.parametrize("wrong", [torch.zeros(2), "model", 3, [3]])
def test_what_is_no_model_is_refused(wrong):
    with pytest.raises(metaopt.InputError, match=r"Roles are those of a model or of a list|Parameters must be tensors"):
        metaopt.roles(wrong)


def perceptron(*widths):
    return nn.Sequential(*(nn.Linear(before, after) for before, after in pairwise(widths)))


AMBIGUOUS = {
    "towers": {"users": perceptron(5, 16, 8), "films": perceptron(7, 16, 8)},
    "actor and critic": {"actor": perceptron(8, 64, 64, 3), "critic": perceptron(8, 64, 64, 1)},
    "an image and a table": {"image": nn.Conv2d(3, 16, 3), "table": nn.Linear(13, 16), "head": nn.Linear(32, 2)},
    "series": {"one": nn.LSTM(3, 16), "other": nn.GRU(5, 16), "head": nn.Linear(32, 2)},
}
PLAIN = {
    "a convolutional net": [nn.Conv2d(3, 16, 3), nn.Conv2d(16, 32, 3), nn.Linear(32 * 49, 64), nn.Linear(64, 10)],
    "skips": [nn.Conv2d(1, 16, 3), nn.Conv2d(16, 32, 3), nn.Conv2d(48, 16, 3), nn.Conv2d(17, 1, 1)],
    "gates": [nn.Linear(9, 64), nn.Linear(32, 64), nn.Linear(16, 64), nn.Linear(64, 2)],
    "a code": [nn.Linear(784, 64), nn.Linear(64, 2), nn.Linear(2, 64), nn.Linear(64, 784)],
    "both directions": [nn.LSTM(3, 16, bidirectional=True), nn.Linear(32, 16), nn.Linear(16, 1)],
}


def of_inputs(modules):
    return [name for name, role in metaopt.roles(modules).items() if role == "input"]


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_of_several_first_matrices_none_is_known(case):
    assert of_inputs(nn.ModuleDict(AMBIGUOUS[case])) == []


@pytest.mark.parametrize("case", PLAIN)
def test_a_chain_of_layers_has_one_first_matrix(case):
    assert len(of_inputs(nn.ModuleList(PLAIN[case]))) == (2 if case == "both directions" else 1)
