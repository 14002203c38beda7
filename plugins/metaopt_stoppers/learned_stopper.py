"""A small model of the curve so far that says how likely its best is to improve in what remains.

When to use it: when recorded runs of your own family are at hand to fit it to (`metaopt tune --stoppers
learned_stopper`, `metaopt replay`). The weights that ship were fitted to other tasks and may mislead on yours.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaopt import Categorical, CurveBatch, Float, StopperSpec
from metaopt_stoppers._shared.curve_features import NUM_FEATURES, SIGNALS, features
from metaopt_stoppers._shared.curve_units import first_finite, fractions, recorded
from metaopt_stoppers._shared.first_step import from_the_first_step, without_the_start

_Array = NDArray[np.float64]
_Theta = Mapping[str, _Array]

#: Number of networks, each fitted to its own bootstrap sample of the curves, and hidden units of each.
_MEMBERS = 4
_HIDDEN = 4
#: Smallest gains that count as an improvement, as shares of the whole run's gain since its first value.
_GAINS = (0.002, 0.01, 0.05)
_NEEDED = 3
_NEVER = 1e12
_DECAY = 3e-4
_ITERATIONS = 150
_SHIPPED = Path(__file__).with_suffix(".json")


@from_the_first_step
def learned_stopper(batch: CurveBatch, hparams: Mapping[str, Any], theta: _Theta) -> NDArray[np.bool_]:
    """Fire where P(the best improves by `gain` in what remains | the curve so far) < p.

    P is the mean of σ(b + w·x + a·tanh(Wx + c)) over a few networks, each fitted to a bootstrap sample of the curves, x
    the standardised features of the curve so far (see `curve_features`): fractions of the horizon and ratios, so that
    theta knows no unit and what one task's curves taught may serve another. An improvement counts where it is more than
    `gain` times (first value − best of the whole run); each gain has a, b and w of its own. A mean of probabilities is
    small only where all networks agree, which matters where few curves tell of a rare recovery.

    The signals `train_loss` and `lr`, the learning rate as a share of its planned peak, count where theta has seen them
    and the curve has them. Before the third finite value, and where the horizon is unknown, it never fires.

    A validation before the first step plays no part.

    Args:
        batch: n curves of T validations.
        hparams: `p`, in [0, 1]; `gain`, .002, .01 or .05. Numbers, or arrays of shape (policies, 1, 1).
        theta: `shift` and `scale` of the features, `linear` (w, b), `inner` (W, c) and `outer` (a) of
            each network.

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    enough = np.cumsum(np.isfinite(batch.values), axis=-1) >= _NEEDED
    known = enough & np.isfinite(fractions(batch))
    p, gain = np.asarray(hparams["p"], dtype=np.float64), np.asarray(hparams["gain"])
    fired = np.zeros((*np.broadcast_shapes(p.shape, gain.shape)[:-2], *known.shape), dtype=np.bool_)
    for trained_gain, likely in zip(_GAINS, np.moveaxis(probability(batch, theta), -1, 0), strict=True):
        if (gain == trained_gain).any():
            fired |= known & (gain == trained_gain) & (likely < p)
    return fired


def probability(batch: CurveBatch, theta: _Theta) -> _Array:
    """P(the best improves by each gain in what remains) at each validation, shape (n, T, gains)."""
    from scipy.special import expit  # imported late, so that listing plugins need not wait for SciPy

    inputs = _standardised(features(batch), theta)
    networks = zip(*(theta[name] for name in _FITTED), strict=True)
    mean_probability: _Array = np.mean([expit(_logits(inputs, *network)[0]) for network in networks], axis=0)
    return mean_probability


def fit(batches: Sequence[CurveBatch], generator: np.random.Generator) -> dict[str, _Array]:
    """Maximum likelihood over all validations, each curve with weight 1, and a normal prior on weights.

    Each network has its own bootstrap sample of the curves (Breiman, Bagging predictors,
    https://doi.org/10.1007/BF00058655).
    """
    from scipy.optimize import minimize

    inputs, improves, weight, sizes = (
        np.concatenate(parts) for parts in zip(*map(_examples, map(without_the_start, batches)), strict=True)
    )
    if not len(inputs):
        inputs, improves = np.zeros((1, NUM_FEATURES)), np.ones((1, len(_GAINS)))
        weight, sizes = np.ones(1), np.ones(1, dtype=np.int64)
    known = _units(inputs)
    scaled, networks = _standardised(inputs, known), []
    for _ in range(_MEMBERS):
        drawn = np.repeat(generator.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes))), sizes)
        data = (scaled[drawn > 0], improves[drawn > 0], (weight * drawn)[drawn > 0] / len(sizes))
        start = 0.3 * generator.standard_normal(_SIZES.sum())
        end = minimize(_loss, start, args=data, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS})
        networks.append(_unpacked(end.x))
    return {
        **known,
        **{name: np.stack(parts) for name, parts in zip(_FITTED, zip(*networks, strict=True), strict=True)},
    }


def shipped() -> dict[str, _Array]:
    """The theta that `benchmarks/stopping/stopper_weights.py` fitted; the file beside this one names the curves."""
    document = json.loads(_SHIPPED.read_text(encoding="utf-8"))
    return {name: np.asarray(array, dtype=np.float64) for name, array in document["theta"].items()}


def _examples(batch: CurveBatch) -> tuple[_Array, _Array, _Array, NDArray[np.int64]]:
    """Features, whether the best improved by each gain, and weights, of each validation from a curve's first value.

    Also the number of such validations of each curve that has any.
    """
    values = np.where(np.isfinite(batch.values), batch.values, np.inf)
    best = np.minimum.accumulate(values, axis=-1)
    final = best[:, -1:]
    used = recorded(batch) & np.isfinite(best) & np.isfinite(fractions(batch))
    with np.errstate(invalid="ignore"):
        gained = first_finite(batch.values) - final
        improves = (best - final)[..., None] > np.asarray(_GAINS) * gained[..., None]
    count = used.sum(axis=-1)
    weight = used / np.maximum(count[:, None], 1)
    return features(batch)[used], improves[used].astype(np.float64), weight[used], count[count > 0]


_FITTED = ("linear", "inner", "outer")
_OWN: dict[str, tuple[int, ...]] = {
    "linear": (NUM_FEATURES + 1, len(_GAINS)),
    "inner": (NUM_FEATURES + 1, _HIDDEN),
    "outer": (_HIDDEN, len(_GAINS)),
}
_SIZES = np.asarray([int(np.prod(_OWN[name])) for name in _FITTED])
_SHAPES: dict[str, tuple[int, ...]] = {
    "shift": (NUM_FEATURES,),
    "scale": (NUM_FEATURES,),
    **{name: (_MEMBERS, *shape) for name, shape in _OWN.items()},
}


def _units(inputs: _Array) -> dict[str, _Array]:
    """Mean and spread of each feature where it is recorded; a feature that never is gets a scale that silences it."""
    is_recorded = np.isfinite(inputs)
    count = is_recorded.sum(axis=0)
    shift = np.where(is_recorded, inputs, 0.0).sum(axis=0) / np.maximum(count, 1)
    spread = np.sqrt((np.where(is_recorded, inputs - shift, 0.0) ** 2).sum(axis=0) / np.maximum(count, 1))
    return {"shift": shift, "scale": np.where(count == 0, _NEVER, np.where(spread > 1e-9, spread, 1.0))}


def _standardised(inputs: _Array, theta: _Theta) -> _Array:
    """Features in units of their spread, a missing one as its mean, with a 1 at the end for the biases."""
    scaled = np.nan_to_num((inputs - theta["shift"]) / theta["scale"])
    return np.concatenate([scaled, np.ones((*scaled.shape[:-1], 1))], axis=-1)


def _logits(inputs: _Array, linear: _Array, inner: _Array, outer: _Array) -> tuple[_Array, _Array]:
    hidden: _Array = np.tanh(inputs @ inner)
    logits: _Array = inputs @ linear + hidden @ outer
    return logits, hidden


def _unpacked(point: _Array) -> tuple[_Array, _Array, _Array]:
    linear, inner, outer = np.split(point, np.cumsum(_SIZES)[:-1])
    return linear.reshape(_OWN["linear"]), inner.reshape(_OWN["inner"]), outer.reshape(_OWN["outer"])


def _loss(point: _Array, inputs: _Array, improves: _Array, weight: _Array) -> tuple[float, _Array]:
    """Mean negative log-likelihood with the prior, summed over gains, and its gradient."""
    from scipy.special import expit

    linear, inner, outer = _unpacked(point)
    logits, hidden = _logits(inputs, linear, inner, outer)
    loss = (weight @ (np.logaddexp(0, logits) - improves * logits)).sum() + _DECAY * point @ point
    slope = weight[:, None] * (expit(logits) - improves)
    back = slope @ outer.T * (1 - hidden**2)
    gradient = np.concatenate([part.reshape(-1) for part in (inputs.T @ slope, inputs.T @ back, hidden.T @ slope)])
    return float(loss), gradient + 2 * _DECAY * point


LEARNED_STOPPER = StopperSpec(
    name="learned_stopper",
    version="2",
    fires=learned_stopper,
    fit=fit,
    theta_shapes=_SHAPES,
    shipped=shipped,
    uses=SIGNALS,
    space={
        "p": Float(1e-5, 0.99, log=True, default=0.05, valid="[0, 1]"),
        "gain": Categorical(_GAINS, default=_GAINS[0]),
    },
    requires=frozenset({"horizon"}),
    # It takes a population of whole curves; an ordinary search has those of a few finalists.
    proposed=False,
    summary="stop where a model of recorded curves no longer expects a better value",
)
