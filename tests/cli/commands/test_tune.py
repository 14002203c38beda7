"""One command makes a recipe, says what it bought, continues where it stopped, and names what is wrong."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys

import pandas as pd
import pytest

from metaopt import report
from metaopt.recipe import load_recipe
from metaopt.tuning.portfolio import load_portfolio

pytestmark = pytest.mark.thorough


def evaluations_in(folder):
    with contextlib.closing(sqlite3.connect(folder / "study.db")) as connection:
        return connection.execute("select count(*) from metaopt_evaluations").fetchone()[0]


def decisions(folder):
    recipe = load_recipe(folder / "recipe")
    return recipe.configuration, recipe.stopper


def test_it_leaves_recipe_portfolio_evaluations_and_report(tuned):
    assert tuned.ran.code == 0, tuned.ran.err
    recipe = load_recipe(tuned.folder / "recipe")
    assert load_portfolio(tuned.folder / "portfolio")[0] == recipe
    evaluations = pd.read_csv(tuned.folder / "evaluations.csv")
    assert len(evaluations) == evaluations_in(tuned.folder)
    assert (tuned.folder / "report.html").read_text().startswith("<!doctype html>")
    assert (tuned.folder / "scores.png").read_bytes().startswith(b"\x89PNG")


def test_it_says_what_it_will_cost_before_it_starts_and_how_far_it_is(tuned):
    lines = tuned.ran.err.splitlines()
    assert lines[0].startswith("About to run at most ")
    assert any(line.lstrip()[:1].isdigit() and "% " in line and "left" in line for line in lines)
    assert "A new study created" not in tuned.ran.err


def test_it_ends_with_what_was_found_what_it_is_worth_and_what_it_cost(tuned):
    printed = " ".join(tuned.ran.out.split())
    assert load_recipe(tuned.folder / "recipe").name in printed
    assert "contender held-out tasks tuning tasks middle half" in printed
    assert "Worst tasks" in printed
    assert "Recipe scores " in printed
    assert "random tuning trial" in printed
    assert "that tuning never saw" in printed
    assert f"It cost {evaluations_in(tuned.folder):,} trainings" in printed


def test_its_last_three_lines_are_the_verdict_the_worth_and_the_cost(tuned):
    verdict, worth, cost = tuned.ran.out.splitlines()[-3:]
    recorded = load_recipe(tuned.folder / "recipe").provenance["verdict"]
    assert verdict == recorded["sentence"]
    assert recorded["where"] == "on 6 held-out tasks"
    assert worth.startswith("The first run of a new model is worth ")
    assert cost.startswith("It cost ")
    page = (tuned.folder / "report.html").read_text()
    assert page.index(verdict.split(",")[0]) < page.index("It cost ")


def test_json_is_one_object_with_the_verdict_first(tuned, run, tmp_path, tables_only):
    folder = shutil.copytree(tuned.folder, tmp_path / "out")
    done = run(*tuned.command, "--out", folder, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    recipe = load_recipe(tuned.folder / "recipe")
    assert next(iter(document)) == "verdict"
    assert document["verdict"] == recipe.provenance["verdict"]
    assert document["recipe"]["configuration"] == recipe.configuration.to_json()
    assert document["worth"] in tuned.ran.out
    assert not document["interrupted"]


def test_a_black_box_is_repeated_as_often_as_the_user_says(run, tmp_path):
    for count in ("0", "-1"):
        failed = run("tune", "starter", "--out", tmp_path / "out", "--seeds", count)
        assert failed.code == 2
        assert f"seeds must be at least 1, got {count}" in failed.err


def test_the_same_command_again_trains_nothing(tuned, run, tmp_path, tables_only):
    folder = shutil.copytree(tuned.folder, tmp_path / "out")
    again = run(*tuned.command, "--out", folder)
    assert again.code == 0, again.err
    assert evaluations_in(folder) == evaluations_in(tuned.folder)
    assert decisions(folder) == decisions(tuned.folder)
    assert again.out.replace(str(folder), "") == tuned.ran.out.replace(str(tuned.folder), "")


def test_after_a_timeout_the_same_command_continues(tuned, run, tmp_path, tables_only):
    folder = tmp_path / "out"
    late = run(*tuned.command, "--out", folder, "--timeout", "0.01")
    assert late.code == 2
    assert "The time was up before the references of all tasks were done" in late.err
    assert run(*tuned.command, "--out", folder).code == 0
    assert decisions(folder) == decisions(tuned.folder)


def test_a_smaller_portfolio_leaves_nothing_of_a_larger_one(tuned, run, tmp_path, tables_only):
    folder = shutil.copytree(tuned.folder, tmp_path / "out")
    shutil.copytree(folder / "portfolio" / "1", folder / "portfolio" / "7")
    assert run(*tuned.command, "--out", folder, "--portfolio", "1").code == 0
    assert sorted(entry.name for entry in (folder / "portfolio").iterdir()) == ["1", "portfolio.json"]


def test_a_report_that_fails_costs_nothing_else(tuned, run, tmp_path, monkeypatch):
    def fail(result, folder):
        raise OSError("No space left on device")

    monkeypatch.setattr(report, "write_report", fail)
    folder = shutil.copytree(tuned.folder, tmp_path / "out")
    shutil.rmtree(folder / "recipe")
    failed = run(*tuned.command, "--out", folder)
    assert failed.code == 1
    assert "The report could not be written: OSError: No space left on device; recipe and ledger" in failed.err
    assert decisions(folder) == decisions(tuned.folder)


def test_a_changed_corpus_is_refused_by_name(tuned, run, tmp_path, write_tables):
    corpus = write_tables(tmp_path / "tables")
    with (corpus / "line2.csv").open("a") as table:
        table.write("1.0,2.0,3.0\n")
    folder = shutil.copytree(tuned.folder, tmp_path / "out")
    refused = run("tune", corpus, *tuned.command[2:], "--out", folder)
    assert refused.code == 2
    assert "was begun with other settings: tasks → line2 was " in refused.err
    assert evaluations_in(folder) == evaluations_in(tuned.folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--optimizers", "adamx"],
            "There is no optimizer 'adamx'; did you mean 'adamw'? known: adafactor, adagrad, adamw",
        ),
        (["--controllers", "cosin"], "There is no controller 'cosin'; did you mean 'cosine'?"),
        (["--stoppers", "patients"], "There is no stopper 'patients'; did you mean 'patience'?"),
        (["--stoppers", "any"], "Stopper 'any' has no pure form to tune by replay; choose from ["),
        (["--set", "adamw.lrr=1"], "adamw has no hyperparameter 'lrr'; it has ['beta1', 'beta2', 'eps', 'lr'"),
        (["--set", "adamw.beta1=0.5..1.5"], "adamw.beta1"),
        (["--set", "adamw.lr"], "--set takes plugin.hyperparameter=low..high or =value, got 'adamw.lr'."),
        (["--set", "lion.lr=1e-3", "--optimizers", "adamw"], "'lion' is not among the tuned plugins"),
        (["--held-out", "images"], "--held-out names unknown families ['images']"),
        (["--held-out", "tabular_regression", "--folds", "2"], "exclude each other"),
        (["--folds", "7"], "--folds must be between 2 and the number of tasks, 6"),
        (["--n-trials", "0"], "n_trials must be at least 1, got 0."),
        (["--portfolio", "0"], "portfolio must be at least 1, got 0."),
        (["--timeout", "-1"], "timeout must be a positive number of seconds, got -1."),
        (["--workers", "0"], "workers must be at least 1, got 0."),
        (["--compile", "maybe"], "compile must be auto, on or off, got 'maybe'."),
        (["--device", "cuda"], "--device must be cpu in this version, got 'cuda'."),
        (["--host", "lightening"], "There is no host 'lightening'; did you mean 'lightning'? Known: accelerate, "),
        (
            ["--host", "keras", "--controllers", "greedy"],
            "Keras does not supply loss, which the controller 'greedy' requi",
        ),
        (["--plugin", "nowhere.py"], "Plugin file 'nowhere.py' does not exist"),
        (["--baseline", "nowhere"], "No recipe at 'nowhere'."),
        (["--storage", "study.db"], "cannot be opened: Could not parse SQLAlchemy URL"),
        (["--storage", "study.db"], "write a URL such as 'sqlite:///study.db'."),
        (["--storage", "postgresql://localhost:1/x"], "The storage 'postgresql://localhost:1/x' cannot be opened: "),
        (["--storage", "sqlite:///."], "cannot be opened: unable to open database file; check that it is there"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_computed(tuned, run, tmp_path, own_registry, options, message):
    failed = run("tune", tuned.corpus, "--out", tmp_path / "out", *options)
    assert failed.code == 2
    assert message in failed.err
    assert len(failed.err.splitlines()) == 1
    assert not (tmp_path / "out" / "recipe").exists()


def test_a_corrupt_baseline_is_named(tuned, run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "recipe.json").write_text('{"schema": 1,')
    failed = run("tune", tuned.corpus, "--out", tmp_path / "out", "--baseline", tmp_path / "mine")
    assert failed.code == 2
    assert "recipe.json" in failed.err


def test_a_folder_that_cannot_be_written_is_named_first(run, tmp_path):
    (tmp_path / "file").write_text("")
    failed = run("tune", "nowhere", "--out", tmp_path / "file")
    assert failed.code == 2
    assert failed.err.startswith(f"error: --out {str(tmp_path / 'file')!r} cannot be written: File exists;")


def test_a_corpus_module_that_raises_is_named_with_its_line(tmp_path):
    (tmp_path / "my_tasks.py").write_text("import torch\nraise RuntimeError('the disk is elsewhere')\n")
    command = "from metaopt.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "tune", "my_tasks:corpus", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: Module 'my_tasks' raised RuntimeError: the disk is elsewhere (my_tasks.py, line 2); "
        "fix it and run again.\n"
    )


def test_a_corpus_that_is_nowhere_is_named(run, tmp_path):
    failed = run("tune", "nowhere", "--out", tmp_path)
    assert failed.code == 2
    assert "There is no corpus 'nowhere'; known: omniglot, sinusoids, starter" in failed.err


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["tune", "starter", "--out", ""], "--out is empty"),
        (["tune", "starter", "--out", "  "], "--out is empty"),
        (["tune", "", "--out", "out"], "A corpus without a name is none"),
        (["evaluate", "default", ""], "A corpus without a name is none"),
        (["report", ""], "STUDY is empty"),
        (["report", "sqlite:///x.db", "--out", ""], "--out is empty"),
        (["replay", ""], "CURVES is empty"),
        (["replay", "curves.csv", "--out", ""], "--out is empty"),
        (["replay", "curves.csv", "--plot", ""], "--plot is empty"),
        (["show", "default", "--explain", "--out", ""], "--out is empty"),
    ],
)
def test_an_empty_name_is_not_the_current_folder(run, tmp_path, monkeypatch, command, what):
    monkeypatch.chdir(tmp_path)
    failed = run(*command)
    assert failed.code == 2
    assert failed.err == f"error: {what}; write . for the current folder.\n"


def test_what_to_know_of_texts_is_told_before_they_are_tuned_on(run, media, tmp_path):
    done = run(
        *("tune", media / "languages", "--n-trials", "2", "--optimizers", "sgd", "--controllers", "constant"),
        *("--out", tmp_path / "out"),
    )
    assert done.code == 0, done.err
    assert f"warning: {media / 'languages'}: a single token tells 'english' " in done.err
    assert load_recipe(tmp_path / "out" / "recipe").name
