"""Metrics are scikit-learn's, of many members at once too."""

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from metaopt.tasks.tables.metrics import METRICS


def classes(count, seed=0, rows=60):
    generator = np.random.default_rng(seed)
    output = torch.tensor(generator.normal(size=(rows, count)).round(1), dtype=torch.float32)  # with ties
    return output, torch.tensor(generator.integers(0, count, rows))


@pytest.mark.parametrize("count", [2, 4])
def test_classifications_are_measured_as_elsewhere(count):
    output, targets = classes(count)
    known, labels, shares = targets.numpy(), output.argmax(1).numpy(), output.double().softmax(1).numpy()
    scores = (output[:, 1] - output[:, 0]).numpy() if count == 2 else shares / shares.sum(1, keepdims=True)
    expected = {
        "accuracy": reference.accuracy_score(known, labels),
        "balanced_accuracy": reference.balanced_accuracy_score(known, labels),
        "auc": reference.roc_auc_score(known, scores, multi_class="ovr"),
        "f1": reference.f1_score(known, labels, average="binary" if count == 2 else "macro"),
        "log_loss": reference.log_loss(known, shares, labels=range(count)),
    }
    for name, value in expected.items():
        assert METRICS[name].function(output, targets).item() == pytest.approx(value, abs=1e-5), name


def test_regressions_are_measured_as_elsewhere():
    generator = np.random.default_rng(1)
    output, targets = (torch.tensor(generator.normal(size=(50, 1))) for _ in range(2))
    expected = {
        "mse": reference.mean_squared_error(targets.numpy(), output.numpy()),
        "mae": reference.mean_absolute_error(targets.numpy(), output.numpy()),
        "r2": reference.r2_score(targets.numpy(), output.numpy()),
    }
    for name, value in expected.items():
        assert METRICS[name].function(output, targets).item() == pytest.approx(value), name


def test_many_members_are_measured_at_once():
    outputs = torch.stack([classes(3, seed)[0] for seed in range(4)])
    targets = classes(3)[1]
    for name, metric in METRICS.items():
        if metric.is_for_classes:
            together = torch.vmap(metric.function, in_dims=(0, None))(outputs, targets)
            alone = torch.stack([metric.function(output, targets) for output in outputs])
            torch.testing.assert_close(together, alone, msg=name)


def test_a_class_that_is_not_there_does_not_count():
    output, targets = classes(3)
    targets = targets.clamp(max=1)
    for name in ("auc", "balanced_accuracy", "f1"):
        assert 0 < METRICS[name].function(output, targets).item() < 1, name
