"""`load_corpus` and `as_corpus`: every kind of source, and every object that holds tasks."""

import re
import sys
from functools import partial

import pytest
import torch

import metaopt
from metaopt.errors import InputError, PluginError
from metaopt.plugin import registry
from metaopt.plugin.registry import Registry
from metaopt.tasks.source import as_corpus, task_to_fit
from tests.tasks.example_folders import write_classes

MODULE = """
import torch, metaopt
rows = metaopt.Split(torch.zeros(8, 2), torch.zeros(8, 1))
lines = [metaopt.Task(name="line", family="lines", model=lambda: torch.nn.Linear(2, 1),
                      data=metaopt.Splits(rows, rows, rows), loss=torch.nn.functional.mse_loss)]
def train(recipe, seed):
    yield 1, 0.5
"""


def one_task_corpus():
    rows = metaopt.Split(torch.zeros(8, 2), torch.zeros(8, 1))
    model = partial(torch.nn.Linear, 2, 1)
    data = metaopt.Splits(rows, rows, rows)
    task = metaopt.Task(name="line", family="lines", model=model, data=data, loss=torch.nn.functional.mse_loss)
    return metaopt.Corpus("mine", (task,))


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """A registry of its own."""
    mine = Registry()
    monkeypatch.setattr(registry, "_current", mine)
    mine.register(metaopt.CorpusSpec(name="mine", version="1", load=one_task_corpus))
    return mine


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with a module; forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    (tmp_path / "source_module.py").write_text(MODULE)
    yield tmp_path
    sys.modules.pop("source_module", None)


def test_a_registered_name():
    assert [task.name for task in metaopt.load_corpus("mine")] == ["line"]


def test_a_registered_name_wins_over_a_folder(here):
    (here / "mine").mkdir()
    assert metaopt.load_corpus("mine").name == "mine"
    with pytest.raises(InputError, match="holds no"):
        metaopt.load_corpus("./mine")


def test_a_module_and_attribute(here):
    corpus = metaopt.load_corpus("source_module:lines")
    assert corpus.name == "lines"
    assert [task.name for task in corpus] == ["line"]
    assert isinstance(metaopt.load_corpus("source_module:train")["train"], metaopt.BlackBoxTask)


def test_a_corpus_a_task_and_a_list():
    corpus = one_task_corpus()
    assert metaopt.load_corpus(corpus) is corpus
    assert metaopt.load_corpus(corpus["line"]).tasks == corpus.tasks
    assert metaopt.load_corpus(list(corpus)).tasks == corpus.tasks


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "mien",
            "There is no corpus 'mien'; did you mean 'mine'? known: mine. It is no folder and no 'package.module:",
        ),
        ("data/absent", "'data/absent' does not exist; a corpus is a folder of CSV files, one a task."),
        ("absent.csv", "'absent.csv' does not exist; a corpus is a folder of CSV files, one a task."),
        ("no_such_module:corpus", "There is no module 'no_such_module'; run from the folder that holds it"),
        (7, "The corpus is a int; it must be a Corpus, a Task, several Tasks, or a function train(recipe, seed)."),
    ],
)
def test_what_is_no_source_is_refused_in_one_sentence(source, message):
    with pytest.raises(InputError, match=re.escape(message)):
        metaopt.load_corpus(source)


def test_a_plugin_that_fails_is_named(known):
    known.register(metaopt.CorpusSpec(name="failing", version="1", load=lambda: 1 / 0))
    with pytest.raises(
        PluginError, match=r"Corpus plugin 'failing' failed to load: ZeroDivisionError: division by zero\."
    ):
        metaopt.load_corpus("failing")


def test_a_plugin_that_returns_no_corpus_is_named(known):
    known.register(metaopt.CorpusSpec(name="wrong", version="1", load=list))
    with pytest.raises(InputError, match=r"Corpus plugin 'wrong' must return a metaopt\.Corpus, got list"):
        metaopt.load_corpus("wrong")


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


def one_argument(recipe):
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
    assert [task.name for task in as_corpus(value, "tasks", "it")] == names


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
        (one_argument, "'m:x' takes (recipe); a function must be train(recipe, seed) or take no arguments."),
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


def test_a_folder_that_is_one_task_can_be_fitted_to(tmp_path):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write_classes(tmp_path / "all" / "letters", "ab")
    assert task_to_fit(tmp_path / "all" / "letters").name == "letters"
    assert task_to_fit(str(tmp_path / "all")).family == "image_classification"
    write_classes(tmp_path / "all" / "signs", "ab")
    with pytest.raises(InputError, match="holds 2 tasks of images: letters, signs; name the folder of one, such as"):
        task_to_fit(tmp_path / "all")
    with pytest.raises(InputError, match="A table is a file or a task, got int"):
        task_to_fit(7)


def test_few_shot_tasks_are_not_fitted_to(tmp_path):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write_classes(tmp_path, "ab")
    (tmp_path / "corpus.toml").write_text('task = "episodes"\n')
    with pytest.raises(InputError, match="holds few-shot tasks, for which a recipe is adapted"):
        task_to_fit(tmp_path)
