"""Mistyped keywords get the name that was meant, wherever plugins and tasks are declared; counts are checked alike."""

import copy
import dataclasses
import inspect
import pickle

import numpy as np
import pytest
import torch

import metaopt
from metaopt import InputError, PluginError
from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.errors import check_positive, check_seed, is_count

#: What is made, a keyword mistyped, and the one that was meant.
TYPED = [
    (metaopt.OptimizerSpec, "sumary", "summary"),
    (metaopt.WrapperSpec, "require", "requires"),
    (metaopt.ControllerSpec, "cadance", "cadence"),
    (metaopt.StopperSpec, "fire", "fires"),
    (metaopt.CorpusSpec, "reference_run", "reference_runs"),
    (metaopt.Native, "qualified_name", "qualname"),
    (metaopt.MetaTraining, "estimater", "estimator"),
    (metaopt.Policy, "decision", "decisions"),
    (metaopt.Float, "defualt", "default"),
    (metaopt.Int, "valids", "valid"),
    (metaopt.Categorical, "choice", "choices"),
    (metaopt.When, "abov", "above"),
    (metaopt.Task, "famly", "family"),
    (metaopt.BlackBoxTask, "trian", "train"),
    (metaopt.FewShotTask, "episode", "episodes"),
    (metaopt.Split, "input", "inputs"),
    (metaopt.Splits, "tests", "test"),
    (metaopt.Episodes, "query_target", "query_targets"),
    (metaopt.Corpus, "task", "tasks"),
    (metaopt.Curve, "value", "values"),
    (metaopt.Observation, "horizn", "horizon"),
    (metaopt.Decision, "resaon", "reason"),
    (metaopt.Rate, "absolut", "absolute"),
    (Configuration, "hparam", "hparams"),
    (StopperConfiguration, "stopper", "stoppers"),
    (metaopt.per_tensor, "evaluate", "evaluation"),
    (metaopt.Recipe, "stoper", "stopper"),
    (metaopt.Recipe.bind, "total_step", "total_steps"),
    (metaopt.Recipe.load_initialization, "suport", "support"),
    (metaopt.adapt, "num_step", "num_steps"),
    (metaopt.evaluate, "agains", "against"),
    (metaopt.gradient_evidence, "loss_fun", "loss_fn"),
    (metaopt.import_recipe, "registery", "registry"),
    (metaopt.load_recipe, "registery", "registry"),
    (metaopt.meta_train, "num_iteration", "num_iterations"),
    (metaopt.read_image_folder, "sise", "size"),
    (metaopt.tune, "n_trial", "n_trials"),
]


@pytest.mark.parametrize(("made", "typed", "meant"), TYPED, ids=lambda value: getattr(value, "__name__", value))
def test_a_mistyped_keyword_gets_the_one_that_was_meant(made, typed, meant):
    with pytest.raises(InputError) as caught:
        made(**{typed: 1})
    assert str(caught.value).startswith(f"{made.__name__} takes no {typed!r}; did you mean {meant!r}? It takes ")
    assert len(str(caught.value)) < 400


def test_a_keyword_like_no_other_gets_all_that_there_are():
    with pytest.raises(InputError, match=r"^Rate takes no 'zzz'; it takes value, absolute\.$"):
        metaopt.Rate(1.0, zzz=2)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda tensors: metaopt.create_optimizer("sgd", tensors, total_step=3),
            "create_optimizer takes no 'total_step'; did you mean 'total_steps'?",
        ),
        (
            lambda tensors: metaopt.create_scheduler("cosine", torch.optim.SGD(tensors), total_step=3),
            "create_scheduler takes no 'total_step'; did you mean 'total_steps'?",
        ),
        (
            lambda tensors: metaopt.create_stopper("patience", mod="max"),
            "create_stopper takes no 'mod'; did you mean 'mode'?",
        ),
        (
            lambda tensors: metaopt.create_optimizer("sgd", tensors, momentun=0.9),
            "sgd has no hyperparameter 'momentun'; did you mean 'momentum'? valid: ",
        ),
        (lambda tensors: metaopt.create_optimizer("sgd", tensors, zzz=3), "sgd has no hyperparameter 'zzz'; valid: "),
    ],
)
def test_what_takes_hyperparameters_besides_knows_its_own_keywords_too(call, sentence):
    with pytest.raises(InputError) as caught:
        call([torch.ones(2, requires_grad=True)])
    assert str(caught.value).startswith(sentence)


def test_what_plugins_declare_is_a_plugin_error():
    with pytest.raises(PluginError, match="did you mean 'summary'"):
        metaopt.CorpusSpec(name="mine", version="1", load=dict, sumary="a corpus")
    with pytest.raises(InputError, match="did you mean 'low'"):
        dataclasses.replace(metaopt.Float(0.0, 1.0), lo=0.5)


def test_what_is_missing_or_too_much_is_pythons_own_error():
    with pytest.raises(TypeError, match="missing"):
        metaopt.Float(0.0)
    with pytest.raises(TypeError, match="positional"):
        metaopt.Decision(True, "", None, None, None)


def test_classes_are_what_they_were():
    number = metaopt.Float(0.0, 1.0, default=0.5)
    assert pickle.loads(pickle.dumps(number)) == copy.deepcopy(number) == dataclasses.replace(number) == number
    assert list(inspect.signature(metaopt.Float).parameters) == ["low", "high", "log", "default", "when", "valid"]
    assert metaopt.per_tensor.__doc__.startswith("Make a rule")


@pytest.mark.parametrize("value", [1, 64, np.int64(3), 2**53 - 1])
def test_positive_whole_numbers_are_counts(value):
    assert is_count(value)
    check_positive("steps", value)


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "5", 2**53, float("nan"), [1]])
def test_what_is_none_is_named(value):
    assert not is_count(value)
    with pytest.raises(InputError, match=r"^steps must be a positive whole number, got .*\.$"):
        check_positive("steps", value, or_none=True)


@pytest.mark.parametrize("seed", [0, 7, np.int64(3), 2**32 - 1])
def test_seeds_are_whole_numbers(seed):
    check_seed(seed)


@pytest.mark.parametrize("seed", [-1, True, 1.0, "5", 2**32, None])
def test_what_is_no_seed_is_named(seed):
    with pytest.raises(InputError, match=r"^seed must be a whole number from 0 to 2\^32 - 1, got .*\.$"):
        check_seed(seed)


def test_nothing_will_do_only_where_it_is_allowed():
    check_positive("steps", None, or_none=True)
    with pytest.raises(InputError, match="steps must be a positive whole number, got None"):
        check_positive("steps", None)
