"""A recipe is compared with others on a corpus: as a table, or as JSON for programs."""

import json
import shutil

import pytest

pytestmark = pytest.mark.thorough

COLUMNS = "contender test score middle half recipe ahead lost to steps"


@pytest.fixture(scope="module")
def storage(tuned, tmp_path_factory):
    """A ledger that holds what several comparisons need: a copy, for they add runs on rows that they draw."""
    return f"sqlite:///{shutil.copy(tuned.folder / 'study.db', tmp_path_factory.mktemp('compared'))}"


def test_it_prints_a_table_and_a_sentence(tuned, run, storage):
    done = run(
        "evaluate", tuned.folder / "recipe", tuned.corpus, "--against", "adamw,adamw+cosine", "--storage", storage
    )
    assert done.code == 0, done.err
    printed = " ".join(done.out.split())
    assert COLUMNS in printed
    assert "adamw+cosine" in printed
    assert "Recipe scores " in printed
    verdicts = ("Better than ", "WORSE than ", "Not measurably better than ")
    assert done.out.startswith(verdicts)
    assert " on 6 tasks" in done.out.splitlines()[0]


def test_json_is_one_object(tuned, run, storage):
    done = run("evaluate", tuned.folder / "recipe", tuned.corpus, "--tuned", "5", "--json", "--storage", storage)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["verdict"]["kind"] in ("better", "worse", "level")
    assert document["verdict"]["where"] == "on 6 tasks"
    assert [row["contender"] for row in document["table"]] == [
        "recipe",
        "adamw",
        "schedulefree_adamw",
        "best of 5 random trials",
        "best of 5 TPE trials",
    ]
    assert {row["task"] for row in document["runs"]} == {f"line{index}" for index in range(6)}
    assert document["trials_worth"]["pool"] == 32
    assert document["tpe_trials_worth"]["pool"] == 5
    assert document["summary"].startswith("Recipe scores ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--against", "adamx"], "There is no optimizer 'adamx'; did you mean 'adamw'?"),
        (["--against", "adamw+cosin"], "There is no controller 'cosin'"),
        (["--tuned", "33"], "tuned must be between 0 and 32"),
    ],
)
def test_a_mistake_is_one_sentence(tuned, run, options, message):
    failed = run("evaluate", tuned.folder / "recipe", tuned.corpus, *options)
    assert failed.code == 2
    assert message in failed.err


def test_a_recipe_that_is_not_there_is_named(tuned, run, tmp_path):
    failed = run("evaluate", tmp_path, tuned.corpus)
    assert failed.code == 2
    assert "It holds no recipe.json" in failed.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "talk"])
def test_folders_of_images_and_texts_are_judged_on(run, media, name):
    done = run("evaluate", "default", media / name, "--against", "adamw")
    assert done.code == 0, done.err
    assert " on 1 task" in done.out.splitlines()[0]
    assert f" {name} " in done.out
