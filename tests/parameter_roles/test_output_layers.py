"""Which weights make the output."""

from torch import nn

from metaopt.parameter_roles.output_layers import output_weights
from metaopt.parameter_roles.weights import weights


def heads(model):
    return output_weights(model, [weight for weight in weights(model) if weight.kind == "weight"])


def test_it_is_the_last_weight_of_a_model_that_says_nothing():
    assert heads(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4))) == {"2.weight"}
    assert heads(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1))) == {"1.weight"}
    assert heads(nn.Linear(3, 1)) == {"weight"}


def test_a_name_says_more_than_the_order():
    model = nn.ModuleDict({"lm_head": nn.Linear(4, 9), "body": nn.Linear(4, 4)})
    assert heads(model) == {"lm_head.weight"}
    assert heads(nn.ModuleDict({"fc": nn.Linear(4, 9), "extra": nn.Linear(4, 4)})) == {"fc.weight"}


def test_of_a_classifier_of_several_layers_it_is_the_last():
    classifier = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert heads(nn.ModuleDict({"features": nn.Linear(3, 4), "classifier": classifier})) == {"classifier.2.weight"}


def test_several_heads_are_several():
    model = nn.ModuleDict({"body": nn.Linear(3, 4), "heads": nn.ModuleList([nn.Linear(4, 2), nn.Linear(4, 1)])})
    assert heads(model) == {"heads.0.weight", "heads.1.weight"}


def test_a_block_that_comes_several_times_makes_no_output():
    blocks = nn.Sequential(*(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4)) for _ in range(3)))
    assert heads(nn.ModuleDict({"stem": nn.Linear(3, 4), "blocks": blocks})) == set()
    unlike = nn.Sequential(
        nn.Sequential(nn.Linear(3, 4)), nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.Linear(4, 2))
    )
    assert heads(unlike) == {"2.0.weight"}


def test_a_layer_named_fc_inside_a_block_is_no_head():
    squeeze = nn.ModuleDict({"fc": nn.Linear(4, 4)})
    assert heads(nn.ModuleDict({"block": squeeze, "last": nn.Linear(4, 2)})) == {"last.weight"}


def test_a_head_that_peft_trains_and_the_one_that_it_found_are_heads():
    class Saved(nn.Module):  # named as PEFT's ModulesToSaveWrapper names them
        def __init__(self):
            super().__init__()
            self.original_module = nn.Linear(4, 2).requires_grad_(False)
            self.modules_to_save = nn.ModuleDict({"default": nn.Linear(4, 2)})

    model = nn.ModuleDict({"body": nn.Linear(3, 4), "classifier": Saved()})
    assert heads(model) == {"classifier.original_module.weight", "classifier.modules_to_save.default.weight"}
