"""Fits of all curve models to all beginnings of curves."""

import numpy as np
import pytest

from metaopt_stoppers._shared.curve_fits import MODELS, REPLICATES, fit

HORIZON = 100
STEPS = np.arange(1.0, HORIZON + 1)
NAMES = [model.name for model in MODELS]


#: φ of the share x of the horizon, by formulas of the papers, with shapes that are on no grid.
TRUTHS = {
    "power law": lambda x: (100 * x) ** -0.43,
    "exponential": lambda x: np.exp(-3.3 * x),
    "logistic": lambda x: 1 / (1 + np.exp(23.0 * (x - 0.17))),
    "Weibull": lambda x: np.exp(-((7.7 * x) ** 1.7)),
    "Janoschek": lambda x: np.exp(-3.1 * x**0.6),
    "MMF": lambda x: 1 / (1 + (9.3 * x) ** 1.8),
}


MODEL_OF = {"Weibull": "Weibull and Janoschek", "Janoschek": "Weibull and Janoschek"}


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("truth", TRUTHS)
def test_each_model_finds_the_end_of_its_own_curves(truth, noise):
    generator = np.random.default_rng(0)
    values = 0.3 + 1.4 * np.stack([TRUTHS[truth](STEPS / HORIZON)] * 8)
    seen, end, height = 60, values[:, -1], np.ptp(values[0])
    noisy = values + noise * generator.standard_normal(values.shape)
    fits = fit(noisy[:, :seen], STEPS[:seen] / HORIZON, np.ones(seen), since=seen - 1)
    own = NAMES.index(MODEL_OF.get(truth, truth))
    # Besides the noise the model leaves next to nothing of its own curve: the way to the next point of the grid.
    assert (fits.deviation[:, 0, 0, own] < 1.5 * noise + 0.02 * height).all()
    assert np.abs(fits.end[:, 0, 0, own] - end).mean() < 0.02 * height
    together = (fits.end * fits.share).sum(-1)[:, 0, 0]
    assert np.abs(together - end).mean() < 0.03 * height


def test_the_shares_of_the_models_add_up_and_prefer_the_true_one_when_it_is_plain():
    values = 0.3 + np.exp(-20 * STEPS / HORIZON) + 0.002 * np.random.default_rng(0).standard_normal((6, HORIZON))
    fits = fit(values, STEPS / HORIZON, np.ones(HORIZON), since=HORIZON - 1)
    assert fits.share.sum(-1) == pytest.approx(1.0)
    assert (fits.share[..., NAMES.index("power law")] < 0.01).all()
    assert fits.share[..., NAMES.index("exponential")].mean() > 0.3


def test_a_beginning_is_fitted_as_if_nothing_came_after_it():
    values = 0.3 + STEPS[:20] ** -0.5 + 0.02 * np.random.default_rng(0).standard_normal((3, 20))
    x, end = STEPS[:20] / HORIZON, np.ones(20)
    whole, part = fit(values, x, end, since=9), fit(values[:, :12], x[:12], end[:12], since=9)
    assert whole.end.shape == (3, 11, REPLICATES, len(MODELS))
    for name in ("end", "deviation", "share"):
        np.testing.assert_allclose(getattr(whole, name)[:, :3], getattr(part, name), rtol=1e-6, atol=1e-9)


def test_the_first_replicate_is_the_weighted_least_squares_line_of_the_best_shape():
    """By NumPy's least squares, for each rate of the exponential; validation k has weight k^1.5."""
    model = MODELS[NAMES.index("exponential")]
    values = 0.3 + np.exp(-7.7 * STEPS[:15] / HORIZON) + 0.01 * np.random.default_rng(0).standard_normal(15)
    x, weights = STEPS[:15] / HORIZON, np.arange(1.0, 16) ** 0.75
    best = (np.inf, 0.0)
    for rate in model.shapes[0]:
        table = np.stack([np.ones(15), np.exp(-rate * x)], axis=1)
        line, left, *_ = np.linalg.lstsq(weights[:, None] * table, weights * values, rcond=None)
        best = min(best, (float(left[0]), float(line @ [1.0, np.exp(-rate)])))
    found = fit(values[None], x, np.ones(15), since=14)
    assert found.end[0, 0, 0, NAMES.index("exponential")] == pytest.approx(best[1], rel=1e-6)


def test_curves_are_fitted_alike_however_many_there_are():
    values = 0.3 + STEPS[:10] ** -0.5 + 0.02 * np.random.default_rng(1).standard_normal((11, 10))
    x, end = STEPS[:10] / HORIZON, np.ones(10)
    together, alone = fit(values, x, end, since=9), fit(values[10:], x, end, since=9)
    np.testing.assert_allclose(together.end[10:], alone.end, rtol=1e-9)
