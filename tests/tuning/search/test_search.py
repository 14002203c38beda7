import numpy as np
import pytest

from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.tuning.judging.references import DEFAULT_BASELINE, pool_configurations, references
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.progress import TimeUpError
from metaopt.tuning.search.baselines import Baseline
from metaopt.tuning.search.final_rounds import FINALISTS, ROUNDS
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.search import Choice, search
from metaopt.tuning.search.study import Study
from metaopt.tuning.seeds import RACE_SEED, final_seeds

ADAMW = Baseline("adamw", DEFAULT_BASELINE)
#: Better than whatever a few candidates may be, on tasks of so few steps.
GOOD = Baseline("good", Configuration("adamw", "cosine", hparams={"adamw.lr": 0.3, "adamw.weight_decay": 0.0}))


@pytest.fixture
def study(registry, make_tasks):
    evaluator = Evaluator(Ledger("sqlite://"), registry)
    tasks = make_tasks(3, num_steps=6, num_validations=3)
    space = joint_space(registry, optimizers=["adamw", "sgd"], controllers=["constant"], wrappers=[])
    yield Study("mine", space, tasks, references(evaluator, tasks, DEFAULT_BASELINE), evaluator, seed=0)
    evaluator.close()


def found_in(study, num_candidates, **changes):
    settings = {"baselines": [ADAMW], "portfolio": 4, "corpus": "lines", **changes}
    return search(study, num_candidates, Choice(**settings))


def seeds_of(study, stage):
    """All tasks of the study have the same."""
    (seeds,) = {final_seeds(task, stage, len(study.tasks)) for task in study.tasks}
    return seeds


def final_scores(study, configuration, seeds):
    """Mean final score over seeds, by task, as anyone would compute it from the ledger's curves."""
    curves = study.evaluator.curves([configuration], study.tasks, seeds)
    return {
        task.name: float(
            np.mean(
                [
                    study.references[task.name].scale.final_score(curves[configuration.key, task.name, seed])
                    for seed in seeds
                ]
            )
        )
        for task in study.tasks
    }


def test_the_finalists_run_again_on_fresh_seeds_and_the_best_of_them_wins(study):
    result = found_in(study, 9)
    finalists = [proposal.configuration for proposal, outcome in result.judged if outcome.complete][:FINALISTS]
    runs = study.evaluator.evaluations(study.tasks)
    ran = {(one.key.configuration_key, one.key.seed) for one in runs}
    assert {(one.key, seed) for one in finalists for seed in seeds_of(study, 0)} <= ran
    assert {(DEFAULT_BASELINE.key, seed) for seed in seeds_of(study, 0)} <= ran
    chosen = result.recipe.configuration
    assert result.outcome.chosen == result.outcome.best_tuned == chosen.key
    assert result.outcome.is_tuned
    assert result.outcome.lead.value > 0
    last = max(stage for stage in range(ROUNDS) if (chosen.key, seeds_of(study, stage)[-1]) in ran)
    scores = result.recipe.provenance["scores"]
    assert scores["by_task"] == pytest.approx(final_scores(study, chosen, seeds_of(study, last)))
    assert study.objective(scores["by_task"]) == pytest.approx(scores["tuning_objective"])
    others = [final_scores(study, one, seeds_of(study, 0)) for one in finalists]
    assert study.objective(final_scores(study, chosen, seeds_of(study, 0))) >= np.median(
        [study.objective(other) for other in others]
    )


def test_a_baseline_that_no_candidate_is_better_than_is_handed_over(study):
    result = found_in(study, 3, baselines=[ADAMW, GOOD])
    assert result.recipe.configuration == GOOD.configuration
    assert result.portfolio[0] == result.recipe
    assert not result.outcome.is_tuned
    assert result.outcome.incumbent == GOOD.configuration.key
    assert result.outcome.lead.value < 0


def test_an_excluded_baseline_is_not_handed_over_and_the_lead_is_over_another(study):
    excluded = Baseline(GOOD.name, GOOD.configuration, excluded="--controllers")
    result = found_in(study, 3, baselines=[ADAMW, excluded], forbidden=lambda one: one == GOOD.configuration)
    assert result.outcome.incumbent == ADAMW.configuration.key
    assert GOOD.configuration not in [recipe.configuration for recipe in result.portfolio]


def test_what_the_user_excluded_is_in_no_portfolio(study):
    """The pool of trials of the references holds settings that the user may have excluded."""
    pool = pool_configurations(study.evaluator.registry)
    allowed = found_in(study, 3, portfolio=20).portfolio
    result = found_in(study, 3, portfolio=20, forbidden=lambda one: one in pool)
    assert any(recipe.configuration in pool for recipe in allowed)
    assert not any(recipe.configuration in pool for recipe in result.portfolio)


def test_a_baseline_keeps_the_stopper_that_it_came_with(study):
    stopper = StopperConfiguration("divergence", {"factor": 3.0})
    result = found_in(study, 3, baselines=[Baseline("good", GOOD.configuration, stopper=stopper)])
    assert result.recipe.configuration == GOOD.configuration
    assert result.recipe.stopper == stopper


def test_a_recipe_says_what_it_was_made_on(study):
    recipe = found_in(study, 3).recipe
    assert recipe.made_on.horizon == (6, 6)
    assert recipe.made_on.batch_size == (16, 16)
    assert recipe.made_on.parameters == (4, 4)
    assert recipe.num_validations == 3
    assert recipe.provenance["corpus"]["tasks"] == {task.name: task.fingerprint for task in study.tasks}
    assert recipe.provenance["seeds"] == {"study": 0, "race": RACE_SEED}
    assert recipe.stopper is not None
    assert recipe.stopper == StopperConfiguration("divergence") or "divergence" in {
        stopper.name for stopper in recipe.stopper.stoppers
    }


def test_each_recipe_of_a_portfolio_has_scores_of_its_own_and_adds_something(study):
    result = found_in(study, 9)
    assert 1 <= len(result.portfolio) <= 4
    assert result.portfolio[0] == result.recipe
    by_task = [recipe.provenance["scores"]["by_task"] for recipe in result.portfolio]
    for position in range(1, len(by_task)):
        assert by_task[position] != by_task[0]
    assert result.portfolio_scores.shape == (len(result.portfolio), 3)
    np.testing.assert_array_equal(result.portfolio_scores, [list(scores.values()) for scores in by_task])
    best = result.portfolio_scores[0]
    for scores in result.portfolio_scores[1:]:
        assert (scores > best).any()
        best = best.clip(min=scores)
    assert len(found_in(study, 9, portfolio=1).portfolio) == 1


def test_without_time_the_baseline_is_what_is_left(study):
    def check():
        raise TimeUpError

    study.evaluator.check = check
    result = found_in(study, 9, baselines=[ADAMW, GOOD])
    assert result.interrupted
    assert result.judged == []
    assert result.recipe.configuration == DEFAULT_BASELINE


def test_when_the_time_ends_with_the_race_the_race_decides(study):
    study.run(6)

    def check():
        raise TimeUpError

    study.evaluator.check = check
    result = found_in(study, 6)
    assert result.interrupted
    assert result.recipe.configuration == result.judged[0][0].configuration
    assert isinstance(result.recipe.configuration, Configuration)


def test_a_search_that_is_asked_again_trains_nothing_and_answers_the_same(study):
    first = found_in(study, 9)
    spent = study.evaluator.spent.evaluations
    again = found_in(study, 9)
    assert study.evaluator.spent.evaluations == spent
    assert again.outcome == first.outcome
    assert again.recipe.provenance["scores"] == first.recipe.provenance["scores"]
    assert [recipe.configuration for recipe in again.portfolio] == [recipe.configuration for recipe in first.portfolio]
    np.testing.assert_array_equal(again.portfolio_scores, first.portfolio_scores)
