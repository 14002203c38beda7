"""A sweep of rates is drawn with the recipe's rate and the suggestion, named beside the axes and not on the curve."""

import math

from matplotlib.figure import Figure

from metaopt.report.plots.rates import draw_sweep
from metaopt.tuning import RateSweep


def test_rates_that_diverge_are_shaded_and_lines_are_named():
    losses = ((3.0, 3.1), (2.0, 2.1), (1.0, 1.1), (math.inf, math.inf))
    sweep = RateSweep((1e-3, 1e-2, 1e-1, 1.0), losses, "the loss", 10, 100, 0.02, 0.25)
    axes = Figure(layout="constrained").subplots()
    draw_sweep(axes, sweep)
    legend = axes.get_legend()
    assert legend.get_texts()[0].get_text() == "the recipe's"
    assert "shaded: diverges" in axes.get_xlabel()
    axes.figure.canvas.draw()
    assert legend.get_window_extent().y0 >= axes.get_window_extent().y1 - 1  # above the axes
