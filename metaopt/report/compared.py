"""What a learner compares, on one episode: features, prototypes and relations, as a picture in two dimensions."""

import io
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from metaopt.configuration import assemble
from metaopt.contracts import BACKBONE, AnyTask, FewShotTask, Float32ByDefault, Tensors, Theta
from metaopt.errors import InputError
from metaopt.files import replace_file
from metaopt.learners import Comparison, check_episodes, fitting
from metaopt.meta import comparison_on
from metaopt.plugin import Registry
from metaopt.recipe import Recipe
from metaopt.report.tables import Table

#: Names under which learners keep one thing for each class.
PROTOTYPES = ("prototypes", "weights", "means")


@dataclass(frozen=True)
class Compared:
    """A test episode as a learner sees it.

    Attributes:
        learner: its name.
        support: features in the plane, shape (n, 2).
        support_classes: shape (n,).
        queries: likewise, shape (m, 2).
        query_classes: shape (m,).
        predicted: the class that each query is taken for, shape (m,).
        prototypes: what each class is compared by, in the plane, shape (ways, 2).
        prototypes_are: in words.
        relations: mean probability that queries of a class (rows) are taken for each class, shape (ways, ways).
        share: of the features' variance that the plane has.
    """

    learner: str
    support: Tensor
    support_classes: Tensor
    queries: Tensor
    query_classes: Tensor
    predicted: Tensor
    prototypes: Tensor
    prototypes_are: str
    relations: Tensor
    share: float

    @property
    def accuracy(self) -> float:
        """Share of the queries that are told right."""
        return float((self.predicted == self.query_classes).float().mean())


@torch.no_grad()
@Float32ByDefault()
def explain_learner(recipe: Recipe, task: AnyTask, registry: Registry) -> Compared:
    """Look at the first test episode of a few-shot task through a learner.

    The plane is that of the two principal components of the features of support set and queries; where the learner goes
    by cosine, features have unit length there.

    Args:
        recipe: of a learner, with its weights.
        task: whose episodes.
        registry: where plugins are.

    Raises:
        InputError: the task is no few-shot task, or its model is not the one that the weights were learned for.
    """
    if not isinstance(task, FewShotTask):
        raise InputError(f"Task {task.name!r} has no episodes to compare; give --corpus, one with a few-shot task.")
    assembly = assemble(recipe.configuration, registry)
    assert assembly.learner is not None, "the caller has looked"
    comparison = comparison_on(assembly, assembly.learner, task)
    theta = fitting(comparison, recipe.theta)
    episode = task.evaluated_episodes("test", 1)
    ways = check_episodes(assembly.learner.name, episode)
    support, classes, queries, query_classes = (tensor[0] for tensor in episode.tensors)
    kept = comparison.keep(theta, support, classes, ways)
    weights = {**theta, **{name: value for name, value in kept.items() if name.startswith(BACKBONE)}}
    by_support = support if comparison.backbone.statistics == "support" else None
    logits = comparison.predicted(kept, theta, queries, by_support)
    features = comparison.features(weights, torch.cat([support, queries]), support=len(support))[0]
    parts = [features[: len(support)], features[len(support) :]]
    prototypes, prototypes_are = _prototypes(kept, parts[0], classes, ways)
    if _goes_by_direction(comparison, kept, weights, parts[1]):
        parts, prototypes = [_unit(part) for part in parts], _unit(prototypes)
    plane, share = _in_the_plane(parts[0].flatten(1), parts[1].flatten(1), prototypes.flatten(1))
    probabilities = logits.softmax(1)
    relations = torch.stack([probabilities[query_classes == number].mean(0) for number in range(ways)])
    return Compared(
        learner=assembly.learner.name,
        support=plane[0],
        support_classes=classes,
        queries=plane[1],
        query_classes=query_classes,
        predicted=logits.argmax(1),
        prototypes=plane[2],
        prototypes_are=prototypes_are,
        relations=relations,
        share=share,
    )


def compared_table(compared: Compared, task: str) -> Table:
    """Each class of the episode: how its queries are told, what they are taken for else, how near its neighbour is."""
    ways = len(compared.prototypes)
    spread = compared.queries - compared.prototypes[compared.query_classes]
    rows = []
    for number in range(ways):
        own = compared.query_classes == number
        others = compared.relations[number].clone()
        others[number] = -1.0
        distance = spread[own].norm(dim=1).mean().clamp(min=1e-12)
        apart = (compared.prototypes - compared.prototypes[number]).norm(dim=1)
        apart[number] = torch.inf
        rows.append(
            (
                f"class {number}",
                str(int((compared.support_classes == number).sum())),
                f"{float((compared.predicted[own] == number).float().mean()):.0%} of {int(own.sum())}",
                f"{float(compared.relations[number, number]):.2f}",
                f"class {int(others.argmax())} {float(others.max()):.2f}",
                f"{float(apart.min() / distance):.1f}, class {int(apart.argmin())}",
            )
        )
    note = (
        f"The first test episode of {task!r}. Relation: mean probability that its queries are of the class, and of the "
        f"class that they are most taken for else. Apart: from the nearest of the {compared.prototypes_are}, in mean "
        f"distances of its queries from its own, in the plane that has {compared.share:.0%} of the features' variance."
    )
    columns = ("", "examples", "queries told right", "relation", "next", "apart")
    return Table(f"What {compared.learner} compares", columns, tuple(rows), 1, note)


def draw_compared(compared: Compared, path: Path) -> None:
    """The episode's features and prototypes in the plane, and the relations beside them; a PNG. Needs matplotlib."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ways = len(compared.prototypes)
    colours = [colormaps["turbo"]((number + 0.5) / ways) for number in range(ways)]
    figure = Figure(figsize=(9.4, 4.2), layout="constrained")
    plane, relations = figure.subplots(1, 2)
    is_right = compared.predicted == compared.query_classes
    for number, colour in enumerate(colours):
        own = compared.query_classes == number
        for rows, marker, label in ((own & is_right, "o", "query"), (own & ~is_right, "x", "query, told wrong")):
            plane.scatter(*compared.queries[rows].T.tolist(), color=colour, marker=marker, s=18, alpha=0.7, label=label)
        examples = compared.support[compared.support_classes == number].T.tolist()
        plane.scatter(*examples, facecolors="none", edgecolors=[colour], marker="s", s=44, label="support")
        place = compared.prototypes[number].tolist()
        plane.scatter(*place, color=[colour], marker="*", s=190, edgecolors="black", label=compared.prototypes_are)
        plane.annotate(str(number), place, xytext=(6, 6), textcoords="offset points", fontsize=8)
    handles, labels = plane.get_legend_handles_labels()
    plane.legend(handles[:4], labels[:4], fontsize=7)
    plane.set_title(f"features in the plane, {compared.share:.0%} of their variance", fontsize=9)
    image = relations.imshow(compared.relations.tolist(), vmin=0, vmax=1, cmap="Blues")
    relations.set_title("relation: mean probability", fontsize=9)
    relations.set_xlabel("taken for")
    relations.set_ylabel("queries of class")
    figure.colorbar(image, ax=relations, shrink=0.8)
    figure.suptitle(f"{compared.learner}, {compared.accuracy:.0%} of the queries told right", fontsize=10)
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.removeprefix(".") or "png", dpi=160)
    replace_file(path, content.getvalue())


def _prototypes(kept: Tensors, support: Tensor, classes: Tensor, ways: int) -> tuple[Tensor, str]:
    """What the learner keeps of each class; where it keeps examples, the class means of their features."""
    for name in PROTOTYPES:
        if name in kept and kept[name].shape == (ways, *support.shape[1:]):
            return kept[name], name
    means = torch.stack([support[classes == number].mean(0) for number in range(ways)])
    return means, "class means"


def _goes_by_direction(comparison: Comparison, kept: Tensors, theta: Theta, queries: Tensor) -> bool:
    """Whether the length of a query's features does not matter, as for cosines."""
    first, second = (comparison.predicted_from(kept, scale * queries, theta) for scale in (1.0, 2.0))
    return torch.allclose(first, second, rtol=1e-3, atol=1e-4)


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features.flatten(1), dim=1)


def _in_the_plane(*parts: Tensor) -> tuple[list[Tensor], float]:
    """Each part in the plane of the first two parts' principal components, and the share of variance that it has."""
    examples = torch.cat(parts[:2]).double()
    mean = examples.mean(0)
    _, lengths, axes = torch.linalg.svd(examples - mean, full_matrices=False)
    basis = axes[:2].T
    variance = lengths.square()
    share = float(variance[:2].sum() / variance.sum().clamp(min=1e-300))
    flat = [(part.double() - mean) @ basis for part in parts]
    return [F.pad(part, (0, 2 - part.shape[1])).float() for part in flat], share
