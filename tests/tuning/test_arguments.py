"""The arguments of a study are checked, written in plain JSON and read again."""

import inspect
import json
from dataclasses import fields

import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.errors import InputError, StorageError
from metaopt.tuning.arguments import StudyArguments

ARGUMENTS = StudyArguments(
    corpus="starter",
    n_trials=7,
    seed=3,
    portfolio=2,
    optimizers=["sgd", "adamw"],
    wrappers=[],
    settings=["sgd.lr=0.1"],
    baseline=Configuration("sgd", hparams={"sgd.lr": 0.5}),
    start_from=[Configuration("adamw", "cosine")],
    folds=2,
    against=["sgd"],
    seeds=5,
    compile="off",
)


def test_json_and_back_is_the_same() -> None:
    assert StudyArguments.from_json(json.loads(json.dumps(ARGUMENTS.to_json()))) == ARGUMENTS
    assert StudyArguments.from_json(json.loads(json.dumps(StudyArguments().to_json()))) == StudyArguments()


def test_ledgers_keep_the_keys_that_they_always_had() -> None:
    """A ledger is read by other versions of metaopt, too: see `tests/fixtures/before_house`."""
    assert json.loads(json.dumps(ARGUMENTS.to_json())) == {
        "against": ["sgd"],
        "baseline": {
            "controller": "constant",
            "hparams": {"sgd.lr": 0.5},
            "no_decay": "1d",
            "optimizer": "sgd",
            "wrappers": [],
        },
        "compile": "off",
        "controllers": None,
        "corpus": "starter",
        "folds": 2,
        "held_out": [],
        "n_trials": 7,
        "optimizers": ["sgd", "adamw"],
        "plugin_files": [],
        "portfolio": 2,
        "seed": 3,
        "seeds": 5,
        "settings": ["sgd.lr=0.1"],
        "start_from": [{"controller": "cosine", "hparams": {}, "no_decay": "1d", "optimizer": "adamw", "wrappers": []}],
        "stoppers": None,
        "wrappers": [],
    }


def test_what_an_earlier_version_did_not_write_has_its_default() -> None:
    assert StudyArguments.from_json({"n_trials": 9}) == StudyArguments(n_trials=9)


def test_what_a_later_version_wrote_is_named() -> None:
    with pytest.raises(StorageError, match="tuned with budget, which this metaopt does not know; use the metaopt that"):
        StudyArguments.from_json({"n_trials": 9, "budget": 3})


def test_tune_has_the_same_defaults() -> None:
    parameters = inspect.signature(metaopt.tune).parameters
    for field in fields(StudyArguments):
        if field.name not in ("corpus", "baseline", "start_from", "plugin_files"):
            assert parameters[field.name].default == field.default, field.name


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("n_trials", 0, "n_trials must be at least 1, got 0"),
        ("n_trials", 2.5, "n_trials must be a whole number, got 2.5"),
        ("portfolio", 0, "portfolio must be at least 1, got 0"),
        ("seed", -1, "seed must be at least 0, got -1"),
        ("seed", True, "seed must be a whole number, got True"),
        ("folds", "3", "folds must be a whole number, got '3'"),
        ("compile", "yes", "compile must be auto, on or off, got 'yes'"),
    ],
)
def test_a_wrong_value_is_refused_by_name(argument: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        StudyArguments(**{argument: value})  # type: ignore[arg-type]


def test_tasks_are_held_out_in_one_way() -> None:
    with pytest.raises(InputError, match="--held-out and --folds exclude each other; choose one"):
        StudyArguments(held_out=["lines"], folds=2)
