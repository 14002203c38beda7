"""Soft k-means: centroids learned without labels, scored by the adjusted Rand index against them."""

from functools import partial

import torch
from torch import Tensor, nn

import metaopt
from metaopt_corpora._shared.splits import make_splits

FAMILY = "clustering"
SOFTNESS = 0.1


def tasks() -> list[metaopt.Task]:
    """Few clusters in the plane, more of them in eight dimensions."""
    return [
        _task("clusters_plane", num_clusters=5, num_inputs=2, width=0.4, batch_size=32, num_steps=200),
        _task("clusters_space", num_clusters=8, num_inputs=8, width=0.7, batch_size=64, num_steps=200),
    ]


class Centroids(nn.Module):
    """Centroids near the origin; the output is the negative squared distance to each.

    Args:
        num_clusters: how many.
        num_inputs: coordinates of a point.
    """

    def __init__(self, num_clusters: int, num_inputs: int) -> None:
        super().__init__()
        self.centroids = nn.Parameter(0.3 * torch.randn(num_clusters, num_inputs))

    def forward(self, points: Tensor) -> Tensor:
        """Shape (n, num_inputs) to (n, num_clusters)."""
        return -(points[:, None, :] - self.centroids).square().sum(dim=2)


def soft_k_means(output: Tensor, targets: Tensor) -> Tensor:
    """Mean soft minimum of the squared distances, `-s · log Σ exp(-d² / s)`; the labels are not looked at.

    Args:
        output: negative squared distances, shape (n, clusters).
        targets: labels, shape (n,).
    """
    return -SOFTNESS * torch.logsumexp(output / SOFTNESS, dim=1).mean()


def adjusted_rand(output: Tensor, targets: Tensor, num_clusters: int) -> Tensor:
    """Adjusted Rand index of the nearest centroids against the labels: 1 if they agree, about 0 by chance.

    `(Σ C(nᵢⱼ, 2) - E) / ((Σ C(aᵢ, 2) + Σ C(bⱼ, 2)) / 2 - E)` with `E = Σ C(aᵢ, 2) Σ C(bⱼ, 2) / C(n, 2)` (Hubert &
    Arabie, Journal of Classification 2, 1985). NaN where the output is not finite.

    Args:
        output: shape (n, num_clusters); a point belongs to its largest column.
        targets: labels 0, …, num_clusters - 1, shape (n,).
        num_clusters: number of columns and of labels.
    """
    names = torch.arange(num_clusters, device=output.device)
    found = (output.argmax(dim=1)[:, None] == names).double()
    true = (targets[:, None] == names).double()
    together = _pairs(found.T @ true).sum()
    of_found, of_true = _pairs(found.sum(dim=0)).sum(), _pairs(true.sum(dim=0)).sum()
    by_chance = of_found * of_true / _pairs(torch.full_like(together, len(targets)))
    index = (together - by_chance) / ((of_found + of_true) / 2 - by_chance)
    return torch.where(torch.isfinite(output).all(), index, torch.nan).to(output.dtype)


def cluster_splits(num_clusters: int, num_inputs: int, width: float, seed: int = 0) -> metaopt.Splits:
    """Normal clouds around random centres, which are 1 wide; 500, 200, 300 points.

    Args:
        num_clusters: how many.
        num_inputs: coordinates of a point.
        width: mean standard deviation of a cloud; they differ by a factor of up to three.
        seed: of everything random.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = partial(torch.randn, generator=generator, dtype=torch.float64)
    centres = normal(num_clusters, num_inputs)
    widths = 0.5 * width + width * torch.rand(num_clusters, generator=generator, dtype=torch.float64)
    label = torch.arange(1000) % num_clusters
    points = centres[label] + widths[label][:, None] * normal(1000, num_inputs)
    return make_splits(points, label, (200, 300), seed=seed)


def _task(
    name: str, *, num_clusters: int, num_inputs: int, width: float, batch_size: int, num_steps: int
) -> metaopt.Task:
    return metaopt.Task(
        name=name,
        family=FAMILY,
        model=partial(Centroids, num_clusters, num_inputs),
        data=partial(cluster_splits, num_clusters, num_inputs, width),
        loss=soft_k_means,
        metric=partial(adjusted_rand, num_clusters=num_clusters),
        mode="max",
        batch_size=batch_size,
        num_steps=num_steps,
        num_validations=20,
    )


def _pairs(counts: Tensor) -> Tensor:
    return counts * (counts - 1) / 2
