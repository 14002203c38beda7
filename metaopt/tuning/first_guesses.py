"""What a study judges that its sampler does not propose: first guesses, and later what lies near the best."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import qmc

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask, RateLaw
from metaopt.errors import MetaOptError
from metaopt.plugin import Registry
from metaopt.recipe import load_recipe
from metaopt.space import Categorical, Float, Int, Value
from metaopt.tuning.own_values import prefixed
from metaopt.tuning.search.baselines import SHIPPED, shared_tasks
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.start_from import sampler_params
from metaopt.tuning.search.trial_stand_ins import DefaultChooser, NearChooser

#: Guesses with the shipped recipe at spread values of the tasks' own hyperparameters: what these do shows when the
#: optimizer is good already.
SPREAD = 6
#: Best candidates that a study looks around.
NEAREST = 3


def default_configurations(space: JointSpace) -> dict[str, Configuration]:
    """Every optimizer at its defaults, at a constant rate, and every learner at its own, by its name."""
    return {
        spec.name: space.suggest(DefaultChooser({"optimizer": spec.name, "controller": "constant"}, space))
        for spec in (*space.optimizers, *space.learners)
    }


def first_guesses(space: JointSpace, tasks: Sequence[AnyTask], registry: Registry, seed: int) -> list[dict[str, Any]]:
    """Parameters for the sampler: every optimizer at its defaults, with the first two controllers.

    The study never does worse than these. Where tasks have hyperparameters of their own, the recipe that ships with
    metaopt comes before, first at their defaults, then at points that are spread evenly over their space (Sobol 1967);
    the optimizers follow with a decaying rate alone, for there are fewer trainings than a study without them has.

    Args:
        space: what may be proposed.
        tasks: of the study; a recipe that was made on one of them is left out.
        registry: where plugins are.
        seed: of the points.
    """
    usual: list[Mapping[str, Any]] = [{"optimizer": learner.name} for learner in space.learners]
    preferred = [name for name in ("constant", "cosine") if name in {spec.name for spec in space.controllers}]
    if space.own:
        preferred = preferred[-1:]
    for optimizer in reversed(space.optimizers):
        controllers = preferred if optimizer.has_lr else ["constant"]
        usual[:0] = [{"optimizer": optimizer.name, "controller": controller} for controller in controllers]
    if not space.own:
        return [_params(guess, space) for guess in usual]
    shipped = _shipped(space, tasks, registry)
    spread = [{**shipped, **point} for point in ({}, *_spread(space, SPREAD, seed))] if shipped else []
    return [_params(guess, space) for guess in (*spread, *usual)]


def near_best(
    space: JointSpace, ranked: Sequence[Mapping[str, Any]], count: int, seed: Sequence[int]
) -> Iterator[tuple[Configuration, dict[str, Any]]]:
    """Candidates near the best ones so far, which half of a batch is where tasks have hyperparameters of their own.

    Such a space has more dimensions than a study of it has trainings to learn them from.

    Args:
        space: what may be proposed.
        ranked: parameters of all candidates, the best first; empty ones lie outside the space.
        count: how many.
        seed: of what is drawn.
    """
    best = [params for params in ranked if params][:NEAREST]
    generator = np.random.default_rng(list(seed))
    for place in range(count if best else 0):
        chooser = NearChooser(best[place % len(best)], generator)
        yield space.suggest(chooser), chooser.params


def _params(values: Mapping[str, Any], space: JointSpace) -> dict[str, Any]:
    guess = DefaultChooser(values, space)
    space.suggest(guess)
    return guess.params


def _shipped(space: JointSpace, tasks: Sequence[AnyTask], registry: Registry) -> dict[str, Any]:
    """The shipped recipe as the sampler knows it; empty where it lies outside the space or was made on these tasks."""
    try:
        recipe = load_recipe(SHIPPED, registry=registry)
        if shared_tasks(recipe.provenance, tasks):
            return {}
        # Its law may be a fitted one, and proposals have the prior.
        laws = {name: RateLaw() for name in recipe.rate_law}
        return sampler_params(space, replace(recipe.configuration, rate_law=laws), registry)
    except MetaOptError:  # a plugin of it is not loaded
        return {}


def _spread(space: JointSpace, count: int, seed: int) -> Iterator[dict[str, Value]]:
    """Values of the tasks' own hyperparameters, by their full names."""
    searched = {name: each for name, each in space.searched_own.items() if isinstance(each, Float | Int | Categorical)}
    if not searched:
        yield from ({} for _ in range(count))
        return
    sobol = qmc.Sobol(len(searched), seed=seed)
    for point in sobol.random(1 << count.bit_length())[:count].tolist():
        yield prefixed({name: each.from_unit(unit) for (name, each), unit in zip(searched.items(), point, strict=True)})
