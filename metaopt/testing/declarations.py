"""What holds for every plugin: what it declares about itself is sound."""

import json
import math
from collections.abc import Callable
from typing import Any

from metaopt.plugin import PluginSpec
from metaopt.space import Categorical, encode, resolve
from metaopt.testing.errors import require
from metaopt.testing.samples import draws, edges


def space_is_sound(spec: PluginSpec) -> None:
    """Every default, end of a range and choice is a value that a person may give, too."""
    for label, values in edges(spec.space).items():
        resolved = resolve(spec.space, values, spec.name)
        numbers = encode(spec.space, resolved)
        require(all(isinstance(number, float) for number in numbers.values()), f"{label} is not a number: {numbers}.")


def space_is_finite(spec: PluginSpec) -> None:
    """Nobody may give an infinite hyperparameter: no recipe could hold it."""
    for name, distribution in spec.space.items():
        if not isinstance(distribution, Categorical):
            infinite = [end for end in (-math.inf, math.inf) if end in distribution.domain]
            require(
                not infinite,
                f"{name} may be {infinite} by valid={distribution.valid!r}; write a round bracket beside inf, "
                "and a large number for no limit.",
            )


def space_survives_json(spec: PluginSpec) -> None:
    """Hyperparameters come back from JSON as they were, with their types."""
    for values in (*draws(spec.space, 4), *edges(spec.space).values()):
        back = resolve(spec.space, json.loads(json.dumps(values, allow_nan=False)), spec.name)
        require(repr(back) == repr(resolve(spec.space, values, spec.name)), f"{values} came back as {back}.")


def conditions_can_hold(spec: PluginSpec) -> None:
    """Each condition names values that the other hyperparameter can take."""
    for name, distribution in spec.space.items():
        condition = distribution.when
        if condition is None:
            continue
        referenced = spec.space[condition.name]
        for value in condition.among or ():
            referenced.check(f"{spec.name}.space[{name!r}].when, value of {condition.name}", value)
        if condition.above is not None:
            high = max(map(float, referenced.choices)) if isinstance(referenced, Categorical) else referenced.high
            require(
                condition.above < high,
                f"space[{name!r}] is tuned only when {condition.name} > {condition.above}, but it is at most {high}.",
            )


def references_are_given(spec: PluginSpec) -> None:
    """References and summary are plain text, so that `metaopt plugins` can show them."""
    require(isinstance(spec.references, tuple), f"references must be a tuple of strings, got {spec.references!r}.")
    require(
        all(isinstance(reference, str) for reference in spec.references),
        f"references must be strings: {spec.references!r}.",
    )
    require(
        isinstance(spec.summary, str) and "\n" not in spec.summary,
        f"summary must be one line of text, got {spec.summary!r}.",
    )


CHECKS: tuple[Callable[[Any], None], ...] = (
    space_is_sound,
    space_is_finite,
    space_survives_json,
    conditions_can_hold,
    references_are_given,
)
