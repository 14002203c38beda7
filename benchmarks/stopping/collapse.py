"""Whether a training that collapsed to a constant can be told by its losses, without false alarms on healthy ones.

    python -m benchmarks.stopping.collapse [--data ../shared/data/curves] [--seeds 1] [--runs out/collapse.jsonl]
        > benchmarks/results/collapse.txt

A classifier that came to predict class frequencies, and an autoencoder that came to draw the mean image, have a loss
that fell in the first steps and stays there. Runs: AdamW with a constant rate on the starter corpus, on wide
perceptrons and on variational autoencoders, at ordinary rates (.0003 to .003) and at rates far too high (.03 to 1);
recorded tuning runs of AlexNet on ImageNet. A run is *collapsed* if its training loss ends within 3 % of that of the
best constant answer or above, *healthy* if it ends at least 10 % below; what lies between counts as neither. Recorded
runs of AlexNet are collapsed at the end where top-1 accuracy is at most .002, healthy from .05 on.

Two detectors. One looks for a loss that stays where it fell to. It sees the mean training loss between validations,
L_1, L_2, …, and L_0 before the first step. It speaks where the share `after` of the plan is done, if the loss then lies
no more than `gain` (a share of L_e) below L_e, its mean where a tenth of the plan is done, and L_e / L_0 is at least
`level`:

    L_e - min(L_e, …, L_t)  <=  gain * |L_e|   and   L_e >= level * L_0

The other sees validations alone, one before the first step among them, and speaks where the share `after` of the plan
is done and none was better than that one by more than `margin`, a share of it. This is what a run warns of, at
three tenths of the plan and a margin of 0.

For each setting: the share of healthy runs that it speaks of at any validation, and of collapsed ones.
"""

import argparse
import gzip
import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.plugin.registry import current_registry
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "curves"
ORDINARY, TOO_HIGH = (3e-4, 1e-3, 3e-3), (3e-2, 0.1, 0.3, 1.0)
FIRST_SEED = 7_000
AFTER, GAINS, LEVELS = (0.3, 0.5, 0.8), (0.002, 0.01, 0.03), (0.0, 0.5, 0.8, 0.95)
EARLY = 0.1
MARGINS = (0.0, 0.01, 0.02, 0.05)


@dataclass(frozen=True)
class LossCurve:
    """The training losses of a run.

    Attributes:
        group: of runs that are reported together.
        name: task and rate.
        first: loss before the first step.
        constant: of the best constant answer; None where collapse is known otherwise.
        share: of the plan that is done at each validation.
        losses: mean since the validation before; NaN from where training diverged.
        start: validation before the first step, lower is better.
        values: validations, lower is better.
        collapsed: whether it collapsed; None where it is neither that nor healthy.
    """

    group: str
    name: str
    first: float
    constant: float | None
    share: tuple[float, ...]
    losses: tuple[float, ...]
    start: float
    values: tuple[float, ...]
    collapsed: bool | None


Detector: TypeAlias = Callable[..., bool]


# Runs


class VAE(nn.Module):
    """Images of 64 grey levels through a code of 8 numbers: (n, 64) to (n, 80), image, means and log variances."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = mlp((64, width, 16))
        self.decoder = mlp((8, width, 64))

    def forward(self, images: Tensor) -> Tensor:
        mean, log_variance = self.encoder(images).chunk(2, dim=-1)
        code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return torch.cat([self.decoder(code), mean, log_variance], dim=-1)


def bound(output: Tensor, images: Tensor) -> Tensor:
    """Negative evidence lower bound of images from 0 to 1, nats an image."""
    logits, mean, log_variance = output.split((64, 8, 8), dim=-1)
    drawn = F.binary_cross_entropy_with_logits(logits, images, reduction="none").sum(-1)
    return (drawn + 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1)).mean()


def wide_tasks() -> list[metaopt.Task]:
    """Perceptrons of 256 units in up to four layers, and variational autoencoders, on scikit-learn's digits."""
    inputs, targets = load_digits(return_X_y=True)
    images, labels = torch.tensor(inputs / 16, dtype=torch.float64), torch.tensor(targets)
    classified, drawn = make_splits(images, labels, (200, 300)), make_splits(images, images.float(), (200, 300))
    task = partial(metaopt.Task, num_steps=200, num_validations=20, batch_size=32)
    return [
        *(
            task(
                name=f"wide_mlp_{depth}",
                family="wide",
                model=partial(mlp, (64, *[256] * depth, 10)),
                data=classified,
                loss=F.cross_entropy,
            )
            for depth in (2, 4)
        ),
        *(
            task(name=f"vae_{width}", family="vae", model=partial(VAE, width), data=drawn, loss=bound)
            for width in (64, 256)
        ),
    ]


def recorded(tasks: Sequence[metaopt.Task], seeds: Sequence[int]) -> Iterator[LossCurve]:
    """A curve for each task, rate and seed."""
    rates = {rate: Configuration("adamw", "constant", hparams={"adamw.lr": rate}) for rate in (*ORDINARY, *TOO_HIGH)}
    for task in tasks:
        evaluator = Evaluator(Ledger("sqlite://"), current_registry(), compile="off")
        try:
            curves = evaluator.curves(list(rates.values()), [task], tuple(seeds))
        finally:
            evaluator.close()
        constant = constant_loss(task)
        for (rate, configuration), seed in product(rates.items(), seeds):
            curve = curves[configuration.key, task.name, seed]
            losses = np.asarray(curve.signals["train_loss"])
            share = tuple(float(step) / task.num_steps for step in curve.steps)
            group = "ordinary rates" if rate in ORDINARY else "rates far too high"
            first, start = at_the_start(task, seed)
            series = first, constant, share, tuple(losses), start, tuple(curve.values)
            yield LossCurve(group, f"{task.name} {rate:g}", *series, _collapsed(losses, constant))


def _collapsed(losses: NDArray[np.float64], constant: float) -> bool | None:
    """Whether a run ends with the loss of a constant; None where it diverged, or is neither that nor well below."""
    end = float(np.median(losses[-3:]))
    if not math.isfinite(end):
        return None
    margin = abs(constant)
    return True if end >= constant - 0.03 * margin else False if end <= constant - 0.1 * margin else None


@torch.no_grad()
def at_the_start(task: metaopt.Task, seed: int) -> tuple[float, float]:
    """Before the first step: training loss on some of the examples, and the validation."""
    model, train, validation = task.build(seed).eval(), task.splits.train, task.splits.validation
    loss = task.loss(model(train.inputs[:256]), train.targets[:256])
    return float(loss), float(task.measure(model(validation.inputs), validation.targets))


@torch.no_grad()
def constant_loss(task: metaopt.Task) -> float:
    """Training loss of the best answer that does not look at its input."""
    train = task.splits.train
    output = task.build(0)(train.inputs[:2])
    if task.family == "vae":
        mean = train.targets.mean(0).clamp(1e-4, 1 - 1e-4)
        answer = torch.cat([torch.logit(mean), torch.zeros(16)])
    elif not train.targets.is_floating_point():
        counts = torch.bincount(train.targets.flatten(), minlength=output.shape[1]).double()
        answer = ((counts + 1e-3) / (counts + 1e-3).sum()).log().float()
        answer = answer.reshape(-1, *[1] * (output.ndim - 2))
    else:
        answer = train.targets.mean(0)
    return float(task.loss(answer.expand(len(train.targets), *output.shape[1:]), train.targets))


def alexnet(folder: Path) -> Iterator[LossCurve]:
    """Recorded tuning runs, a validation an epoch; the loss before the first step is that of 1,000 equal classes."""
    path = folder / "alexnet_tuning.results.jsonl.gz"
    if not path.exists():
        return
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            run = json.loads(line)
            points = [point for point in run["learning_curve"] if point["train_loss"] is not None]
            if run["nan_train_loss"] or len(points) < 5:
                continue
            end = points[-1]["top_1"]
            collapsed = True if end <= 0.002 else False if end >= 0.05 else None
            share = tuple((point["epoch"] + 1) / run["epochs"] for point in points)
            losses = tuple(float(point["train_loss"]) for point in points)
            series = math.log(1000), None, share, losses, -0.001, tuple(-float(point["top_1"]) for point in points)
            yield LossCurve("AlexNet", f"run {run['iteration']}", *series, collapsed)


# Detectors


def never_better(curve: LossCurve, after: float, margin: float) -> bool:
    """Whether no validation up to some moment from `after` on was better than the one before the first step."""
    share, values = np.asarray(curve.share), np.asarray(curve.values)
    best = np.fmin.accumulate(np.where(np.isfinite(values), values, np.inf))
    return bool(((curve.start - best <= margin * abs(curve.start)) & (share >= after - 1e-9)).any())


def stays(curve: LossCurve, after: float, gain: float, level: float) -> bool:
    """Whether the detector speaks at any validation of a run."""
    share, losses = np.asarray(curve.share), np.asarray(curve.losses)
    early = int(np.searchsorted(share, EARLY - 1e-9))
    if early >= len(losses) or not math.isfinite(losses[early]) or losses[early] < level * curve.first:
        return False
    best = np.minimum.accumulate(losses[early:])
    flat = losses[early] - best <= gain * abs(losses[early])
    return bool((flat & (share[early:] >= after) & np.isfinite(losses[early:])).any())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("out") / "collapse.jsonl", help="is read if it is there")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    if not options.runs.exists():
        record(options.runs, range(FIRST_SEED, FIRST_SEED + options.seeds))
    lines = options.runs.read_text(encoding="utf-8").splitlines()
    show([LossCurve(**json.loads(line)) for line in lines] + list(alexnet(options.data)))


def record(runs: Path, seeds: Sequence[int]) -> None:
    """Train, and keep the curves."""
    starter = [task for task in metaopt.load_corpus("starter") if isinstance(task, metaopt.Task)]
    runs.parent.mkdir(parents=True, exist_ok=True)
    part = runs.with_suffix(".part")
    with open(part, "w", encoding="utf-8") as file:
        for curve in recorded([*wide_tasks(), *starter], seeds):
            file.write(json.dumps(asdict(curve)) + "\n")
            file.flush()
    part.rename(runs)


def show(curves: Sequence[LossCurve]) -> None:
    """How many runs of which kind there are, and a line for each setting of the detector."""
    groups = list(dict.fromkeys(curve.group for curve in curves))
    for group in groups:
        states = [curve.collapsed for curve in curves if curve.group == group]
        counts = ", ".join(f"{states.count(state)} {name}" for state, name in STATES.items())
        print(f"{group}: {len(states)} runs, {counts}")
    healthy, collapsed = (
        "; ".join(f"{group} n={_count(curves, group, state)}" for group in groups) for state in (False, True)
    )
    print(f"\nfalse alarms: {healthy} | hits: {collapsed}")
    for name, (detector, settings) in DETECTORS.items():
        print(f"\n{name}")
        for setting in product(*settings):
            cells = [
                "".join(f"{_share(curves, group, state, detector, setting):>8.1%}" for group in groups)
                for state in (False, True)
            ]
            print("".join(f"{number:>7}" for number in setting) + "  |" + "  |".join(cells))


#: By heading: a detector, and the numbers that are tried.
DETECTORS: dict[str, tuple[Detector, Sequence[Sequence[float]]]] = {
    "a loss that stays where it fell to: after, gain, level": (stays, (AFTER, GAINS, LEVELS)),
    "no validation better than the start: after, margin": (never_better, (AFTER, MARGINS)),
}
STATES = {False: "healthy", True: "collapsed", None: "neither, or diverged"}


def _count(curves: Sequence[LossCurve], group: str, state: bool) -> int:
    return sum(curve.group == group and curve.collapsed is state for curve in curves)


def _share(curves: Sequence[LossCurve], group: str, state: bool, detector: Detector, setting: Sequence[float]) -> float:
    chosen = [curve for curve in curves if curve.group == group and curve.collapsed is state]
    return float(np.mean([detector(curve, *setting) for curve in chosen])) if chosen else math.nan


if __name__ == "__main__":
    main()
