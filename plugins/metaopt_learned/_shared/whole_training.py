"""What rules for whole trainings declare alike: their hyperparameters, and how they are meta-trained."""

from collections.abc import Callable, Mapping
from functools import partial

import metaopt
from metaopt import Params, Tensors, Theta

#: The factor in front of an update, the authors' .001, which controllers change; and the factor of the magnitude in
#: the exponent.
LR = metaopt.Float(1e-4, 1e-2, log=True, default=1e-3, valid="(0, inf)")
EXP_MULT = metaopt.Float(1e-4, 1e-2, log=True, default=1e-3, valid="[0, inf)")
#: Decoupled weight decay, multiplied by the same factor.
WEIGHT_DECAY = metaopt.Float(1e-3, 10.0, log=True, default=0.0, valid="[0, inf)")
#: Hidden units of a learned scheduler.
HIDDEN_SIZE = metaopt.Int(8, 128, log=True, default=64, valid="[1, inf)")


def by_evolution(
    init_theta: Callable[..., Tensors],
    space: Mapping[str, metaopt.Int],
    *,
    handover: Callable[[Params], Tensors],
    imported: Callable[[Params], tuple[str, Tensors]] | None = None,
    check: Callable[[Params], None],
    ships: str | None = None,
) -> metaopt.MetaTraining:
    """Meta-training by PES in truncations of 50 steps, gradients clipped to norm 1; arguments as of `MetaTraining`.

    `ships` is the name of the recipe, among those that come with metaopt, whose weights the rule has.
    """
    return metaopt.MetaTraining(
        init_theta=init_theta,
        estimator="pes",
        objective="trajectory",
        orders=("first",),
        clip=1.0,
        space=dict(space),
        truncation=50,
        handover=handover,
        check=check,
        shipped=None if ships is None else partial(shipped, ships),
        imported=imported,
    )


def shipped(name: str) -> Tensors:
    """The weights of a recipe that comes with metaopt."""
    return dict(metaopt.load_recipe(name).theta or {})


def check_shapes(rule: str, theta: Theta, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Check that weights have a rule's names and shapes.

    Raises:
        InputError: a name is missing or unknown, or a shape differs.
    """
    wrong = sorted(theta.keys() ^ expected.keys())
    if wrong:
        what = "lack" if wrong[0] in expected else "hold"
        raise metaopt.InputError(
            f"The weights {what} {wrong[0]!r}: they are not those of {rule!r}, which are {', '.join(sorted(expected))}."
        )
    for name, shape in expected.items():
        if tuple(theta[name].shape) != shape:
            raise metaopt.InputError(
                f"The weights {name!r} have shape {tuple(theta[name].shape)}, those of {rule!r} {shape}: they are of "
                "another architecture."
            )
