"""`metaopt show --at`: the rates of a recipe for a training of some size."""

from typing import TYPE_CHECKING

from metaopt.errors import InputError, quoted

if TYPE_CHECKING:
    from metaopt.recipe import Recipe


def rates_at(recipe: "Recipe", sizes: str) -> list[str]:
    """A line for each optimizer's rate.

    Args:
        recipe: with or without a law of rates.
        sizes: `"parameters=124e6,batch_size=512"`; what is absent counts as the anchor.

    Raises:
        InputError: a key is unknown, comes twice, or has no number above 0.
    """
    from metaopt.configuration import assemble
    from metaopt.contracts import Scale
    from metaopt.plugin import current_registry
    from metaopt.recipe import scaled_rates

    scale = Scale(**_sizes(sizes))
    if recipe.configuration.learner:
        raise InputError(f"{recipe.configuration.learner!r} is a learner, which trains nothing and so has no rate.")
    assembly = assemble(recipe.configuration, current_registry(), scale)
    lawful = {rate.optimizer: rate for rate in scaled_rates(assembly, scale)}
    lines = []
    for spec in assembly.optimizers:
        if spec.name in lawful:
            lines.append(f"{spec.name}: {lawful[spec.name]}")
        elif spec.has_lr:
            lines.append(
                f"{spec.name}: rate {assembly.part(spec.name).rule_values['lr']:.3g} at any size: it has no law."
            )
        else:
            lines.append(f"{spec.name}: it has no rate.")
    return lines


def _sizes(text: str) -> dict[str, float]:
    from metaopt.contracts import AXES

    sizes: dict[str, float] = {}
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in AXES or key in sizes:
            raise InputError(f"--at takes each of {', '.join(AXES)} once, as key=number, got {quoted(part.strip())}.")
        try:
            sizes[key] = float(value)
        except ValueError:
            raise InputError(f"--at: {key} must be a number above 0, got {quoted(value)}.") from None
    return sizes
