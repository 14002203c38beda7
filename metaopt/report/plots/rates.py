"""Plots of a sweep of rates."""

from typing import Any

import numpy as np

from metaopt.report.plots.palette import PALETTE
from metaopt.tuning import RateSweep


def draw_sweep(axes: Any, sweep: RateSweep) -> None:
    """Loss against rate with standard errors; lines at what the recipe says and at what is suggested."""
    frame = sweep.to_frame()
    known = frame[np.isfinite(frame["loss"])]
    errors = known["error"].fillna(0.0)
    axes.errorbar(
        known["rate"], known["loss"], yerr=errors, color=PALETTE.series[0], capsize=2, marker="o", markersize=3
    )
    if sweep.diverges_from is not None:
        axes.axvspan(sweep.diverges_from, sweep.rates[-1], color=PALETTE.muted, alpha=0.12, linewidth=0)
    axes.axvline(sweep.law_rate, color=PALETTE.muted, linestyle=":", label="the recipe's")
    if sweep.suggestion is not None:
        axes.axvline(sweep.suggestion, color=PALETTE.recipe, label="suggested")
    axes.set_xscale("log")
    axes.set_xlabel("peak rate (shaded: diverges)" if sweep.diverges_from is not None else "peak rate")
    axes.set_ylabel(sweep.measured)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderpad=0.0)
