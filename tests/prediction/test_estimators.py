"""scikit-learn's interface."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris, make_regression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import metaopt

IRIS, SPECIES = load_iris(return_X_y=True)

#: Few steps, for these are some forty trainings of at most 300 rows each.
QUICK = {"num_steps": 60}


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::UserWarning")
@parametrize_with_checks(
    [estimator(**QUICK, all_rows=False) for estimator in (metaopt.RecipeClassifier, metaopt.RecipeRegressor)]
)  # one training each: what `all_rows` adds is tested below
def test_scikit_learn_finds_nothing_against_it(estimator, check):
    check(estimator)


@pytest.mark.slow
def test_a_classifier_learns_and_says_what_it_saw():
    model = metaopt.RecipeClassifier(random_state=0, num_steps=200).fit(IRIS, SPECIES)
    assert model.score(IRIS, SPECIES) > 0.9
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.n_features_in_ == 4
    assert 0 < model.num_steps_ <= 200
    np.testing.assert_allclose(model.predict_proba(IRIS).sum(1), 1)


@pytest.mark.slow
def test_labels_are_any_that_can_be_sorted():
    names = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
    model = metaopt.RecipeClassifier(random_state=0, **QUICK).fit(IRIS, names)
    assert set(model.predict(IRIS)) <= set(names)
    flags = metaopt.RecipeClassifier(random_state=0, **QUICK).fit(IRIS, SPECIES == 0)
    assert flags.predict(IRIS).dtype == bool


@pytest.mark.slow
def test_the_same_seed_is_the_same_model():
    first, second, other = (
        metaopt.RecipeClassifier(random_state=seed, **QUICK).fit(IRIS, SPECIES).predict_proba(IRIS)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.slow
def test_early_stopping_ends_on_what_validates_best_and_can_be_left_out():
    X, y = make_regression(200, 5, noise=5, random_state=0)
    stopped = metaopt.RecipeRegressor(random_state=0, num_steps=300).fit(X, y)
    assert stopped.predictor_.record.num_rows == 200
    assert "validation" in stopped.predictor_.record.scores
    kept = metaopt.RecipeRegressor(random_state=0, num_steps=300, all_rows=False).fit(X, y)
    assert kept.predictor_.record.num_rows == 160
    blind = metaopt.RecipeRegressor(random_state=0, num_steps=300, validation_fraction=0).fit(X, y)
    assert blind.num_steps_ == 300
    assert blind.predictor_.record.scores == {}


@pytest.mark.slow
def test_frames_may_hold_categories_dates_and_gaps():
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "town": draw.choice(["Rome", "Oslo", None], 200),
            "day": pd.to_datetime("2024-01-01") + pd.to_timedelta(draw.integers(0, 300, 200), "D"),
            "size": np.where(draw.random(200) < 0.1, np.nan, draw.normal(size=200)),
        }
    )
    target = 2 * (frame.town == "Rome") + frame["size"].fillna(0)
    model = metaopt.RecipeRegressor(random_state=0, num_steps=300).fit(frame, target)
    assert model.score(frame, target) > 0.8
    assert model.feature_names_in_.tolist() == ["town", "day", "size"]
    assert np.isfinite(model.predict(frame.assign(town="Nowhere"))).all()


def test_gaps_in_arrays_are_filled_and_infinities_refused():
    X = IRIS.copy()
    X[::5, 0] = np.nan
    model = metaopt.RecipeClassifier(random_state=0, **QUICK).fit(X, SPECIES)
    assert model.score(X, SPECIES) > 0.6
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.predict(X)


@pytest.mark.slow
def test_it_works_in_pipelines_grids_and_clones():
    model = metaopt.RecipeClassifier(random_state=0, **QUICK)
    assert clone(model).get_params() == model.get_params()
    pipeline = make_pipeline(StandardScaler(), model)
    assert cross_val_score(pipeline, IRIS, SPECIES, cv=2).mean() > 0.7
    grid = GridSearchCV(model, {"batch_size": [16, 32]}, cv=2).fit(IRIS, SPECIES)
    assert grid.best_params_["batch_size"] in (16, 32)


def test_the_model_and_the_recipe_are_the_users():
    def linear(num_inputs, num_outputs):
        return torch.nn.Linear(num_inputs, num_outputs)

    recipe = metaopt.load_recipe("default")
    model = metaopt.RecipeClassifier(recipe, model=linear, random_state=0, **QUICK).fit(IRIS, SPECIES)
    assert isinstance(model.predictor_.model, torch.nn.Linear)
    assert model.predict(IRIS[:3]).shape == (3,)


@pytest.mark.slow
def test_rare_classes_weigh_more_where_they_are_balanced():
    draw = np.random.default_rng(0)
    X = draw.normal(size=(600, 2))
    y = (X[:, 0] + draw.normal(size=600) > 1.8).astype(int)
    plain, balanced, weighed = (
        metaopt.RecipeClassifier(random_state=0, class_weight=weight, **QUICK).fit(X, y).predict(X).mean()
        for weight in (None, "balanced", {1: 20.0})
    )
    assert plain < balanced
    assert plain < weighed


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "auc", "f1", "log_loss"])
def test_the_step_is_chosen_by_a_metric(metric):
    model = metaopt.RecipeClassifier(random_state=0, metric=metric, **QUICK).fit(IRIS, SPECIES)
    assert model.predictor_.record.metric == metric


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a positive whole number, got 0"),
        ({"num_steps": 1.5}, "num_steps must be a positive whole number"),
        ({"validation_fraction": 1}, "validation_fraction must be from 0 to below 1, got 1"),
        ({"metric": "acuracy"}, "metric must be one of accuracy"),
        ({"metric": "mse"}, "is a classification, which metric = 'mse'"),
        ({"class_weight": {7: 1.0}}, "class_weight has 7, which is no class of y"),
        ({"class_weight": "unbalanced"}, "class_weight must be 'balanced' or a weight a class"),
        ({"recipe": "defualt"}, "defualt"),
    ],
)
def test_a_mistake_is_one_sentence(params, message):
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.RecipeClassifier(**params).fit(IRIS, SPECIES)
