"""Which layer each parameter belongs to."""

import copy

from torch import nn

from metaopt.parameter_roles.layer_names import layer_names


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
