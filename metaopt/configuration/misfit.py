"""What does not go together: wrappers and the optimizer inside, an optimizer and the tensors that it is given."""

from collections.abc import Mapping, Sequence

import torch

from metaopt.contracts import SteeringRule
from metaopt.errors import quoted
from metaopt.plugin import OptimizerSpec, WrapperSpec


def misfit(optimizer: OptimizerSpec, wrappers: Sequence[WrapperSpec]) -> str | None:
    """Why these wrappers cannot go around the optimizer, one sentence, or None where they can."""
    parts: tuple[OptimizerSpec | WrapperSpec, ...] = (optimizer, *wrappers)
    learned = [spec.name for spec in parts if spec.meta is not None]
    if len(learned) > 1:
        return f"A recipe has one learned part, and {' and '.join(learned)} are; leave one out."
    rule = optimizer.rule
    if rule is None:
        if not wrappers:
            return None
        return (
            f"The wrapper {wrappers[0].name!r} goes around a rule, and {optimizer.name!r} is a library's class without "
            "one; leave it out."
        )
    # What rescales displacement, as Mechanic, goes around any rule; what steers `lr` needs one that follows it.
    steers = [spec for spec in wrappers if spec.sets_rate and isinstance(spec.wrap(rule), SteeringRule)]
    if steers and not optimizer.has_lr:
        return f"The wrapper {steers[0].name!r} sets the learning rate, but the rule inside has none; leave it out."
    if steers and optimizer.sets_rate:
        return f"The wrapper {steers[0].name!r} sets the learning rate, and {optimizer.name!r} its own; leave one out."
    return None


def untaken(optimizer: OptimizerSpec, shapes: Mapping[str, torch.Size]) -> str | None:
    """Why the optimizer cannot train parameters of these shapes, by name: one sentence, or None where it can."""
    vectors = [] if optimizer.takes == "all" else [name for name, shape in shapes.items() if len(shape) < 2]
    if not vectors:
        return None
    more = f" (and {len(vectors) - 1} more)" if vectors[1:] else ""
    return (
        f"{optimizer.name} takes matrices, and the parameter {quoted(vectors[0])}{more} has the shape "
        f"{tuple(shapes[vectors[0]])}; give the others to another optimizer, such as adamw with "
        f"roles={{'matrix': {{'optimizer': {optimizer.name!r}}}}}."
    )
