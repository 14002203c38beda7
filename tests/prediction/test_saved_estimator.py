"""Estimators come back from their folders."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

import metaopt

IRIS, SPECIES = load_iris(return_X_y=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "labels", [SPECIES, np.array(["a", "b", "c"])[SPECIES], np.array(list("abc"), object)[SPECIES]]
)
def test_a_loaded_classifier_predicts_the_same(tmp_path, labels):
    model = metaopt.RecipeClassifier(random_state=0, num_steps=60, batch_size=32).fit(IRIS, labels)
    model.save(tmp_path)
    loaded = metaopt.RecipeClassifier.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(IRIS), model.predict(IRIS))
    assert loaded.predict(IRIS).dtype == model.predict(IRIS).dtype
    assert loaded.get_params() == model.get_params()
    assert loaded.n_features_in_ == 4


def test_a_regressor_keeps_the_names_of_its_columns_and_its_own_recipe(tmp_path):
    frame = pd.DataFrame(IRIS, columns=["a", "b", "c", "d"])
    recipe = metaopt.load_recipe("default")
    model = metaopt.RecipeRegressor(recipe, random_state=0, num_steps=60).fit(frame, SPECIES)
    model.save(tmp_path)
    loaded = metaopt.RecipeRegressor.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(frame), model.predict(frame))
    assert loaded.recipe == recipe
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(frame.rename(columns={"a": "e"}))


def test_a_predictor_can_be_read_without_the_estimator(tmp_path):
    frame = pd.DataFrame(IRIS, columns=["a", "b", "c", "d"])
    model = metaopt.RecipeClassifier(random_state=0, num_steps=60).fit(frame, SPECIES)
    model.save(tmp_path)
    assert metaopt.load_predictor(tmp_path).predict(frame).tolist() == model.predict(frame).astype(str).tolist()


def test_another_kind_is_refused(tmp_path, tables):
    metaopt.RecipeClassifier(num_steps=60).fit(IRIS, SPECIES).save(tmp_path / "estimator")
    with pytest.raises(metaopt.InputError, match="holds a RecipeClassifier, and no RecipeRegressor"):
        metaopt.RecipeRegressor.load(tmp_path / "estimator")
    metaopt.fit("default", tables / "rents.csv", num_steps=30).save(tmp_path / "predictor")
    with pytest.raises(metaopt.InputError, match="holds a predictor alone"):
        metaopt.RecipeRegressor.load(tmp_path / "predictor")


def test_a_function_cannot_be_saved(tmp_path):
    def linear(num_inputs, num_outputs):
        return __import__("torch").nn.Linear(num_inputs, num_outputs)

    model = metaopt.RecipeClassifier(model=linear, num_steps=60).fit(IRIS, SPECIES)
    with pytest.raises(metaopt.InputError, match="made by a function"):
        model.save(tmp_path)
