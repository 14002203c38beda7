"""A study that chooses between adapting and comparing, by number; and what refuses a learner."""

from dataclasses import replace

import pytest

import metaopt
from metaopt.tuning import load_portfolio
from tests.learners.conftest import digit_task, mlp


@pytest.fixture(scope="module")
def corpus():
    return metaopt.Corpus("digits", (digit_task(mlp, num_iterations=18, num_evaluated=12, num_steps=1),))


@pytest.fixture(scope="module")
def result(corpus, tmp_path_factory):
    storage = f"sqlite:///{tmp_path_factory.mktemp('study')}/study.db"
    return metaopt.tune(
        corpus,
        learners=["protonet", "relation_net"],
        optimizers=["meta_sgd"],
        n_trials=5,
        storage=storage,
        against=["baseline"],
        settings=["protonet.embedding=0"],
        announce=lambda line: None,
    )


@pytest.mark.slow
def test_rules_and_learners_are_judged_side_by_side(result):
    rows = result.evaluations_dataframe()
    assert {"protonet", "relation_net", "meta_sgd"} <= set(rows["optimizer"])
    assert result.recipe.configuration.learner in ("protonet", "relation_net")
    assert result.recipe.theta, "the winner's weights come with it"


def test_the_recipe_adapts_and_its_portfolio_has_it_alone(result, tmp_path):
    assert len(result.portfolio) == 1
    result.portfolio.save(tmp_path)
    assert load_portfolio(tmp_path)[0].configuration == result.recipe.configuration
    support, targets, queries, _ = (tensor[0] for tensor in digit_task(mlp).evaluated_episodes("test").tensors)
    assert metaopt.adapt(mlp(), result.recipe, (support, targets))(queries).shape == (10, 2)


@pytest.mark.slow
def test_it_is_compared_with_a_learner_that_is_named(result):
    assert "baseline" in set(result.tuning_comparison.runs["contender"])


def test_a_recipe_is_evaluated_with_its_weights(result, corpus):
    comparison = metaopt.evaluate(result.recipe, corpus, against=["protonet"], announce=lambda line: None)
    assert set(comparison.runs["contender"]) >= {"recipe", "protonet"}


def test_learners_alone_are_chosen_from_where_no_optimizer_is_named(corpus):
    result = metaopt.tune(corpus, learners=["protonet"], n_trials=2, against=[], announce=lambda line: None)
    names = set(result.evaluations_dataframe()["optimizer"])
    assert "meta_sgd" not in names
    assert "protonet" in names


def test_an_ordinary_corpus_is_refused(result):
    starter = metaopt.load_corpus("starter")
    message = "Learners compare examples of episodes, and .* is no few-shot task"
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.tune(starter, learners=["protonet"])
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.evaluate(result.recipe, starter)


def test_features_of_one_tasks_classes_are_refused_for_several():
    several = metaopt.Corpus("two", tuple(replace(digit_task(mlp), name=name) for name in ("one", "other")))
    with pytest.raises(
        metaopt.InputError, match="'baseline' trains features on the classes of one task, and the corpus"
    ):
        metaopt.tune(several, learners=["protonet", "baseline"])


def test_unknown_learners_are_refused(corpus):
    with pytest.raises(metaopt.PluginError, match="There is no learner 'protnet'; did you mean 'protonet'"):
        metaopt.tune(corpus, learners=["protnet"])
