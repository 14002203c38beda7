"""Studies search what tasks have of their own beside the optimizer, and hand it over."""

import json

import pytest
import torch
from torch import nn

import metaopt
from metaopt import BlackBoxTask, Configuration, Float, InputError, Int
from metaopt.report import recipe_table
from metaopt.tuning import load_portfolio, rebuild
from metaopt.tuning.own_values import check_values, own_account, own_space, stated, without_effect

SPACE = {"tilt": Float(-1.0, 1.0, default=0.9), "width": Int(1, 8, default=8)}
CHOICE = {
    "optimizers": ["sgd"],
    "controllers": ["constant"],
    "wrappers": [],
    "stoppers": ["divergence"],
    "announce": lambda line: None,
}


def bowl(recipe, seed, tilt, width):
    """Lowest where the tilt is 0 and the width 2; the recipe's rate counts a little."""
    assert recipe.values == {"tilt": tilt, "width": width}
    lr = recipe.configuration.hparams.get("sgd.lr", 0.001)
    for step in (1, 2, 3):
        yield step, 1 + tilt**2 + abs(width - 2) / 8 + 0.01 * abs(lr - 0.1) + 0.001 * seed / step


def jobs(count=1, space=SPACE, train=bowl):
    return [BlackBoxTask(f"job{place}", f"jobs{place % 2}", train=train, space=space) for place in range(count)]


@pytest.fixture(scope="module")
def tuned():
    return metaopt.tune(jobs(), n_trials=16, **CHOICE)


def test_a_study_finds_values_that_are_better_than_the_defaults(tuned):
    values = tuned.recipe.values
    assert abs(values["tilt"]) < 0.6
    assert values == tuned.recipe.configuration.values
    assert tuned.recipe.provenance["own_space"]["width"] == {"default": 8, "searched": "1 to 8"}
    assert {"values.tilt", "values.width"} <= set(tuned.trials_dataframe().columns)
    assert {"values.tilt", "values.width"} <= set(tuned.evaluations_dataframe().columns)


def test_they_are_in_the_recipe_its_table_and_its_code(tuned, tmp_path):
    tuned.recipe.save(tmp_path / "recipe")
    loaded = metaopt.load_recipe(tmp_path / "recipe")
    assert loaded == tuned.recipe
    assert loaded.values == tuned.recipe.values
    assert json.loads((tmp_path / "recipe" / "recipe.json").read_text())["schema"] == 4
    rows = recipe_table(loaded).rows
    place = next(number for number, row in enumerate(rows) if row[0] == "the tasks' own")
    assert (rows[place][1], rows[place][3], rows[place + 1][1], rows[place + 1][3]) == ("tilt", "0.9", "width", "8")
    assert f"'width': {loaded.values['width']!r}" in loaded.code()
    tuned.portfolio.save(tmp_path / "portfolio")
    assert load_portfolio(tmp_path / "portfolio").recipes[0].values == loaded.values


def test_a_study_is_resumed_and_rebuilt_as_if_nothing_had_happened(tuned, url):
    broken, calls = jobs(), []

    def until_told(progress):
        calls.append(progress)
        if len(calls) > 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        metaopt.tune(broken, n_trials=16, storage=url, progress=until_told, **CHOICE)
    again = metaopt.tune(jobs(), n_trials=16, storage=url, **CHOICE)
    assert again.recipe.configuration == tuned.recipe.configuration
    assert [pair[0].params for pair in again.judged] == [pair[0].params for pair in tuned.judged]
    assert rebuild(url, corpus=jobs()).recipe.values == tuned.recipe.values
    narrower = {**SPACE, "tilt": Float(-1.0, 0.95, default=0.9)}
    with pytest.raises(metaopt.StorageError, match=r"space → values → tilt was .Float\(low=-1.0"):
        metaopt.tune(jobs(space=narrower), n_trials=16, storage=url, **CHOICE)


@pytest.mark.thorough
def test_workers_do_as_one_process_does(tuned):
    result = metaopt.tune(jobs(), n_trials=16, workers=2, **CHOICE)
    assert result.recipe.configuration == tuned.recipe.configuration


def test_folds_and_several_tasks_share_what_has_one_name():
    tasks = [*jobs(3), BlackBoxTask("plain", "others", train=lambda recipe, seed: iter([(1, 1.0 + seed / 99)]))]
    assert own_space(tasks) == SPACE
    assert own_account(tasks) == (
        "Searched beside the optimizer: tilt (of job0, job1, job2 alone; no other task changes with it), "
        "width (of job0, job1, job2 alone; no other task changes with it)."
    )
    lines = []
    result = metaopt.tune(tasks, n_trials=4, folds=2, **CHOICE | {"announce": lines.append})
    assert own_account(tasks) in lines
    assert set(result.recipe.values) == set(SPACE)
    assert own_account([tasks[-1]]) == ""


def test_one_name_declared_in_two_ways_is_refused():
    tasks = [*jobs(), BlackBoxTask("other", "jobs", train=bowl, space={**SPACE, "width": Int(1, 9)})]
    with pytest.raises(InputError, match="Tasks 'job0' and 'other' declare their hyperparameter 'width' differently"):
        metaopt.tune(tasks, n_trials=2, **CHOICE)


def test_settings_fix_or_narrow_them():
    result = metaopt.tune(jobs(), n_trials=3, settings=["values.tilt=-0.1..0.1", "values.width=3"], **CHOICE)
    assert all(abs(pair[0].configuration.values["tilt"]) <= 0.1 for pair in result.judged)
    assert {pair[0].configuration.values["width"] for pair in result.judged} == {3}
    with pytest.raises(InputError, match=r"values has no hyperparameter 'height'; it has \['tilt', 'width'\]"):
        metaopt.tune(jobs(), n_trials=2, settings=["values.height=3"], **CHOICE)
    with pytest.raises(InputError, match=r"values\.width must be a whole number in \[1, 8\], got 9"):
        metaopt.tune(jobs(), n_trials=2, settings=["values.width=9"], **CHOICE)
    plain = BlackBoxTask("plain", "others", train=lambda recipe, seed: iter([(1, 1.0)]))
    with pytest.raises(InputError, match="no task has hyperparameters of its own; declare them by space="):
        metaopt.tune([plain], n_trials=2, settings=["values.width=3"], **CHOICE)


def test_known_settings_are_judged_as_they_are_and_teach_the_sampler(tuned):
    known = Configuration("sgd", hparams={"sgd.lr": 0.1}, rate_law=tuned.recipe.rate_law, values={"width": 2})
    result = metaopt.tune(jobs(), n_trials=2, start_from=[known, tuned.recipe], **CHOICE)
    first = next(pair[0] for pair in result.judged if pair[0].number == 0)
    assert first.configuration.values == {"width": 2}
    second = next(pair[0] for pair in result.judged if pair[0].number == 1)
    assert second.params["values.tilt"] == tuned.recipe.values["tilt"]
    with pytest.raises(InputError, match=r"A setting of start_from cannot train here: Task 'job0'\.width must be"):
        metaopt.tune(jobs(), n_trials=2, start_from=[Configuration("sgd", values={"width": 9})], **CHOICE)
    with pytest.raises(InputError, match=r"The baseline cannot train here: Task 'job0'\.tilt must be a number"):
        metaopt.tune(jobs(), n_trials=2, baseline=metaopt.Recipe(Configuration("sgd", values={"tilt": "a"})), **CHOICE)


def test_a_recipe_that_is_a_baseline_has_the_defaults():
    def worse_anywhere_else(recipe, seed, tilt, width):
        yield 1, 1.0 if (tilt, width) == (0.9, 8) and recipe.configuration.hparams == {"adamw.lr": 1e-3} else 9.0

    result = metaopt.tune(jobs(train=worse_anywhere_else), n_trials=3, **CHOICE | {"optimizers": None})
    assert result.recipe.configuration.values == {}
    assert result.recipe.values == {"tilt": 0.9, "width": 8}
    assert result.recipe.to_json()["schema"] == 4


def test_a_recipe_is_evaluated_where_its_values_mean_something_and_where_they_do_not(tuned):
    lines = []
    metaopt.evaluate(tuned.recipe, jobs(), against=["sgd"], announce=lines.append)
    assert not any("change nothing" in line for line in lines)
    plain = BlackBoxTask("plain", "others", train=lambda recipe, seed: iter([(1, 1.0)]))
    metaopt.evaluate(tuned.recipe, [plain], against=["sgd"], announce=lines.append)
    assert "No task here has the recipe's own tilt, width, which change nothing." in lines
    narrow = jobs(space={**SPACE, "tilt": Float(0.9, 1.0)})
    with pytest.raises(InputError, match=r"The recipe cannot train here: Task 'job0'\.tilt must be in \[0\.9, 1\]"):
        metaopt.evaluate(tuned.recipe, narrow, announce=lines.append)


def test_values_that_no_task_has_are_told_apart():
    configuration = Configuration("sgd", values={"tilt": 0.5, "depth": 3})
    assert without_effect(configuration, jobs()) == ["depth"]
    assert stated(configuration, SPACE) == {"values.tilt": 0.5, "values.width": 8}
    check_values([configuration], jobs(), "It")


@pytest.mark.slow
def test_a_supervised_task_is_tuned_with_its_model_and_its_batch_size(make_task):
    def model(width, slope):
        if width == 3:
            raise RuntimeError("no such width")
        return nn.Sequential(nn.Linear(3, width), nn.LeakyReLU(slope), nn.Linear(width, 1))

    space = {"width": Int(1, 4, default=4), "slope": Float(0.0, 1.0), "batch": Int(4, 32, log=True)}
    lines = []
    task = make_task(model=model, space=space, batch_size_of=lambda batch: batch)
    with pytest.warns(RuntimeWarning, match=r"counts as diverged: Task 'line': its model function raised RuntimeError"):
        result = metaopt.tune(
            [task], n_trials=12, settings=["sgd.lr=0.001..0.1"], **CHOICE | {"announce": lines.append}
        )
    assert "line runs in the plain loop: it has hyperparameters of its own." in lines
    assert result.recipe.values["width"] != 3
    assert result.recipe.made_on.batch_size == (result.recipe.values["batch"],) * 2
    assert any(pair[0].configuration.values["width"] == 3 for pair in result.judged)
    torch.manual_seed(0)
    values = {name: result.recipe.values[name] for name in ("width", "slope")}
    assert result.recipe.bind(model(**values), total_steps=10).optimizer.param_groups
