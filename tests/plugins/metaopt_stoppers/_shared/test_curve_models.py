"""Models of learning curves: they fall to 0, and bend where they are said to."""

import numpy as np
import pytest

from metaopt_stoppers._shared.curve_fits import MODELS

X = np.linspace(0.001, 1.0, 4000)


@pytest.fixture(params=MODELS, ids=lambda model: model.name)
def model(request):
    return request.param


def test_every_shape_of_the_grid_falls_and_stays_above_0(model):
    curves = model.basis(X[:, None], *model.shapes)
    assert curves.shape == (len(X), len(model.shapes[0]))
    assert (np.diff(curves, axis=0) <= 0).all()
    assert (curves >= 0).all()
    assert (np.ptp(curves, axis=0) > 0).all()


def test_it_levels_off_after_its_inflection_and_steepens_before(model):
    inflection = model.inflection(*model.shapes)
    assert inflection.shape == model.shapes[0].shape
    bends = np.diff(model.basis(X[:, None], *model.shapes), 2, axis=0)
    for bend, turn in zip(bends.T, inflection, strict=True):
        after, before = bend[X[1:-1] > turn + 0.001], bend[X[1:-1] < turn - 0.001]
        assert (after >= -1e-12).all()
        assert (before <= 1e-12).all()


def test_shapes_are_all_combinations_and_count_as_parameters_beside_asymptote_and_scale(model):
    sizes = [len(axis) for axis in model.grid]
    assert len(set(zip(*(axis.tolist() for axis in model.shapes), strict=True))) == np.prod(sizes)
    assert model.num_parameters == 2 + len(sizes)


#: φ at x = ½ for shapes with a simple answer.
HALVES = {
    "power law": ((2.0,), 4.0),
    "exponential": ((2.0,), np.exp(-1)),
    "logistic": ((10.0, 0.5), 0.5),
    "Weibull and Janoschek": ((2.0, 3.0), np.exp(-1)),
    "MMF": ((4.0, 2.0), 0.2),
}


def test_formulas_are_those_of_the_papers(model):
    shape, value = HALVES[model.name]
    assert model.basis(np.array([[0.5]]), *(np.array([one]) for one in shape)).item() == pytest.approx(value)
