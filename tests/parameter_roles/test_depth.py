"""How many layers lie above each parameter."""

import copy

from torch import nn

import metaopt
from metaopt.parameter_roles import layers_above
from metaopt.parameter_roles.depth import layer_names


def above(model):
    return layers_above(model, metaopt.roles(model))


def test_the_head_has_none_and_what_sees_the_input_the_most():
    layers = [nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)]
    assert above(nn.Sequential(*layers)) == {
        "0.weight": 2,
        "0.bias": 2,
        "1.weight": 2,
        "1.bias": 2,
        "3.weight": 1,
        "3.bias": 1,
        "5.weight": 0,
        "5.bias": 0,
    }
    assert above(nn.Linear(3, 1)) == {"weight": 0, "bias": 0}


def test_blocks_are_layers_and_all_tables_are_one():
    blocks = nn.ModuleList(nn.ModuleDict({"up": nn.Linear(4, 8), "down": nn.Linear(8, 4)}) for _ in range(3))
    tables = nn.ModuleDict({"tokens": nn.Embedding(9, 4), "positions": nn.Embedding(5, 4), "norm": nn.LayerNorm(4)})
    model = nn.ModuleDict({"tables": tables, "blocks": blocks, "norm": nn.LayerNorm(4), "head": nn.Linear(4, 9)})
    found = above(model)
    assert {name: count for name, count in found.items() if name.startswith("tables")} == dict.fromkeys(
        ["tables.tokens.weight", "tables.positions.weight", "tables.norm.weight", "tables.norm.bias"], 4
    )
    assert [found[f"blocks.{block}.{part}.weight"] for block in range(3) for part in ("up", "down")] == [
        3,
        3,
        2,
        2,
        1,
        1,
    ]
    assert found["norm.weight"] == 1
    assert found["head.weight"] == found["head.bias"] == 0


def test_a_model_without_a_head_begins_to_count_at_its_last_block():
    blocks = nn.ModuleList(nn.ModuleDict({"up": nn.Linear(4, 8), "down": nn.Linear(8, 4)}) for _ in range(2))
    assert above(nn.ModuleDict({"stem": nn.Linear(3, 4), "blocks": blocks}))["blocks.1.up.weight"] == 0


def test_a_head_that_is_declared_first_is_above_all_the_same():
    model = nn.ModuleDict({"head": nn.Linear(4, 2), "first": nn.Linear(3, 4), "second": nn.Linear(4, 4)})
    assert above(model) == {
        "head.weight": 0,
        "head.bias": 0,
        "first.weight": 2,
        "first.bias": 2,
        "second.weight": 1,
        "second.bias": 1,
    }


def test_of_bare_parameters_each_matrix_begins_a_layer():
    params = dict(enumerate(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4)).parameters()))
    named = {str(place): param for place, param in params.items()}
    assert layers_above(named, metaopt.roles(named)) == {"0": 1, "1": 1, "2": 0, "3": 0}


def test_a_table_inside_a_block_belongs_to_the_block():
    blocks = nn.ModuleList(nn.ModuleDict({"mix": nn.Linear(4, 4), "bias": nn.Embedding(3, 2)}) for _ in range(2))
    found = above(nn.ModuleDict({"tokens": nn.Embedding(9, 4), "blocks": blocks, "head": nn.Linear(4, 9)}))
    assert [found[f"blocks.{block}.bias.weight"] for block in range(2)] == [2, 1]
    assert found["tokens.weight"] == 3


def test_a_backbone_before_a_head_has_a_rate_for_each_of_its_layers():
    backbone = nn.Sequential(*(nn.Linear(8, 8) for _ in range(6)))
    optimizer = metaopt.create_optimizer("adamw", nn.Sequential(backbone, nn.Linear(8, 2)), lr=1.0, depth_decay=0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5**layers for layers in range(6, -1, -1)]


def test_a_norm_before_the_weights_of_its_block_belongs_to_the_block():
    blocks = nn.ModuleList(nn.ModuleDict({"norm": nn.LayerNorm(4), "mix": nn.Linear(4, 4)}) for _ in range(2))
    found = above(nn.ModuleDict({"tokens": nn.Embedding(9, 4), "blocks": blocks, "head": nn.Linear(4, 9)}))
    assert [found[f"blocks.{block}.norm.weight"] for block in range(2)] == [2, 1]


def layers(model):
    return list(dict.fromkeys(layer_names([name for name, _ in model.named_parameters()]).values()))


def mlp(width=4):
    return nn.Sequential(nn.Linear(4, width), nn.GELU(), nn.Linear(width, 4))


def block():
    return nn.ModuleDict({"norm": nn.LayerNorm(4), "mlp": mlp(8)})


def test_a_backbone_before_a_head_is_gone_into():
    backbone = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
    assert layers(nn.Sequential(backbone, nn.Linear(4, 2))) == ["0.0", "0.1", "0.2", "1"]
    assert layers(nn.Sequential(backbone, mlp())) == ["0.0", "0.1", "0.2", "1.0", "1.2"]
    blocks = nn.ModuleDict({"layer": nn.ModuleList(block() for _ in range(2)), "norm": nn.LayerNorm(4)})
    found = layers(nn.Sequential(blocks, nn.Linear(4, 2)))
    assert found == ["0.layer.0", "0.layer.1", "0.norm", "1"]


def test_what_stands_inside_a_block_is_one_layer():
    assert layers(nn.ModuleDict({"blocks": nn.ModuleList(block() for _ in range(2))})) == ["blocks.0", "blocks.1"]
    assert layers(nn.ModuleDict({"blocks": nn.ModuleList([block()])})) == ["blocks.0"]
    assert layers(nn.Sequential(mlp(), mlp())) == ["0", "1"]
    experts = nn.ModuleDict({"experts": nn.ModuleList(block() for _ in range(2)), "norm": nn.LayerNorm(4)})
    assert layers(nn.Sequential(experts, copy.deepcopy(experts))) == ["0", "1"]


def test_blocks_of_one_list_may_differ_in_a_part():
    shortcut = nn.ModuleDict({**dict(block().items()), "downsample": nn.Linear(4, 4)})
    stage = nn.ModuleDict({"layer2": nn.Sequential(shortcut, block()), "fc": nn.Linear(4, 2)})
    assert layers(stage) == ["layer2.0", "layer2.1", "fc"]


def test_stages_that_are_lists_of_blocks_are_gone_into():
    stages = nn.Sequential(*(nn.Sequential(block(), block()) for _ in range(2)))
    assert layers(stages) == ["0.0", "0.1", "1.0", "1.1"]


def test_stages_that_name_their_blocks_are_gone_into():
    def stage(count):
        blocks = nn.Sequential(*(block() for _ in range(count)))
        return nn.ModuleDict({"downsample": nn.Linear(4, 4), "blocks": blocks})

    found = layers(nn.ModuleDict({"stages": nn.ModuleList([stage(2), stage(3)]), "head": nn.Linear(4, 2)}))
    inner = [f"stages.{place}.{part}" for place, part in [(0, "downsample"), (0, "blocks.0"), (0, "blocks.1")]]
    assert found == [*inner, "stages.1.downsample", *(f"stages.1.blocks.{place}" for place in range(3)), "head"]


def test_what_makes_a_weight_belongs_to_its_layer():
    normalised = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    assert layers(nn.Sequential(normalised, block())) == ["0", "1.norm", "1.mlp.0", "1.mlp.2"]
