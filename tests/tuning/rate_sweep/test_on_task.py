import pytest

import metaopt
from metaopt import Configuration, RateLaw, Recipe
from metaopt.plugin import current_registry
from metaopt.tuning import sweep_task


def swept(task, configuration=None, **settings):
    recipe = Recipe.create(configuration or Configuration("sgd", hparams={"sgd.lr": 0.05}))
    return sweep_task(task, recipe, registry=current_registry(), **{"octaves": 4, "num_seeds": 2, **settings})


def test_rates_of_a_linear_regression_are_told_apart(make_task):
    found = swept(make_task(num_steps=40))
    assert found.rates[4] == 0.05 == found.law_rate
    assert found.best is not None
    assert 0.05 <= found.best <= 0.8
    assert found.losses[0][0] > min(found.losses[4])
    assert swept(make_task(num_steps=200), octaves=8).diverges_from <= 12.8


def test_a_shorter_look_trains_fewer_steps_and_tells_of_the_whole(make_task):
    law = Configuration("sgd", hparams={"sgd.lr": 0.05}, rate_law={"sgd": RateLaw(0.0, 0.0, 0.5)})
    found = swept(make_task(num_steps=40), law, num_steps=10)
    assert (found.num_steps, found.total_steps) == (10, 40)
    assert found.rates[4] == pytest.approx(2 * found.law_rate)
    assert found.suggestion == pytest.approx(found.best / 2)


def test_how_many_trainings_there_are_is_said_first_and_after_a_seed_how_long_the_others_take(make_task):
    lines = []
    swept(make_task(num_steps=40), octaves=1, num_seeds=3, announce=lines.append)
    assert lines[0].endswith(": 3 rates × 3 seeds, 9 trainings of 40 steps")
    assert " s; about " in lines[1]
    assert lines[1].endswith(" to go")
    lines.clear()
    swept(make_task(num_steps=40), octaves=1, num_seeds=1, announce=lines.append)
    assert len(lines) == 1


def test_black_boxes_are_swept_and_few_shot_tasks_refused():
    def train(recipe, seed):
        rate = recipe.configuration.hparams["sgd.lr"]
        yield from ((step, (rate - 0.1) ** 2 + 0.01 * seed) for step in (1, 2))

    assert swept(metaopt.BlackBoxTask("box", "boxes", train, num_steps=2)).best == pytest.approx(0.1, rel=0.3)
    with pytest.raises(metaopt.InputError, match="few-shot learning"):
        swept(next(iter(metaopt.load_corpus("sinusoids"))))
