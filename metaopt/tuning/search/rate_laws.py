"""Laws of rates and warm-ups of what a study proposes: priors, not choices."""

from collections.abc import Mapping, Sequence
from typing import Any

from metaopt.contracts import AXES, RateLaw
from metaopt.plugin import ControllerSpec, OptimizerSpec, WrapperSpec
from metaopt.space import Float, Space, Value

#: What names of exponents begin with in `--set`.
LAW = "rate_law"
#: Share of the planned steps over which rates rise in front of controllers without a warm-up.
WARMUP = 0.05
#: What `--set` may fix.
LAW_SPACE: Space = {axis: Float(-1.0, 1.0, default=getattr(RateLaw(), axis)) for axis in AXES}


def proposed_laws(
    optimizers: Sequence[OptimizerSpec],
    wrapper: WrapperSpec | None,
    controller: ControllerSpec | None,
    fixed: Mapping[str, Value],
) -> dict[str, RateLaw]:
    """By optimizer, the law that a proposal has: the prior of its plugin, unless that is flat.

    Args:
        optimizers: of the proposal.
        wrapper: around them; no law acts where it sets the rate.
        controller: of the proposal, or None; no law acts where its rates are absolute.
        fixed: exponents that the user fixed, by axis.
    """
    if (wrapper is not None and wrapper.sets_rate) or (controller is not None and controller.absolute):
        return {}
    return {spec.name: law for spec in optimizers if any((law := law_of(spec, fixed)).exponents.values())}


def law_of(optimizer: OptimizerSpec, fixed: Mapping[str, Value]) -> RateLaw:
    """The prior of an optimizer, with what the user fixed; flat where its `lr` is no rate."""
    if optimizer.rate != "rate":
        return RateLaw(0.0, 0.0, 0.0)
    return RateLaw.from_json({**optimizer.rate_law.to_json(), **fixed})


def proposed_warmup(controller: ControllerSpec | None) -> float:
    """Share of the steps over which a proposal's rates rise in front of its controller."""
    return WARMUP if controller is not None and controller.takes_warmup else 0.0


def laws_to_json(optimizers: Sequence[OptimizerSpec], fixed: Mapping[str, Value]) -> dict[str, Any]:
    """What decides the laws of proposals, in plain JSON."""
    laws = {spec.name: law_of(spec, fixed).exponents for spec in optimizers}
    return {"exponents": {name: own for name, own in sorted(laws.items()) if any(own.values())}, "warmup": WARMUP}
