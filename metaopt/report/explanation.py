"""What a recipe's rule does while a model trains: effective rates, directions, gates."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from metaopt.configuration import ANCHORED, assemble
from metaopt.contracts import AnyTask, FewShotTask, Float32ByDefault, StepInfo, Task
from metaopt.errors import InputError
from metaopt.files import replace_file
from metaopt.meta import InnerLoop, few_shot
from metaopt.plugin import Registry
from metaopt.recipe import Recipe
from metaopt.report.tables import Table

#: Steps of ordinary trainings that are looked at.
MOST_STEPS = 20
#: Episodes that are averaged over.
EPISODES = 8

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Explained:
    """One parameter over the steps of an inner loop, means over episodes.

    Attributes:
        name: of the parameter.
        rate: |update| / |gradient| at each step.
        cosine: between update and negative gradient at each step, in [-1, 1].
        drawn: what the rule's plugin says is worth a look, by name: such as the mean of a gate at each step.
    """

    name: str
    rate: tuple[float, ...]
    cosine: tuple[float, ...]
    drawn: dict[str, tuple[float, ...]]


@torch.no_grad()
def explain(recipe: Recipe, task: AnyTask, registry: Registry, num_steps: int | None = None) -> list[Explained]:
    """Follow the rule on a few of the task's test episodes, from its learned start or a fresh model.

    Args:
        recipe: whose rule, with its weights if it is learned.
        task: a few-shot task, or an ordinary one, whose first steps are looked at.
        registry: where plugins are.
        num_steps: how many; those of meta-training, or the task's, up to MOST_STEPS if left out.

    Raises:
        InputError: the task is a black box.
    """
    if not isinstance(task, Task | FewShotTask):
        raise InputError(f"Task {task.name!r} is a black box, whose gradients nobody sees; explain on another.")
    episodic = few_shot(task) if isinstance(task, Task) else task
    if recipe.configuration.learner:
        raise InputError(
            f"{recipe.configuration.learner!r} is a learner: it takes no steps that could be followed; "
            "metaopt.report.explain_learner shows what it compares."
        )
    assembly = assemble(recipe.configuration, registry, task.scale if isinstance(task, Task) else ANCHORED)
    learned = int(assembly.meta_values.get("inner_steps", 0))
    steps = num_steps or min(learned or episodic.num_steps, MOST_STEPS)
    inner_loop, theta = InnerLoop(episodic, assembly), dict(recipe.theta or {})
    each = [_followed(inner_loop, theta, row, steps) for row in range(EPISODES)]
    return [_mean([episode[position] for episode in each]) for position in range(len(each[0]))]


def explained_table(rows: Sequence[Explained], steps_of: str) -> Table:
    """Every parameter with its effective rate, direction and gates: first and last value, and bars over the steps."""
    labels = sorted({label for row in rows for label in row.drawn})
    note = (
        f"Means over {EPISODES} {steps_of}, bars from the first step to the last. Rate: length of the update over that "
        "of the gradient, bars between its own extremes. Cosine: between update and negative gradient; 1 is descent, 0 "
        "orthogonal to it, bars between -1 and 1."
    )
    return Table(
        "What the rule does",
        ("parameter", "rate", "", "cosine", "", *(part for label in labels for part in (label, ""))),
        tuple(_cells(row, labels) for row in rows),
        1,
        note,
    )


def _cells(explained: Explained, labels: Sequence[str]) -> tuple[str, ...]:
    cells = [
        explained.name,
        _ends(explained.rate),
        sparkline(explained.rate),
        _ends(explained.cosine),
        sparkline(explained.cosine, -1.0, 1.0),
    ]
    for label in labels:
        values = explained.drawn.get(label)
        cells += ["", ""] if values is None else [_ends(values), sparkline(values)]
    return tuple(cells)


def _ends(values: Sequence[float]) -> str:
    return f"{values[0]:.3g}" if len(values) == 1 else f"{values[0]:.3g} → {values[-1]:.3g}"


def draw_explained(rows: Sequence[Explained], path: Path) -> None:
    """One panel a quantity, one line a parameter, over the steps; a PNG. Needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = sorted({label for row in rows for label in row.drawn})
    series = {"effective rate": [row.rate for row in rows], "cosine": [row.cosine for row in rows]}
    series.update({label: [row.drawn.get(label, ()) for row in rows] for label in labels})
    figure = Figure(figsize=(4.3 * len(series), 3.2), layout="constrained")
    for axes, (label, lines) in zip(figure.subplots(1, len(series), squeeze=False)[0], series.items(), strict=True):
        for row, values in zip(rows, lines, strict=True):
            axes.plot(range(1, len(values) + 1), values, marker="o", markersize=3, label=row.name)
        axes.set_title(label)
        axes.set_xlabel("step")
        if label == "effective rate" and all(value > 0 for values in lines for value in values):
            axes.set_yscale("log")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.removeprefix(".") or "png", dpi=160)
    replace_file(path, content.getvalue())


def sparkline(values: Sequence[float], low: float | None = None, high: float | None = None) -> str:
    """Numbers as bars between the lowest and the highest of them, or between given ends."""
    bottom, top = min(values) if low is None else low, max(values) if high is None else high
    span = top - bottom or 1.0
    return "".join(_BARS[min(max(int((value - bottom) / span * len(_BARS)), 0), len(_BARS) - 1)] for value in values)


@Float32ByDefault()
def _followed(inner_loop: InnerLoop, theta: dict[str, Tensor], row: int, steps: int) -> list[Explained]:
    episodes = inner_loop.task.evaluated_episodes("test", EPISODES)
    batches = inner_loop.draw_batches(episodes, steps, torch.Generator().manual_seed(row))
    support = episodes.support_inputs[row], episodes.support_targets[row]
    horizon = torch.tensor(float(steps))
    params, state = inner_loop.begin(
        theta, {key: tensor[0] for key, tensor in inner_loop.starts([row]).items()}, support, horizon
    )
    seen: dict[str, list[tuple[float, float, dict[str, float]]]] = {name: [] for name in params}
    drawn = inner_loop.meta.drawn if inner_loop.meta is not None else {}
    for step in range(steps):
        data = support if batches is None else (batches[0][row, step], batches[1][row, step])
        grads = inner_loop.transforms.grad(inner_loop.loss)(params, *data)
        norm = torch.stack([tensor.square().sum() for tensor in grads.values()]).sum().sqrt()
        info = StepInfo(torch.tensor(float(step)), horizon, inner_loop.loss(params, *data), {"gradient_norm": norm})
        updates, state = inner_loop.rule.update(grads, state, params, inner_loop.hparams, theta, info)
        for name, update in updates.items():
            own = state["tensors"].get(name, {})
            gates = {label: _shown(label, own[key]) for label, key in drawn.items() if key in own}
            seen[name].append((*_direction(update, grads[name]), gates))
        params = {name: tensor + updates[name] if name in updates else tensor for name, tensor in params.items()}
    return [
        Explained(
            name=name,
            rate=tuple(rate for rate, _, _ in rows),
            cosine=tuple(cosine for _, cosine, _ in rows),
            drawn={label: tuple(gates[label] for _, _, gates in rows) for label in rows[0][2]},
        )
        for name, rows in seen.items()
        if rows
    ]


def _direction(update: Tensor, gradient: Tensor) -> tuple[float, float]:
    lengths = update.norm() * gradient.norm()
    cosine = -(update * gradient).sum() / lengths if float(lengths) > 0 else torch.zeros(())
    return float(update.norm() / gradient.norm().clamp(min=1e-30)), float(cosine)


def _shown(label: str, state: Tensor) -> float:
    return float((state.sigmoid() if label.endswith("gate") else state).mean())


def _mean(episodes: Sequence[Explained]) -> Explained:
    def mean(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
        return tuple(sum(column) / len(column) for column in zip(*rows, strict=True))

    return Explained(
        name=episodes[0].name,
        rate=mean([episode.rate for episode in episodes]),
        cosine=mean([episode.cosine for episode in episodes]),
        drawn={label: mean([episode.drawn[label] for episode in episodes]) for label in episodes[0].drawn},
    )
