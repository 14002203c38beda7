"""Which weights make the output."""

import copy

import pytest
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


def karpathy(blocks):
    """As in lectures on GPT: heads of attention are a list that is called heads."""
    head = {name: nn.Linear(8, 4, bias=False) for name in ("key", "query", "value")}

    def block():
        attention = nn.ModuleDict({"heads": nn.ModuleList(nn.ModuleDict(head) for _ in range(2)), "proj": linear()})
        return nn.ModuleDict(
            {"sa": copy.deepcopy(attention), "ffwd": nn.Sequential(nn.Linear(8, 32), nn.Linear(32, 8))}
        )

    return nn.Sequential(*(block() for _ in range(blocks)))


def linear(outputs=8):
    return nn.Linear(8, outputs)


@pytest.mark.parametrize("blocks", [1, 3])
def test_heads_of_attention_make_no_output(blocks):
    model = nn.ModuleDict({"table": nn.Embedding(5, 8), "blocks": karpathy(blocks), "lm_head": linear(5)})
    assert heads(model) == {"lm_head.weight"}
    model = nn.ModuleDict({"table": nn.Embedding(5, 8), "blocks": karpathy(blocks), "last": linear(5)})
    assert heads(model) == {"last.weight"}


def test_scores_of_attention_are_followed_by_what_makes_the_output():
    attention = nn.ModuleDict({"key": linear(), "score": linear(1)})
    assert heads(nn.ModuleDict({"rnn": nn.GRU(3, 8), "attention": attention, "last": linear(5)})) == {"last.weight"}
    assert "last.weight" in heads(nn.ModuleDict({"body": linear(), "score": linear(1), "last": linear(5)}))
    assert heads(nn.ModuleDict({"body": linear(), "score": linear(5)})) == {"score.weight"}


def test_what_is_called_a_head_within_a_part_may_be_followed_by_another():
    backbone = nn.ModuleDict({"body": linear(), "head": linear()})
    assert heads(nn.ModuleDict({"backbone": backbone, "last": linear(5)})) == {"backbone.head.weight", "last.weight"}


def test_recurrent_layers_make_no_output():
    assert heads(nn.LSTM(3, 4, bidirectional=True)) == set()
    assert heads(nn.ModuleDict({"decoder": linear(5), "rnn": nn.LSTM(3, 8)})) == {"decoder.weight"}


@pytest.mark.parametrize("names", [("policy_head", "value_head"), ("actor", "critic"), ("pi", "v"), ("mu", "log_std")])
def test_of_two_outputs_both_are_heads(names):
    model = nn.ModuleDict({"body": linear(), names[0]: linear(4), names[1]: linear(1)})
    assert heads(model) == {f"{name}.weight" for name in names}


def test_members_of_a_list_that_see_the_same_are_heads():
    assert heads(nn.ModuleDict({"body": linear(), "outs": nn.ModuleList(linear() for _ in range(2))})) == {
        "outs.0.weight",
        "outs.1.weight",
    }
    several = nn.ModuleList([linear(3), linear(4), linear(2)])
    assert len(heads(nn.ModuleDict({"body": linear(), "several": several}))) == 3
    chain = nn.ModuleList([linear(), linear(), linear(2)])
    assert heads(nn.ModuleDict({"chain": chain})) == {"chain.2.weight"}


def test_layers_that_weigh_or_gate_stand_beside_no_output():
    assert heads(nn.ModuleDict({"attn": linear(1), "last": linear(5)})) == {"last.weight"}
    assert heads(nn.Sequential(linear(4), nn.Upsample(8), linear(2))) == {"2.weight"}
