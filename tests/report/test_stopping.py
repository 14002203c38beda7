"""What a stopping policy costs and saves is told to whoever gets the recipe."""

import dataclasses

from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.report import page
from metaopt.report.tables import stopping
from metaopt.tuning.stopping.stopping import PolicyResult

GUARD = StopperConfiguration("divergence")


def with_front(result, chosen):
    policies = [StopperConfiguration("patience", {"patience": share}) for share in (0.1, 0.2)]
    front = [PolicyResult(GUARD, 0.0, 0.0)]
    front += [PolicyResult(policies[0], 0.0012, 0.23), PolicyResult(policies[1], 0.3, 0.5)]
    stopper = GUARD if chosen is None else StopperConfiguration("any", stoppers=(policies[chosen], GUARD))
    return dataclasses.replace(result, front=front, recipe=result.recipe.with_stopper(stopper))


def test_the_recipes_policy_is_told_with_what_it_saves_and_gives_up(result):
    told = stopping(with_front(result, 0))
    assert told.startswith("The recipe stops by patience(patience=0.1): ")
    assert "saves 23% of the steps and gives up 0.0012 of the distance" in told
    assert "0.005 is tolerated" in told
    assert with_front(result, 0).stopping.steps_saved == 0.23
    assert "saves 23% of the steps" in page.render(with_front(result, 0), None)


def test_a_recipe_that_only_guards_says_that_it_trains_to_the_end(result):
    told = stopping(with_front(result, None))
    assert told.endswith("the recipe trains to the end.")
    assert with_front(result, None).stopping is None


def test_nothing_is_said_where_no_policy_was_looked_for(result):
    assert stopping(dataclasses.replace(result, front=[])) == ""
