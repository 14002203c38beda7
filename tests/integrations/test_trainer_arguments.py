import pytest
import torch

import metaopt
from metaopt.integrations.trainer_arguments import (
    evaluates,
    is_pretrained,
    metric_name,
    mode_of,
    observed,
    replaced_arguments,
)

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize(
    ("changes", "name", "mode"),
    [
        ({}, "eval_loss", "min"),
        ({"greater_is_better": True}, "eval_loss", "min"),
        ({"metric_for_best_model": "accuracy"}, "eval_accuracy", "max"),
        ({"metric_for_best_model": "eval_own_loss"}, "eval_own_loss", "min"),
        ({"metric_for_best_model": "perplexity", "greater_is_better": False}, "eval_perplexity", "min"),
    ],
)
def test_the_metric_of_the_best_model_is_observed_in_its_own_orientation(changes, name, mode, arguments):
    args = arguments(**changes)
    assert (metric_name(args), mode_of(args)) == (name, mode)
    assert observed({name: 0.5}, args) == 0.5


def test_a_metric_that_is_missing_is_named_with_those_that_are_there(arguments):
    with pytest.raises(
        metaopt.InputError, match=r"has no 'eval_f1'.*metric_for_best_model to one of eval_loss, eval_x"
    ):
        observed({"eval_x": 1.0, "eval_loss": 2.0}, arguments(metric_for_best_model="f1"))


def test_arguments_of_optimizer_and_schedule_are_those_that_differ_from_their_defaults(arguments):
    assert replaced_arguments(arguments()) == {}
    seq2seq = arguments(transformers.Seq2SeqTrainingArguments, weight_decay=0.1, lr_scheduler_type="cosine")
    assert replaced_arguments(seq2seq) == {"weight_decay": 0.1, "lr_scheduler_type": "cosine"}


def test_whether_a_training_is_evaluated(arguments):
    assert [evaluates(arguments(eval_strategy=strategy)) for strategy in ("no", "epoch")] == [False, True]


def test_loaded_weights_are_told_from_those_of_a_config_that_was_loaded(language_model, tmp_path):
    assert is_pretrained(torch.nn.Linear(2, 1)) is None
    assert is_pretrained(language_model()) is None
    language_model().save_pretrained(tmp_path)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert is_pretrained(loaded) is True
    assert is_pretrained(loaded.to(torch.bfloat16)) is True
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    assert is_pretrained(transformers.AutoModelForCausalLM.from_config(config)) is None
