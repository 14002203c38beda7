"""Exponential decay.

When to use it: where a published setting decays by a factor an epoch. With a known number of steps, `cosine` or `wsd`
spend the run at more useful rates.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from metaopt import ControllerSpec, Float, TensorHparams
from metaopt_controllers._shared.open_loop import OpenLoop


def exponential(step: Tensor, horizon: Tensor, hparams: TensorHparams) -> Tensor:
    """final_ratio ** (step / horizon): torch's `ExponentialLR` with gamma = final_ratio ** (1 / horizon).

    Args:
        step: steps completed before this one.
        horizon: planned number of steps; later ones stay at `final_ratio`.
        hparams: `final_ratio`, rate at the end over the first, in (0, 1].

    Returns:
        Multiplier of the first rate.
    """
    passed: Tensor = (step / horizon).clamp(max=1.0)
    return hparams["final_ratio"] ** passed


def _plain(hparams: Mapping[str, Any]) -> str:
    return f"return {hparams['final_ratio']!r} ** min(step / total_steps, 1.0)"


EXPONENTIAL = ControllerSpec(
    name="exponential",
    version="1",
    controller=OpenLoop("exponential", exponential),
    space={"final_ratio": Float(1e-4, 0.5, log=True, default=0.01, valid="(0, 1]")},
    requires=frozenset({"horizon"}),
    plain=_plain,
    summary="exponential decay",
)
