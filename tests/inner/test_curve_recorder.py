"""Curves of a population as they grow."""

import numpy as np
import torch

from metaopt.inner.curve_recorder import CurveRecorder


def test_each_member_has_a_curve_of_what_was_added():
    recorder = CurveRecorder(("train_loss", "evidence"))
    assert recorder.last_step == 0
    for step in (3, 6):
        values = torch.tensor([1.0, float("nan")]) / step
        recorder.add(step, values, 10 * values, train_loss=values + 1, evidence=-values)
        assert recorder.last_step == step
    first, second = recorder.curves(horizon=6)
    assert first.horizon == 6
    np.testing.assert_array_equal(first.steps, [3, 6])
    np.testing.assert_allclose(first.values, [1 / 3, 1 / 6])
    np.testing.assert_allclose(first.test, [10 / 3, 10 / 6], rtol=1e-6)
    np.testing.assert_allclose(first.signals["train_loss"], [4 / 3, 7 / 6], rtol=1e-6)
    np.testing.assert_allclose(first.signals["evidence"], [-1 / 3, -1 / 6])
    assert second.diverged


def test_what_is_recorded_is_no_view_and_holds_no_gradient():
    recorder = CurveRecorder()
    values = torch.ones(2, requires_grad=True)
    recorder.add(1, values, values, train_loss=values)
    with torch.no_grad():
        values.zero_()
    assert recorder.curves(1)[0].values[0] == 1.0
