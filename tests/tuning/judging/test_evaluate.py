import contextlib
import re

import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.seeds import REPORT_SEEDS

pytestmark = pytest.mark.thorough

OWN = ["best of 20 random trials", "best of 20 TPE trials"]


@pytest.fixture
def tasks(make_tasks):
    return make_tasks(2, num_steps=10)


@pytest.fixture
def recipe():
    return metaopt.Recipe.create(
        Configuration("sgd", hparams={"sgd.lr": 0.1}), StopperConfiguration("budget", {"fraction": 0.6})
    )


def test_a_recipe_is_compared_with_defaults_and_with_trials_of_the_task_s_own(recipe, tasks, tmp_path):
    recipe.save(tmp_path / "mine")
    comparison = metaopt.evaluate(tmp_path / "mine", tasks, against=["adamw", "adamw+cosine"], tuned=20)
    assert comparison.contenders == ["recipe", "adamw", "adamw+cosine", *OWN]
    runs = comparison.runs[comparison.runs["contender"] == "recipe"]
    assert set(runs["seed"]) == set(REPORT_SEEDS)
    assert (runs["steps"] == 6).all()
    assert "Recipe scores" in comparison.summary()
    assert comparison.trials_worth().pool == 32
    assert comparison.trials_worth(sampler="tpe").pool == 20
    assert " random and " in comparison.summary()
    assert comparison.summary().endswith(" TPE tuning trials of the task's own.")
    assert set(comparison.table().columns) >= {"contender", "mean_score", "low", "high", "iqm_score", "steps_used"}


def test_what_is_in_a_ledger_is_reused(recipe, tasks, url):
    lines = []
    first = metaopt.evaluate(recipe, tasks, against=["adamw"], storage=url)
    again = metaopt.evaluate(recipe, tasks, against=["adamw"], storage=url, announce=lines.append)
    assert first.table().equals(again.table())


def test_the_cost_is_told_before_and_is_not_exceeded(recipe, tasks, url):
    lines = []
    metaopt.evaluate(recipe, tasks, against=["adamw"], tuned=12, scaled=True, storage=url, announce=lines.append)
    assert re.match(
        r"About to run at most [\d,]+ trainings: 12 of comparisons, 74 of references, 8 of TPE trials, "
        r"36 of scaled tasks; about \d+ s\.",
        lines[0],
    )
    (corrected,) = [line for line in lines if line.startswith("At the pace of the first task, about ")]
    assert lines.index(corrected) == 1
    with contextlib.closing(Ledger(url)) as ledger:
        stored = ledger.evaluations(task.fingerprint for task in tasks)
    assert 12 + 64 < len(stored) <= 12 + 74 + 8
    lines.clear()
    metaopt.evaluate(recipe, tasks, against=["adamw"], storage=url, announce=lines.append)
    assert lines == ["About to run at most 0 trainings."]


def test_a_recipe_is_also_judged_where_it_was_not_tuned(recipe, tasks):
    comparison = metaopt.evaluate(recipe, tasks, against=[], scaled=True)
    assert list(comparison.scaled) == ["batch × ¼", "batch × 4", "steps × 10"]
    assert {len(part.tasks) for part in comparison.scaled.values()} == {2}
    assert metaopt.evaluate(recipe, tasks, against=[]).scaled == {}


@pytest.mark.parametrize("tuned", [-1, 33])
def test_more_trials_than_the_pool_has_are_refused(recipe, tasks, tuned):
    with pytest.raises(metaopt.InputError, match=rf"tuned must be between 0 and 32, .* got {tuned}"):
        metaopt.evaluate(recipe, tasks, tuned=tuned)


def test_unknown_plugins_are_refused_before_anything_runs(recipe, tasks):
    lines = []
    with pytest.raises(metaopt.PluginError, match="There is no optimizer 'adamx'; did you mean 'adamw'"):
        metaopt.evaluate(recipe, tasks, against=["adamx"], announce=lines.append)
    assert lines == []
    with pytest.raises(metaopt.RecipeError, match="nowhere"):
        metaopt.evaluate("nowhere", tasks)
