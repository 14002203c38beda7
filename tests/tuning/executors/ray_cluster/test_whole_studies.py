"""What is run on a cluster ends as at home: few-shot tasks, meta-trainings, comparisons, recorded runs."""

import numpy as np
import pytest

import metaopt
from metaopt.tuning import portfolio_of_runs, read_runs
from tests.meta.conftest import small_waves
from tests.tuning.executors.ray_cluster.conftest import assert_same_runs
from tests.tuning.recorded.conftest import write

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

QUIET = {"announce": lambda line: None}


@pytest.fixture
def there(nodes):
    return {"executor": "ray", "address": nodes.address, "workers": 1}  # each costs seconds


def test_few_shot_tasks_and_their_meta_trainings(there):
    waves = metaopt.Corpus("waves", (small_waves(num_iterations=9, num_steps=1),))
    study = {"n_trials": 2, "optimizers": ["meta_sgd"], "against": ["sgd"], **QUIET}
    home, cluster = metaopt.tune(waves, **study), metaopt.tune(waves, **study, **there)
    assert cluster.judged == home.judged
    assert cluster.recipe.configuration == home.recipe.configuration
    assert all((cluster.recipe.theta[name] == weights).all() for name, weights in home.recipe.theta.items())
    assert_same_runs(cluster.tuning_comparison, home.tuning_comparison)


def test_comparisons_of_a_recipe(there, make_tasks):
    tasks = make_tasks(2, families=2, num_steps=6, num_validations=3)
    adamw = metaopt.Recipe.create(metaopt.Configuration("adamw", hparams={"adamw.lr": 0.02}))
    assert_same_runs(*(metaopt.evaluate(adamw, tasks, against=["sgd"], **QUIET, **where) for where in ({}, there)))


def test_folds_of_recorded_runs(there, tmp_path):
    generator = np.random.default_rng(0)
    rows = [(f"c{name}", f"t{task}", 1, name + generator.normal()) for name in range(4) for task in range(8)]
    runs = read_runs(write(tmp_path / "runs.csv", rows))
    home = portfolio_of_runs(runs, folds=4)
    cluster = portfolio_of_runs(runs, folds=4, announce=lambda line: None, **there)
    assert cluster.to_json() == home.to_json()
