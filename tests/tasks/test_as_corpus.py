"""Whatever holds tasks, as a corpus."""

import re
from functools import partial

import pytest
import torch

import metaopt
from metaopt.errors import InputError
from metaopt.tasks.as_corpus import as_corpus


def task(name="line"):
    rows = metaopt.Split(torch.zeros(8, 2), torch.zeros(8, 1))
    return metaopt.Task(
        name=name,
        family="lines",
        model=partial(torch.nn.Linear, 2, 1),
        data=metaopt.Splits(rows, rows, rows),
        loss=torch.nn.functional.mse_loss,
    )


def train(recipe, seed):
    yield 1, 0.5


def other_names(some, more):
    yield 1, 0.5


def with_defaults(recipe=None, seed=0):
    yield 1, 0.5


def two_tasks():
    yield task("a")
    yield task("b")


def fails():
    raise ValueError("no data\ntoday")


def refuses():
    raise InputError("The disk is not mounted.")


def one(recipe):
    """Neither a factory nor a train function."""


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (metaopt.Corpus("mine", (task("a"),)), ["a"]),
        (task("a"), ["a"]),
        ([task("a"), train, task("b")], ["a", "train", "b"]),
        (train, ["train"]),
        (other_names, ["other_names"]),
        (with_defaults, ["with_defaults"]),
        (two_tasks, ["a", "b"]),
        (lambda: metaopt.Corpus("mine", (task("a"),)), ["a"]),
        (lambda: train, ["train"]),
        (metaopt.BlackBoxTask(name="job", family="jobs", train=train), ["job"]),
    ],
)
def test_tasks_are_found_in_it(value, names):
    assert [found.name for found in as_corpus(value, "tasks", "it")] == names


def test_a_train_function_becomes_a_black_box():
    (job,) = as_corpus(train, "tasks", "it")
    assert isinstance(job, metaopt.BlackBoxTask)
    assert (job.family, job.mode, list(job.train(None, 0))) == ("black_box", "min", [(1, 0.5)])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "'m:x' is a int; it must be a Corpus, a Task, several Tasks, or a function train(recipe, seed)."),
        ("text", "'m:x' is a str; it must be a Corpus"),
        ([task("a"), 7], "'m:x', item 1 is a int; it must be a Task or a function train(recipe, seed)."),
        ([two_tasks], "'m:x', item 0 is a function; it must be a Task or a function train(recipe, seed)."),
        (one, "'m:x' takes (recipe); a function must be train(recipe, seed) or take no arguments."),
        (fails, "'m:x' raised ValueError: no data; fix it and run again."),
        (refuses, "The disk is not mounted."),
        (lambda: 7, "'m:x' is a int; it must be a Corpus"),
        ([], "Corpus 'tasks' has no tasks; give it at least one."),
        ([task("a"), task("a")], "Corpus 'tasks' has tasks of the same name: ['a']; rename them."),
    ],
)
def test_what_holds_no_tasks_is_refused_in_one_sentence(value, message):
    with pytest.raises(InputError, match=re.escape(message)):
        as_corpus(value, "tasks", "'m:x'")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("sys:exit", "'sys:exit' raised SystemExit"),
        ("builtins:exit", "'builtins:exit' raised SystemExit"),
        ("builtins:max", "'builtins:max' does not say which arguments it takes"),
        ("os:getcwd", "'os:getcwd' is a str; it must be a Corpus"),
        ("sys:" + "x" * 5_000, "Module 'sys' has no attribute"),
        ("x" * 5_000 + ":y", "There is no module"),
        ("x" * 5_000, "There is no corpus"),
        ("a\0b", "There is no corpus"),
        ("x/" * 5_000, "does not exist; a corpus is a folder"),
    ],
)
def test_what_only_looks_like_a_corpus_is_refused_in_one_short_sentence(source, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        metaopt.load_corpus(source)
    assert len(str(caught.value)) < 500
