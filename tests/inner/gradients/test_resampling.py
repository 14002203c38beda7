"""The metric on examples drawn with replacement."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from metaopt.inner.gradients.resampling import DRAWS, drawn_rows, resampled_metric

ROWS = torch.tensor([[0, 0, 0], [2, 1, 0], [1, 1, 2]])
OUTPUT, TARGETS = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[0.0], [0.0], [0.0]])


def test_each_draw_has_as_many_examples_as_there_are_some_of_them_twice():
    rows = drawn_rows(30)
    assert rows.shape == (DRAWS, 30)
    assert int(rows.min()) >= 0
    assert int(rows.max()) < 30
    different = np.mean([len(set(draw.tolist())) for draw in rows])
    assert different / 30 == pytest.approx(1 - np.exp(-1), abs=0.03)


def test_models_that_see_as_many_examples_see_the_same_draws():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert torch.equal(drawn_rows(12), drawn_rows(12))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_metric_of_each_draw_is_that_of_its_examples():
    found = resampled_metric(F.mse_loss, OUTPUT, TARGETS, ROWS)
    assert found.tolist() == [1.0, 7.0, 8.0]  # of squares 1, 4, 16: 1; (16 + 4 + 1) / 3; (4 + 4 + 16) / 3


def test_a_metric_that_is_no_mean_is_of_the_draw_not_of_single_examples():
    def root(output, targets):
        return F.mse_loss(output, targets).sqrt()

    torch.testing.assert_close(resampled_metric(root, OUTPUT, TARGETS, ROWS), torch.tensor([1.0, 7.0, 8.0]).sqrt())

    def spread(output, targets):
        return output.max() - output.min()

    assert resampled_metric(spread, OUTPUT, TARGETS, ROWS).tolist() == [0.0, 3.0, 2.0]


def refuses(output, targets):
    raise ValueError("all examples, please")


@pytest.mark.parametrize(
    ("metric", "output"),
    [
        (refuses, OUTPUT),
        (F.mse_loss, (OUTPUT, OUTPUT)),  # as models do that answer with several tensors
        (F.mse_loss, {"logits": OUTPUT}),
        (lambda output, targets: output, torch.tensor(1.0)),
        (lambda output, targets: output.sum(), torch.zeros(1, 3)),  # one row for all examples
    ],
)
def test_nothing_is_known_where_examples_cannot_be_told_apart_or_the_metric_refuses(metric, output):
    found = resampled_metric(metric, output, TARGETS, ROWS)
    assert found.shape == (3,)
    assert found.isnan().all()
