"""Fitting to curves is pure, small and takes any population."""

import numpy as np
import pytest

import metaopt
from metaopt.testing import ConformanceError, NotApplicable
from metaopt.testing.stoppers.fitted import fits_curves, signals_of, theta_of


def mean_of_finite(batches, generator):
    values = np.concatenate([batch.values.reshape(-1) for batch in batches])
    finite = values[np.isfinite(values)]
    return {"mean": np.asarray(finite.mean() if finite.size else 0.0)}


def spec(fit, shapes=None, **fields):
    return metaopt.StopperSpec(
        name="mine",
        version="1",
        fires=lambda batch, hparams, theta: batch.values > theta["mean"],
        fit=fit,
        theta_shapes=shapes or {"mean": ()},
        **fields,
    )


def test_a_sound_fit_passes():
    fits_curves(spec(mean_of_finite))


def test_a_policy_that_learns_nothing_is_not_concerned():
    plain = metaopt.StopperSpec(name="mine", version="1", fires=lambda batch, hparams: batch.values > 1)
    assert theta_of(plain) == {}
    with pytest.raises(NotApplicable, match="mine is not fitted to curves"):
        fits_curves(plain)


def test_a_fit_that_draws_elsewhere_is_caught():
    elsewhere = np.random.default_rng(3)
    with pytest.raises(ConformanceError, match="twice, theta differs: draw from the generator alone"):
        fits_curves(spec(lambda batches, generator: {"mean": np.asarray(elsewhere.normal())}))
    fits_curves(spec(lambda batches, generator: {"mean": np.asarray(generator.normal())}))


def test_a_fit_that_has_no_answer_for_failed_runs_is_caught():
    with pytest.raises(metaopt.InputError, match="must be finite throughout"):
        fits_curves(spec(lambda batches, generator: {"mean": np.asarray(np.max(batches[0].values))}))


def test_a_theta_of_more_than_a_thousand_numbers_is_caught():
    def large(size):
        return spec(lambda batches, generator: {"mean": np.zeros(size)}, {"mean": (size,)})

    fits_curves(large(1000))
    with pytest.raises(ConformanceError, match="theta has 1001 numbers; recipes hold at most 1000"):
        fits_curves(large(1001))


def test_signals_are_those_that_a_policy_may_look_at_without_the_horizon():
    policy = metaopt.StopperSpec(
        name="mine",
        version="1",
        fires=lambda batch, hparams: batch.values > 1,
        requires=frozenset({"train_loss", "horizon"}),
        uses=frozenset({"seconds"}),
    )
    assert signals_of(policy) == ["seconds", "train_loss"]
