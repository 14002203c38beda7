"""What validations and reports of a table measure: functions of outputs and targets, of many members at once too.

Those without a gradient are measured, and never trained on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from metaopt.contracts import Mode
from metaopt.errors import InputError, quoted


def accuracy(output: Tensor, targets: Tensor) -> Tensor:
    """The share of rows whose largest output is the target's."""
    return (output.argmax(-1) == targets).to(output.dtype).mean()


def balanced_accuracy(output: Tensor, targets: Tensor) -> Tensor:
    """The mean over classes, of those that there are, of the share that is recognised."""
    members = _members(targets, output)
    hits = (output.argmax(-1) == targets).to(output.dtype)
    sizes = members.sum(0)
    recalls = (members * hits[:, None]).sum(0) / sizes.clamp(min=1)
    return recalls.sum() / (sizes > 0).sum()


def auc(output: Tensor, targets: Tensor) -> Tensor:
    """The area under the ROC curve: how often a row of a class has a higher score than one of another.

    Of more than two classes, the mean over classes against all others, of those that both are there. Ties count half.
    """
    if output.shape[-1] == 2:
        return _area(output[:, 1] - output[:, 0], (targets == 1).to(output.dtype))[0]
    shares = output.softmax(-1)
    areas = [_area(shares[:, label], (targets == label).to(output.dtype)) for label in range(output.shape[-1])]
    known = torch.stack([is_known for _, is_known in areas])
    return (torch.stack([area for area, _ in areas]) * known).sum() / known.sum().clamp(min=1)


def f1(output: Tensor, targets: Tensor) -> Tensor:
    """The harmonic mean of precision and recall: of the second of two classes, else the mean over classes met."""
    members, predicted = _members(targets, output), _members(output.argmax(-1), output)
    both, either = (members * predicted).sum(0), members.sum(0) + predicted.sum(0)
    scores = 2 * both / either.clamp(min=1)
    return scores[1] if output.shape[-1] == 2 else scores.sum() / (either > 0).sum()


def log_loss(output: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy, in nats."""
    return F.cross_entropy(output, targets)


def mse(output: Tensor, targets: Tensor) -> Tensor:
    """The mean squared error, in units of the target's variance over training rows."""
    return F.mse_loss(output, targets)


def mae(output: Tensor, targets: Tensor) -> Tensor:
    """The mean absolute error, in units of the target's standard deviation over training rows."""
    return F.l1_loss(output, targets)


def r2(output: Tensor, targets: Tensor) -> Tensor:
    """The share of the target's variance that is explained; 1 is perfect, 0 what their mean explains."""
    spread = (targets - targets.mean()).square().sum()
    return 1 - (output - targets).square().sum() / spread.clamp(min=1e-12)


@dataclass(frozen=True)
class Metric:
    """A metric that `corpus.toml` can name.

    Attributes:
        function: of outputs, shape (n, classes) or (n, 1), and targets.
        mode: whether it is better when lower or when higher.
        is_for_classes: whether it is one of classifications, or of regressions.
    """

    function: Callable[[Tensor, Tensor], Tensor]
    mode: Mode
    is_for_classes: bool


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(accuracy, "max", is_for_classes=True),
    "balanced_accuracy": Metric(balanced_accuracy, "max", is_for_classes=True),
    "auc": Metric(auc, "max", is_for_classes=True),
    "f1": Metric(f1, "max", is_for_classes=True),
    "log_loss": Metric(log_loss, "min", is_for_classes=True),
    "mse": Metric(mse, "min", is_for_classes=False),
    "mae": Metric(mae, "min", is_for_classes=False),
    "r2": Metric(r2, "max", is_for_classes=False),
}


def metric_of(name: str | None, kind: str, where: str) -> Metric | None:
    """The metric of a name; None for None.

    Args:
        name: of METRICS.
        kind: of the targets, `"classification"` or `"regression"`.
        where: the file, for messages.

    Raises:
        InputError: it does not measure such targets.
    """
    if name is None:
        return None
    metric = METRICS[name]
    if metric.is_for_classes != (kind == "classification"):
        fitting = [other for other, known in METRICS.items() if known.is_for_classes != metric.is_for_classes]
        raise InputError(
            f"{where} is a {kind}, which metric = {quoted(name)} in corpus.toml does not measure; there are "
            f"{', '.join(fitting)}."
        )
    return metric


def _members(labels: Tensor, output: Tensor) -> Tensor:
    """1 where a row is of a class, shape (n, classes)."""
    return (labels[:, None] == torch.arange(output.shape[-1], device=output.device)).to(output.dtype)


def _area(scores: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """The area, by the mean ranks of ties, and 1 if there are rows of both kinds."""
    order = scores.argsort()
    ordered = scores[order]
    steps = torch.cat([torch.zeros_like(order[:1]), (ordered[1:] != ordered[:-1]).to(order.dtype)]).cumsum(0)
    ranks = torch.arange(1, len(scores) + 1, device=scores.device, dtype=scores.dtype)
    sums = torch.zeros_like(ranks).scatter_add(0, steps, ranks)
    sizes = torch.zeros_like(ranks).scatter_add(0, steps, torch.ones_like(ranks))
    means = (sums / sizes.clamp(min=1))[steps]
    count = positive.sum()
    others = len(scores) - count
    total = (means * positive[order]).sum() - count * (count + 1) / 2
    return total / (count * others).clamp(min=1), ((count > 0) & (others > 0)).to(scores.dtype)
