"""What a study begins with, and where it looks later."""

import metaopt
from metaopt import BlackBoxTask, Float, Int
from metaopt.tuning.first_guesses import SPREAD, default_configurations, first_guesses, near_best
from metaopt.tuning.search.joint_space import joint_space

SPACE = {"tilt": Float(0.0, 1.0, default=0.9), "width": Int(1, 8, default=8)}


def job(space=SPACE):
    return BlackBoxTask("job", "jobs", train=lambda recipe, seed, **values: iter(()), space=space)


def test_every_optimizer_is_guessed_at_its_defaults(registry):
    space = joint_space(registry, optimizers=["sgd", "prodigy"])
    guesses = first_guesses(space, [job({})], registry, 0)
    assert [(guess["optimizer"], guess.get("controller")) for guess in guesses] == [
        ("sgd", "constant"),
        ("sgd", "cosine"),
        ("prodigy", "constant"),
        ("prodigy", "cosine"),
    ]
    assert {name: each.optimizer for name, each in default_configurations(space).items()} == {
        "sgd": "sgd",
        "prodigy": "prodigy",
    }


def test_what_tasks_have_of_their_own_is_spread_under_the_shipped_recipe(registry):
    space = joint_space(registry, tasks=[job()])
    guesses = first_guesses(space, [job()], registry, 0)
    shipped = metaopt.load_recipe("default").configuration
    first, *spread = guesses[: 1 + SPREAD]
    assert {guess["optimizer"] for guess in (first, *spread)} == {shipped.optimizer}
    assert (first["values.tilt"], first["values.width"]) == (0.9, 8)
    tilts = sorted(guess["values.tilt"] for guess in spread)
    assert tilts[0] < 0.4 < 0.6 < tilts[-1]
    others = guesses[1 + SPREAD :]
    assert [guess["optimizer"] for guess in others] == [spec.name for spec in space.optimizers]
    assert {guess["values.tilt"] for guess in others} == {0.9}
    assert guesses == first_guesses(space, [job()], registry, 0)
    assert guesses != first_guesses(space, [job()], registry, 1)


def test_a_shipped_recipe_outside_of_the_space_is_no_guess(registry):
    space = joint_space(registry, optimizers=["sgd"], tasks=[job()])
    assert [guess["optimizer"] for guess in first_guesses(space, [job()], registry, 0)] == ["sgd"]


def test_fixed_values_are_not_spread(registry):
    settings = ["values.tilt=0.5", "values.width=8"]
    space = joint_space(registry, settings=settings, tasks=[job()])
    assert not any("values.tilt" in guess for guess in first_guesses(space, [job()], registry, 0))


def test_later_candidates_lie_near_the_best(registry):
    space = joint_space(registry, optimizers=["sgd"], controllers=["constant"], wrappers=[], tasks=[job()])
    (best,) = first_guesses(space, [job()], registry, 0)
    near = list(near_best(space, [{}, best], 40, (0, 3)))
    assert near == list(near_best(space, [{}, best], 40, (0, 3)))
    tilts = [configuration.values["tilt"] for configuration, _ in near]
    assert all(0.0 <= tilt <= 1.0 for tilt in tilts)
    assert sum(abs(tilt - 0.9) < 0.35 for tilt in tilts) > 35
    assert len(set(tilts)) > 10
    assert all(set(params) >= {"values.tilt", "values.width", "sgd.lr"} for _, params in near)
    assert list(near_best(space, [{}], 4, (0, 3))) == []
