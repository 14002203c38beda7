"""Stop when validation has not improved for a while."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaopt import Categorical, CurveBatch, Float, StopperSpec, When

_MODES = ("abs", "rel")

# Where the horizon is unknown, a fraction of it is read as one of so many validations.
_VALIDATIONS_WITHOUT_HORIZON = 100


def patience(batch: CurveBatch, hparams: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Fire when the latest improvement lies `patience` or more back.

    A value improves if it is below best − min_delta (`abs`) or best − min_delta · |best| (`rel`), where `best` is the
    latest value that improved; the first finite value does. What is not finite never improves. A `patience` of 1 or
    more counts validations, with the ≥ of Keras and Lightning: `patience=1` fires at the first validation without an
    improvement. Below 1 it is a fraction of the horizon, in steps; where the horizon is unknown, of 100 validations.
    Before any improvement both count from the start of training.

    Args:
        batch: n curves of T validations.
        hparams: `patience`, above 0; `min_delta`, at least 0; `min_delta_mode`, 0 for `abs`, 1 for `rel`; `warmup`,
            the fraction of the horizon before which it never fires (it counts nevertheless), in [0, 1]. Numbers, or
            arrays of shape (policies, 1, 1).

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    given = _column(hparams["patience"])
    counts = np.arange(1.0, batch.values.shape[-1] + 1)
    elapsed = np.where(np.isinf(batch.horizon), counts / _VALIDATIONS_WITHOUT_HORIZON, batch.steps / batch.horizon)
    in_counts = _shared(given >= 1)
    warmup, margin, relative_margin = _column(hparams["warmup"]), *_margins(hparams)

    finite = np.isfinite(batch.values)
    values = np.where(finite, batch.values, np.inf)
    sizes = np.where(finite, np.abs(batch.values), 0.0)
    policies = np.broadcast_shapes(given.shape, warmup.shape, margin.shape, relative_margin.shape)
    fired = np.empty((*np.broadcast_shapes(policies, (len(values),)), len(counts)), dtype=np.bool_)
    limit = np.full(np.broadcast_shapes(margin.shape, relative_margin.shape, (len(values),)), np.inf)
    latest = np.zeros(np.broadcast_shapes(in_counts.shape, limit.shape))
    for index, count in enumerate(counts):
        value, clock = values[:, index], np.where(in_counts, count, elapsed[:, index])
        improved = value < limit
        np.copyto(limit, value - margin - relative_margin * sizes[:, index], where=improved)
        np.copyto(latest, clock, where=improved)
        # Rounding must not cost a validation: 0.7 - 0.4 is a little less than 0.3.
        np.greater_equal(clock - latest, given * (1 - 1e-9), out=fired[..., index])
    if warmup.any():
        fired &= elapsed >= warmup[..., None] * (1 - 1e-9)
    return fired


def _margins(hparams: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What an improvement must exceed: an absolute margin, and one in units of the best's size."""
    min_delta = _column(hparams["min_delta"])
    relative = _column(hparams["min_delta_mode"]) == _MODES.index("rel")
    return _shared(np.where(relative, 0.0, min_delta)), _shared(np.where(relative, min_delta, 0.0))


def _column(hparam: Any) -> NDArray[np.float64]:
    """A hyperparameter against curves at one validation: (policies, 1, 1) becomes (policies, 1)."""
    array = np.asarray(hparam, dtype=np.float64)
    return array[..., 0] if array.ndim else array


def _shared(column: NDArray[Any]) -> NDArray[Any]:
    """One number if all policies agree, so that what follows from it is computed once."""
    return column.reshape(-1)[0] if column.size and (column == column.reshape(-1)[0]).all() else column


def _plain(hparams: Mapping[str, Any]) -> str:
    margin = repr(hparams["min_delta"]) + (" * abs(best)" if hparams["min_delta_mode"] == "rel" else "")
    if hparams["patience"] >= 1:
        latest, waited = "count", "len(history) - latest"
    else:
        latest, waited = "step", "(history[-1][0] - latest) / total_steps"
    early = f"history[-1][0] / total_steps >= {hparams['warmup']!r} and " if hparams["warmup"] else ""
    return f"""
        best, latest = None, 0
        for count, (step, value) in enumerate(history, 1):
            if math.isfinite(value) and (best is None or value < best - {margin}):
                best, latest = value, {latest}
        return {early}{waited} >= {hparams["patience"]!r} * (1 - 1e-9)
    """


PATIENCE = StopperSpec(
    name="patience",
    version="1",
    fires=patience,
    space={
        "patience": Float(0.02, 0.5, log=True, default=0.1, valid="(0, inf)"),
        "min_delta": Float(0.0, 0.01, default=0.0, valid="[0, inf)"),
        "min_delta_mode": Categorical(_MODES, default="abs", when=When("min_delta", above=0.0)),
        "warmup": Float(0.0, 0.5, default=0.0, valid="[0, 1]"),
    },
    references=("https://doi.org/10.1007/3-540-49430-8_3",),
    plain=_plain,
    summary="stop when validation has not improved for a while",
)
