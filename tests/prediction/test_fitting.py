"""A table's model, trained on all rows for as many steps as validation found best."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy import StopperConfiguration
from metaopt.prediction.fitting import FEW, best_on_average


def test_numbers_are_predicted_in_the_targets_unit(tables, new_rows):
    predictor = metaopt.fit("default", tables / "rents.csv")
    assert r2_score(new_rows.rent, predictor.predict(new_rows)) > 0.9
    assert predictor.record.num_rows == 240
    assert predictor.record.num_steps <= predictor.record.planned_steps == 60
    assert set(predictor.record.scores) == {"validation", "test"}


def test_classes_are_predicted_by_name(tables, new_rows):
    predictor = metaopt.fit("default", tables / "lets.csv")
    assert predictor.classes == ("no", "yes")
    assert np.mean(predictor.predict(new_rows) == new_rows.let) > 0.85
    shares = predictor.predict_proba(new_rows)
    np.testing.assert_allclose(shares.sum(1), 1)


@pytest.mark.slow
def test_a_task_is_as_good_as_its_file(tables, new_rows):
    task = next(task for task in metaopt.load_corpus(tables) if task.name == "rents")
    by_task, by_file = (metaopt.fit("default", table, seed=2) for table in (task, tables / "rents.csv"))
    np.testing.assert_array_equal(by_task.predict(new_rows), by_file.predict(new_rows))


def test_the_validated_model_leaves_rows_out(tables):
    sentences = []
    predictor = metaopt.fit("default", tables / "rents.csv", all_rows=False, announce=sentences.append)
    assert predictor.record.num_rows == 144
    assert len(sentences) == 1
    assert sentences[0].startswith("validated: best at step ")


def test_a_warning_is_told_once_whatever_number_of_trainings_it_holds_for(tables):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metaopt.fit("default", tables / "rents.csv", num_steps=5)
    (warning,) = caught
    assert "far outside the range that it was made on: 5 training steps" in str(warning.message)


def test_what_is_reported_is_of_rows_that_the_model_had_not_seen(tables):
    validated = metaopt.fit("default", tables / "rents.csv", all_rows=False)
    task = next(task for task in metaopt.load_corpus(tables) if task.name == "rents")
    with torch.no_grad():
        loss = torch.nn.functional.mse_loss(validated.model(task.splits.test.inputs), task.splits.test.targets)
    assert float(loss) == pytest.approx(validated.record.scores["test"], rel=1e-5)


def test_rows_are_kept_back_where_the_controller_follows_validations(tables):
    recipe = metaopt.Recipe.create(Configuration("adamw", "plateau", hparams={}))
    predictor = metaopt.fit(recipe, tables / "rents.csv")
    assert predictor.record.num_rows == 144
    assert "follows validations" in predictor.record.rows_why


def test_a_stopper_ends_the_validated_training_only(tables):
    impatient = StopperConfiguration("patience", {"patience": 0.01})
    recipe = metaopt.load_recipe("default").with_stopper(impatient)
    predictor = metaopt.fit(recipe, tables / "rents.csv")
    assert predictor.record.num_rows == 240


@pytest.mark.thorough
@pytest.mark.slow
def test_a_result_fits_by_its_recipe(tables, tmp_path, new_rows):
    (tmp_path / "rents.csv").write_bytes((tables / "rents.csv").read_bytes())
    (tmp_path / "corpus.toml").write_text("[rents]\nnum_steps = 20\nnum_validations = 2\n")
    result = metaopt.tune(tmp_path, n_trials=1, optimizers=["sgd"], controllers=["constant"], seed=0, compile="off")
    np.testing.assert_array_equal(
        result.fit(tables / "rents.csv", num_steps=20).predict(new_rows),
        metaopt.fit(result.recipe, tables / "rents.csv", num_steps=20).predict(new_rows),
    )


def test_a_metric_that_is_better_when_higher_chooses_the_step(tables, tmp_path):
    (tmp_path / "lets.csv").write_bytes((tables / "lets.csv").read_bytes())
    (tmp_path / "corpus.toml").write_text('[lets]\nmetric = "auc"\nclass_weights = "balanced"\nnum_steps = 60\n')
    record = metaopt.fit("default", tmp_path / "lets.csv").record
    assert record.metric == "auc"
    assert 0.8 < record.scores["validation"] <= 1


def test_a_task_of_no_table_is_refused(tables):
    task = next(iter(metaopt.load_corpus(tables)))
    splits = metaopt.Splits(task.splits.train, task.splits.validation, task.splits.test)
    with pytest.raises(metaopt.InputError, match="was made from no table and no folder"):
        metaopt.fit("default", dataclasses.replace(task, data=splits))


@pytest.mark.parametrize("steps", [0, -1, 1.5, True])
def test_steps_are_a_positive_whole_number(tables, steps):
    with pytest.raises(metaopt.InputError, match="num_steps must be a positive whole number"):
        metaopt.fit("default", tables / "rents.csv", num_steps=steps)


def test_the_best_step_is_that_of_the_mean_over_divisions():
    curves = [{10: 3.0, 20: 1.0, 30: 2.0}, {10: 3.0, 20: 9.0, 30: 2.5}, {10: 3.0, 20: 9.0, 30: 2.5, 40: 0.0}]
    assert best_on_average(curves, "min") == 30
    assert best_on_average(curves, "max") == 20
    assert best_on_average([{10: float("nan")}], "min") is None
    assert best_on_average([{10: 1.0}, {20: 1.0}], "min") is None


def test_many_validation_rows_need_one_division():
    draw = np.random.default_rng(0)
    X = draw.normal(size=(2 * FEW, 3))
    y = X @ [1.0, 2.0, 3.0] + draw.normal(size=2 * FEW)
    model = metaopt.RecipeRegressor(num_steps=60, validation_fraction=0.5, random_state=0).fit(X, y)
    kept = metaopt.RecipeRegressor(num_steps=60, validation_fraction=0.5, random_state=0, all_rows=False).fit(X, y)
    assert model.num_steps_ == kept.num_steps_
    assert model.predictor_.record.num_rows == 2 * FEW


def test_rows_that_stand_in_groups_are_not_divided_anew(tables, tmp_path):
    (tmp_path / "rents.csv").write_bytes((tables / "rents.csv").read_bytes())
    (tmp_path / "corpus.toml").write_text('[rents]\nnum_steps = 60\ntime = "built"\n')
    kept = metaopt.fit("default", tmp_path / "rents.csv", all_rows=False)
    assert metaopt.fit("default", tmp_path / "rents.csv").record.num_steps == kept.record.num_steps
