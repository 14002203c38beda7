import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.stopping import StopperConfiguration
from metaopt.tuning.comparison import REPORT_SEEDS


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
    found = metaopt.evaluate(tmp_path / "mine", tasks, against=["adamw", "adamw+cosine"], tuned=20)
    assert found.contenders == ["recipe", "adamw", "adamw+cosine", "best of 20 trials"]
    runs = found.runs[found.runs["contender"] == "recipe"]
    assert set(runs["seed"]) == set(REPORT_SEEDS)
    assert (runs["steps"] == 6).all()
    assert "Recipe scores" in found.summary()
    assert set(found.table().columns) >= {"contender", "mean_score", "low", "high", "iqm_score", "steps_used"}


def test_what_is_in_a_ledger_is_reused(recipe, tasks, url):
    lines = []
    first = metaopt.evaluate(recipe, tasks, against=["adamw"], storage=url)
    again = metaopt.evaluate(recipe, tasks, against=["adamw"], storage=url, announce=lines.append)
    assert first.table().equals(again.table())


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
