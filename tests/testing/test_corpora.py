"""The kit passes sound corpora and says what is wrong with the others."""

import itertools

import pytest
import torch

import metaopt
from metaopt import testing


def split(count, seed=0):
    inputs = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return metaopt.Split(inputs, inputs.sum(1, keepdim=True))


def examples(value, width=3):
    return metaopt.Split(torch.full((2, width), value), torch.ones(2, 1))


def task(**arguments):
    given = {
        "name": "sum",
        "family": "sums",
        "model": lambda: torch.nn.Linear(3, 1),
        "data": metaopt.Splits(split(40, 0), split(20, 1), split(20, 2)),
        "loss": torch.nn.functional.mse_loss,
    }
    return metaopt.Task(**{**given, **arguments})


def corpus(**arguments):
    return metaopt.CorpusSpec(name="mine", version="1", load=lambda: metaopt.Corpus("mine", (task(**arguments),)))


def test_a_sound_corpus_passes():
    report = testing.check(corpus())
    assert [one.check for one in report.outcomes if one.status != "passed" and "episodes" not in one.check] == []


COUNTER = itertools.count()


@pytest.mark.parametrize(
    ("arguments", "check", "message"),
    [
        (
            {"data": lambda: metaopt.Splits(split(40, next(COUNTER)), split(20, 100), split(20, 200))},
            "loads_the_same_twice",
            "make data and models from seeds of their own",
        ),
        (
            {"data": metaopt.Splits(split(40), split(20), split(20, 1))},
            "splits_are_sound",
            "of the validation examples are in the train split",
        ),
        (
            {"data": metaopt.Splits(split(40), split(20, 1), examples(torch.nan))},
            "splits_are_sound",
            "the test split holds NaN",
        ),
        (
            {"data": metaopt.Splits(split(40), split(20, 1), examples(1.0, width=4))},
            "splits_are_sound",
            "train and test examples differ",
        ),
        ({"loss": lambda output, targets: output - targets}, "losses_are_differentiable", "must be a 0-d tensor"),
        ({"loss": lambda output, targets: output.mean() / 0}, "losses_are_differentiable", "at fresh weights is"),
        ({"loss": lambda output, targets: targets.mean()}, "losses_are_differentiable", "depends on no parameter"),
        ({"model": lambda: Drifting()}, "models_follow_the_seed", "weights of a second model"),
    ],
)
def test_an_unsound_corpus_is_caught(failures, arguments, check, message):
    found = failures(corpus(**arguments))
    assert message in found[check]


class Drifting(torch.nn.Linear):
    """Each one made has other weights, whatever the seed."""

    def __init__(self):
        super().__init__(3, 1)
        torch.nn.init.constant_(self.weight, next(COUNTER))


def test_a_task_that_must_train_in_a_loop_is_told_why_and_not_failed():
    spec = corpus(
        model=lambda: torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    )
    report = testing.check(spec)
    assert report.passed
    (outcome,) = [one for one in report.outcomes if one.status == "skipped" and "episodes" not in one.check]
    assert "1 of 1 tasks train in a loop. sum: BatchNorm1d '1' writes running statistics in place" in outcome.message


#: A part of a task that is made otherwise, and what must be said.
PARTS = {
    "a model that raises": ({"model": lambda: {}["model"]}, "its model function raised KeyError: 'model'"),
    "no model": ({"model": lambda: None}, "model must make a torch.nn.Module, got None."),
    "a frozen model": ({"model": lambda: torch.nn.Linear(3, 1).requires_grad_(False)}, "has nothing to train"),
    "a model of another shape": ({"model": lambda: torch.nn.Linear(4, 1)}, "mat1 and mat2 shapes cannot be multiplied"),
    "data that raise": ({"data": lambda: {}["data"]}, "its data function raised KeyError: 'data'"),
    "no data": ({"data": lambda: None}, "data must be metaopt.Splits or make them, got None."),
    "a loss that raises": ({"loss": lambda output, targets: {}["loss"]}, "It raised KeyError: 'loss'."),
}


@pytest.mark.parametrize(("arguments", "message"), PARTS.values(), ids=PARTS)
def test_one_mistake_is_one_failure(failures, arguments, message):
    ((check, found),) = failures(corpus(**arguments)).items()
    assert check == "loads_a_corpus"
    assert message in found


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (lambda: None, "load must return a metaopt.Corpus, got None."),
        (lambda: [task()], "load must return a metaopt.Corpus, got a list."),
        (lambda: {}["corpus"], "It raised KeyError: 'corpus'."),
        (lambda path: None, "is called without arguments, which it does not take"),
    ],
)
def test_what_is_no_corpus_is_one_failure(failures, load, message):
    ((check, found),) = failures(metaopt.CorpusSpec(name="mine", version="1", load=load)).items()
    assert check == "loads_a_corpus"
    assert message in found
    assert "test_corpora.py:" in found
