"""Few-shot corpora in a study: candidates meta-train, budgets race, the winner comes with weights."""

import dataclasses
from collections import Counter

import pytest
import torch

import metaopt
from metaopt.meta.evaluation import few_shot_metrics
from metaopt.plugin.registry import current_registry
from metaopt.tuning.search.racing import race_order, rungs_of, with_budgets
from tests.meta.conftest import small_waves

QUIET = {"announce": lambda line: None}
LEARNED = ("meta_sgd", "maml")


def corpus(**changes):
    return metaopt.Corpus("waves", (small_waves(num_iterations=90, num_steps=1, **changes),))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    storage = f"sqlite:///{tmp_path_factory.mktemp('study') / 'study.db'}"
    result = metaopt.tune(corpus(), n_trials=4, optimizers=LEARNED, storage=storage, against=["sgd"], **QUIET)
    return storage, result


def test_candidates_are_judged_after_a_ninth_a_third_and_all_of_the_iterations():
    order = race_order(with_budgets(corpus().tasks))
    assert [task.num_iterations for task in order] == [10, 30, 90]
    assert rungs_of(order) == [1, 2, 3]
    assert len({task.fingerprint for task in order}) == 3


@pytest.mark.slow
def test_the_result_is_a_recipe_with_weights_that_adapts(tuned, tmp_path):
    _, result = tuned
    assert result.recipe.configuration.optimizer in LEARNED
    result.recipe.save(tmp_path)
    recipe = metaopt.load_recipe(tmp_path)
    assert recipe.theta.keys() == result.recipe.theta.keys()
    task = corpus().tasks[0]
    fresh = metaopt.Recipe.create(metaopt.Configuration("sgd", hparams={"sgd.lr": 0.01}))
    learned, untrained = (
        few_shot_metrics(recipe_with_weights, task, current_registry()).mean()
        for recipe_with_weights in (recipe, fresh)
    )
    assert learned < untrained
    assert recipe.stopper is None


def test_later_rungs_have_fewer_candidates(tuned):
    _, result = tuned
    learned = [
        evaluation
        for evaluation in result.evaluations
        if evaluation.key.seed == 0 and evaluation.configuration.optimizer in LEARNED
    ]
    counts = Counter(evaluation.task for evaluation in learned)
    assert counts["sinusoids_10_shot (10 iterations)"] > counts["sinusoids_10_shot"] > 0


def test_the_same_command_again_computes_nothing(tuned):
    storage, result = tuned
    lines = []
    again = metaopt.tune(
        corpus(), n_trials=4, optimizers=LEARNED, storage=storage, against=["sgd"], announce=lines.append
    )
    assert len(again.evaluations) == len(result.evaluations)
    assert all(torch.equal(weights, result.recipe.theta[name]) for name, weights in again.recipe.theta.items())


def test_a_recipe_with_weights_is_evaluated_as_it_is(tuned):
    """Nothing is meta-trained: three seeds adapt on the same episodes, and a learned start has no luck."""
    _, result = tuned
    comparison = metaopt.evaluate(result.recipe, corpus(), against=["sgd"], **QUIET)
    own = comparison.runs[comparison.runs["contender"] == "recipe"]
    assert own["test"].nunique() == 1
    expected = few_shot_metrics(result.recipe, corpus().tasks[0], current_registry()).mean()
    assert own["test"].iloc[0] == pytest.approx(float(expected), rel=1e-5)


def test_learned_rules_need_weights_for_ordinary_tasks(make_task):
    with pytest.raises(metaopt.InputError, match="'l2l_lstm' has no weights to train 'line' with"):
        metaopt.tune([make_task()], n_trials=2, optimizers=["l2l_lstm"], **QUIET)


def test_weights_for_another_model_are_refused_by_the_parameters_name(tuned, make_task):
    _, result = tuned
    with pytest.raises(metaopt.InputError, match="Nothing was learned for the parameter 'weight'"):
        metaopt.evaluate(result.recipe, [make_task()], **QUIET)


@pytest.mark.slow
def test_a_rule_without_a_start_trains_ordinary_tasks_with_its_weights(make_task):
    task = make_task(num_steps=30)
    result = metaopt.meta_train(
        "l2l_lstm", [task], {"hidden_size": 4, "outer_lr": 0.01}, num_iterations=40, compile="off"
    )
    comparison = metaopt.evaluate(result.recipe, [task], against=[], **QUIET)
    assert comparison.runs["test"].notna().all()


def test_mixed_corpora_and_folds_are_refused(make_task):
    with pytest.raises(metaopt.InputError, match="mixes few-shot tasks"):
        metaopt.tune([*corpus().tasks, make_task()], **QUIET)
    with pytest.raises(metaopt.InputError, match="leave out --folds"):
        metaopt.tune(corpus(), folds=2, **QUIET)


def test_a_candidate_that_diverges_scores_worst_and_ends_nothing():
    class Broken:
        fingerprint = "broken"

        def sample(self, partition, count, generator):
            drawn = small_waves().source.sample(partition, count, generator)
            return metaopt.Episodes(drawn.support_inputs * float("nan"), *drawn.tensors[1:])

    task = dataclasses.replace(corpus().tasks[0], episodes=Broken(), num_iterations=5)
    from metaopt.configuration import Configuration, assemble
    from metaopt.tuning.running.learned_tasks import run_few_shot

    curve, _ = run_few_shot(task, assemble(Configuration("maml"), current_registry()), 0)
    assert curve.diverged


def test_what_is_said_of_it_is_about_unseen_episodes(tuned):
    from metaopt.report.headlines import caveats, headline

    _, result = tuned
    sentence = headline(result)
    assert sentence.startswith("On unseen episodes of 'sinusoids_10_shot' the recipe reaches ")
    assert "; the best of the others, meta_sgd at its defaults, " in sentence
    assert caveats(result) == ["Episodes that are reported have classes, or functions, that no meta-training saw."]


def test_a_class_without_a_rule_is_refused_before_a_study_is_made(tmp_path, registry):
    registry.register(metaopt.optimizer_spec(torch.optim.RAdam))
    storage = tmp_path / "study.db"
    with pytest.raises(
        metaopt.PluginError, match=r"Few-shot tasks adapt by a rule, and '?radam'? is a library's class"
    ):
        metaopt.tune(corpus(), optimizers=["radam"], storage=f"sqlite:///{storage}", registry=registry, **QUIET)
    assert not storage.exists()
