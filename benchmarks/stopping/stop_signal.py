"""Fits the stop signal of a learned schedule to whole trainings, and tells what it saves on tasks it has not seen.

    python -m benchmarks.stopping.stop_signal learned_schedule --out out/learned_schedule [--seeds 2] [--seed 0]
        [--data ../shared/data]

The schedule trains the tasks that its weights were made on, and some that plateau; what it sees at each validation is
noted, and the training loss, as the mean over the tenth of the training that came before. The signal is a logistic
regression of whether that loss will be at most 2 % lower at the end. Nothing else of the weights is touched, and the
signal moves no update.

Told of several thresholds: how often the stopper `stop_signal` fires, the steps that it saves, how much higher the
training loss and the best loss on other examples are than at the end (geometric means), and the former for who
always stops at the one fraction of the training that saves as much. First on the tasks fitted to, each by a signal
fitted to four fifths of the tasks without it; then on tasks of other families.
"""

import argparse
import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor

import metaopt
from benchmarks.corpora.development_corpus import DATA, development_corpus
from benchmarks.corpora.synthetic_tasks import plateaus, synthetic
from benchmarks.learned.learned_quality import by_loss, judged_on
from benchmarks.learned.learned_weights import TRAINED_ON
from metaopt.inner.gradients.batches import batch_indices
from metaopt_learned._shared.schedule_network import KINDS, OUTPUTS

HORIZONS, MOMENTS = (100, 300, 1000), 40
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95)
#: By how much the loss must yet fall, what counts as nothing, and a penalty on standardised weights.
FALL, LEAST, DECAY = 0.02, 1e-3, 1e-3
FOLDS = 5


@dataclass(frozen=True)
class Training:
    """Records of one training at each validation.

    Attributes:
        task: name of the task.
        inputs: what the network sees, shape (moments, INPUTS).
        train: ln of the training loss, mean over the tenth of the training before, shape (moments,).
        validation: ln of the best loss on other examples so far, shape (moments,).
    """

    task: str
    inputs: Tensor
    train: Tensor
    validation: Tensor

    @property
    def enough(self) -> Tensor:
        return (self.train - self.train[-1] <= FALL).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="name or folder of a recipe with a learned schedule")
    parser.add_argument("--out", type=Path, help="folder for the recipe with the new signal")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = metaopt.load_recipe(options.recipe)
    seeds = range(options.seed + 1, options.seed + 1 + options.seeds)
    on_fitted = [record for task in seen_tasks() for record in trainings(recipe, task, HORIZONS, seeds)]
    on_unseen = [
        record for task in unseen_tasks(options.data) for record in trainings(recipe, task, (task.num_steps,), seeds)
    ]
    report("tasks fitted to, by signals fitted without them", on_fitted, crossed(on_fitted))
    signal = fitted(on_fitted)
    report("tasks of other families", on_unseen, [logits(record, signal) for record in on_unseen])
    if options.out is not None:
        save(recipe, signal, options)


def seen_tasks() -> list[metaopt.Task]:
    starter = metaopt.load_corpus("starter")
    return [by_loss(task) for task in (*(starter[name] for name in TRAINED_ON), *synthetic(), *plateaus())]


def unseen_tasks(data: Path) -> list[metaopt.Task]:
    kinds = judged_on(metaopt.load_corpus("starter"), development_corpus(data))
    return [by_loss(task) for task in kinds["unseen families"]]


def trainings(
    recipe: metaopt.Recipe, task: metaopt.Task, horizons: Sequence[int], seeds: Sequence[int]
) -> Iterator[Training]:
    """Trainings of the task under the schedule."""
    # With noise on decisions, here of 0, the rule notes what it sees.
    noise = {metaopt.Policy.NOISE: torch.zeros(1, KINDS, OUTPUTS)}
    noting = dataclasses.replace(recipe, theta={**(recipe.theta or {}), **noise})
    for horizon in horizons:
        shortened = dataclasses.replace(task, num_steps=horizon, num_validations=min(MOMENTS, horizon))
        for seed in seeds:
            yield training(noting, shortened, seed)


def training(recipe: metaopt.Recipe, task: metaopt.Task, seed: int) -> Training:
    name = recipe.configuration.wrappers[-1]
    torch.manual_seed(seed)
    model, splits, moments = task.build(seed), task.splits, set(task.validation_steps)
    run, rows_seen, train, validation = recipe.bind(model, total_steps=task.num_steps, keep_best=None), [], [], []
    kind = min(1, max(param.ndim for param in model.parameters()) - 1)
    losses = []
    for step, rows in enumerate(batch_indices(len(splits.train), task.batch_size, task.num_steps, seed), start=1):
        run.optimizer.zero_grad()
        loss = task.loss(model(splits.train.inputs[rows]), splits.train.targets[rows])
        loss.backward()
        run.step(loss)
        losses.append(float(loss.detach()))
        if step in moments:
            with torch.no_grad():
                validation.append(float(task.loss(model(splits.validation.inputs), splits.validation.targets)))
            train.append(float(np.mean(losses[-max(1, task.num_steps // 10) :])))
            rows_seen.append(run.optimizer.param_groups[0]["shared"][f"{name}.trace"][0, kind].clone())
    best = np.minimum.accumulate(np.nan_to_num(np.asarray(validation), nan=np.inf, posinf=np.inf))
    return Training(task.name, torch.stack(rows_seen), logs(train), logs(best))


def logs(losses: Sequence[float] | NDArray[np.float64]) -> Tensor:
    """ln of losses in units of the first."""
    known = np.nan_to_num(np.asarray(losses), nan=np.inf, posinf=np.inf)
    first = max(abs(known[0]), 1e-8) if np.isfinite(known[0]) else 1.0
    return torch.from_numpy(np.log(np.clip(known / first, LEAST, 1e3))).float()


def fitted(records: list[Training]) -> Tensor:
    """w and a, shape (INPUTS + 1,): logistic regression, each training with the same weight."""
    features, answers = (
        torch.cat([record.inputs for record in records]),
        torch.cat([record.enough for record in records]),
    )
    weight = torch.cat([torch.full((len(record.train),), 1 / len(record.train) / len(records)) for record in records])
    shift, scale = features.mean(0), features.std(0).clamp_min(1e-3)
    model = LogisticRegression(C=1 / (2 * DECAY), max_iter=1000)
    model.fit(((features - shift) / scale).numpy(), answers.numpy(), sample_weight=weight.numpy())
    slopes = torch.from_numpy(model.coef_[0]).float() / scale
    return torch.cat([slopes, torch.from_numpy(model.intercept_).float() - slopes @ shift])


def crossed(records: list[Training]) -> list[Tensor]:
    """Logits of each training by a signal that was fitted without its task."""
    names = sorted({record.task for record in records})
    fold = {name: number % FOLDS for number, name in enumerate(names)}
    signals = [fitted([record for record in records if fold[record.task] != number]) for number in range(FOLDS)]
    return [logits(record, signals[fold[record.task]]) for record in records]


def logits(record: Training, signal: Tensor) -> Tensor:
    return record.inputs @ signal[:-1] + signal[-1]


def report(what: str, records: list[Training], all_logits: list[Tensor]) -> None:
    right = torch.cat([record.enough for record in records])
    area = roc_auc_score(right.numpy(), torch.cat(all_logits).numpy())
    print(f"{what}: {len(records)} trainings, enough at {right.mean():.0%} of validations, area under ROC {area:.3f}")
    print(f"{'p':>6}{'fires':>9}{'saved':>9}{'training loss':>16}{'at one fraction':>18}{'other examples':>17}")
    for threshold in THRESHOLDS:
        level = math.log(threshold / (1 - threshold))
        at = [stop_of(logits_of_record, level) for logits_of_record in all_logits]
        fires = np.mean([row < len(logits_of_record) - 1 for logits_of_record, row in zip(all_logits, at, strict=True)])
        used = float(
            np.mean([(row + 1) / len(logits_of_record) for logits_of_record, row in zip(all_logits, at, strict=True)])
        )
        flat = [max(0, round(used * len(logits_of_record)) - 1) for logits_of_record in all_logits]
        train = higher([record.train for record in records], at)
        cells = f"{fires:9.0%}{1 - used:9.1%}{train:16.1%}{higher([record.train for record in records], flat):18.1%}"
        print(f"{threshold:6.2f}{cells}{higher([record.other for record in records], at):17.1%}", flush=True)


def stop_of(logits_of_record: Tensor, level: float) -> int:
    """The row of the first validation above the threshold; the last one if none is."""
    fired = (logits_of_record > level).nonzero()
    return int(fired[0]) if len(fired) else len(logits_of_record) - 1


def higher(series: list[Tensor], at: list[int]) -> float:
    """By how much the best is higher where one stops than at the end, geometric mean."""
    return math.expm1(float(np.mean([float(losses[row] - losses[-1]) for losses, row in zip(series, at, strict=True)])))


def save(recipe: metaopt.Recipe, signal: Tensor, options: argparse.Namespace) -> None:
    theta = {**(recipe.theta or {}), "stop.weight": signal[:-1].clone(), "stop.bias": signal[-1].clone()}
    made_by = {"script": "benchmarks/stopping/stop_signal.py", "seeds": options.seeds, "seed": options.seed}
    provenance = {**recipe.provenance, "stop_signal": made_by}
    dataclasses.replace(recipe, theta=theta, provenance=provenance).save(options.out)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
