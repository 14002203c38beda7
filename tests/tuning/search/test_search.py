import pytest

from metaopt.configuration.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.tuning.judging.references import DEFAULT_BASELINE, references
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.progress import TimeUpError
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.search import FINAL_SEEDS, FINALISTS, search
from metaopt.tuning.search.study import RACE_SEED, Study


@pytest.fixture
def study(registry, make_tasks):
    evaluator = Evaluator(Ledger("sqlite://"), registry)
    tasks = make_tasks(3, num_steps=6, num_validations=3)
    space = joint_space(registry, optimizers=["adamw", "sgd"], controllers=["constant"], wrappers=[])
    yield Study("mine", space, tasks, references(evaluator, tasks, DEFAULT_BASELINE), evaluator, seed=0)
    evaluator.close()


def found_in(study, num_candidates, **changes):
    settings = {"baseline": DEFAULT_BASELINE, "portfolio": 4, "corpus": "lines", **changes}
    return search(study, num_candidates, **settings)


def test_the_finalists_run_again_on_fresh_seeds_and_the_best_of_them_wins(study):
    result = found_in(study, 9)
    finalists = [proposal.configuration for proposal, outcome in result.judged if outcome.complete][:FINALISTS]
    objectives = {one.key: study.objective(study.scores(one, FINAL_SEEDS)) for one in finalists}
    assert result.recipe.configuration.key == max(objectives, key=lambda key: objectives[key])
    scores = result.recipe.provenance["scores"]
    assert scores["tuning_objective"] == pytest.approx(max(objectives.values()))
    assert study.objective(scores["by_task"]) == pytest.approx(scores["tuning_objective"])
    runs = study.evaluator.evaluations(study.tasks)
    fresh = {one.key.configuration_key for one in runs if one.key.seed in FINAL_SEEDS}
    assert {one.key for one in finalists} <= fresh


def test_a_recipe_says_what_it_was_made_on(study):
    recipe = found_in(study, 3).recipe
    assert recipe.made_on.horizon == (6, 6)
    assert recipe.made_on.batch_size == (16, 16)
    assert recipe.made_on.parameters == (4, 4)
    assert recipe.num_validations == 3
    assert recipe.provenance["corpus"]["tasks"] == ["line0", "line1", "line2"]
    assert recipe.provenance["seeds"] == {"study": 0, "race": RACE_SEED, "finalists": list(FINAL_SEEDS)}
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
    best = result.portfolio_scores[0]
    for scores in result.portfolio_scores[1:]:
        assert (scores > best).any()
        best = best.clip(min=scores)
    assert len(found_in(study, 9, portfolio=1).portfolio) == 1


def test_without_time_the_baseline_is_what_is_left(study):
    def check():
        raise TimeUpError

    study.evaluator.check = check
    result = found_in(study, 9)
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
