"""What `tune` hands over and claims where the truth is known: simulated families of few or many rows, or pure noise.

    python -m benchmarks.tuning.truth noise [--studies 1000] [--tasks 4] [--seed 0] [--workers 2] [--json]
    python -m benchmarks.tuning.truth known [--studies 400] [--before COMMIT] [--seed 0] [--workers 2] [--json]

Everything of a study but the training is metaopt's own: space, sampler, race, references, finals, verdict. Instead of
training, a run of configuration c on task t with the rows of draw d and seed s has the final validation loss

    q(c, t) + hard(t, d) + r(c, t, d) + s(c, t, s),    q(c, t) = 1 + .5 g · min((x - x*(kind, t))², 3) + g h(kind, t)

where the kind is an optimizer with its controller, x the rate in decades and x* the best one, the same for the tasks of
a family up to N(0, .25²); hard is common to all settings, r what the rows make, N(0, σ²), and s what
weights and batches make, N(0, (σ/2)²). Draws of one table share a quarter of the variance of r, as .6/.2/.2 of the same
rows do. The test loss has an r of its own, the same for all draws where the test rows are. σ = 1 / √(validation rows),
g = .3: with 2,000 rows noise is a fifteenth of the gap, with 40 it is half of it. Under `noise`, g is 0: no
setting is better than another, and whatever is claimed is false.

`noise` counts verdicts of the tuning tasks and of held-out ones. `known` gives what is truly gained on held-out tasks
over AdamW at 1e-3, in units of g, by what is handed over, by rows, and by what the commit `--before` hands over from
the same simulation with as many trainings; and how often the interval of a tuned recipe's lead holds the true one.
"""

import argparse
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.contracts import Curve
from metaopt.plugin import current_registry
from metaopt.tuning.judging.references import DEFAULT_BASELINE, references
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.study import Study

OPTIMIZERS, CONTROLLERS = ("adamw", "sgd", "schedulefree_adamw"), ("constant", "cosine")
GAP = 0.3
SHARED = 0.25
ROWS = {"few": (40, 100, 300), "plenty": (2_000, 4_000)}
N_TRIALS = 40
RESAMPLES = 50


@dataclass(frozen=True)
class Truth:
    """What settings are worth on a task.

    Attributes:
        heights: by optimizer and controller, in units of the gap.
        rate: best rate of each optimizer, in decades.
        gap: 0 where all settings are equal.
        rows: validation rows.
    """

    heights: Mapping[str, float]
    rate: Mapping[str, float]
    gap: float
    rows: int

    def quality(self, configuration: Configuration) -> float:
        """Final loss without noise."""
        kind = f"{configuration.optimizer}+{configuration.controller}"
        rate = configuration.hparams.get(f"{configuration.optimizer}.lr", DEFAULT_RATES[configuration.optimizer])
        away = math.log10(float(rate)) - self.rate[configuration.optimizer]
        return 1 + self.gap * (0.5 * min(away**2, 3.0) + self.heights.get(kind, 0.5))

    @property
    def noise(self) -> float:
        """Standard deviation of what rows make of a loss."""
        return 1 / math.sqrt(self.rows)


DEFAULT_RATES = {"adamw": 1e-3, "sgd": 1e-2, "schedulefree_adamw": 2.5e-3, "nadamw": 2e-3, "prodigy": 1.0}


class SimulatedEvaluator(Evaluator):
    """An evaluator whose runs are drawn instead of trained; each is the same whenever it is asked for.

    Attributes:
        truths: by task.
        trainings: runs that were asked for, each counted once.
        salt: of everything random.
    """

    truths: dict[str, Truth]
    trainings: set[tuple[str, str, int]]
    salt: int

    def searched(self) -> int:
        """Trainings on tuning tasks so far."""
        return len({key for key in self.trainings if not key[1].startswith("held")})

    def answer(self, requests: Sequence[Any]) -> dict[tuple[str, str, int], Curve]:
        """See `Evaluator.answer`."""
        curves = {}
        for request in requests:
            for configuration in request.configurations:
                for seed in request.seeds:
                    key = configuration.key, request.task.name, seed
                    self.trainings.add(key)
                    curves[key] = self._curve(request.task, configuration, seed)
        return curves

    def _curve(self, task: metaopt.Task, configuration: Configuration, seed: int) -> Curve:
        truth = self.truths[task.name]
        draw = getattr(task, "draw", lambda seed: None)(seed)
        everywhere = draw is not None and draw >= 1_000_000  # test rows, too
        key, sigma = configuration.key, truth.noise
        quality = truth.quality(configuration)

        def rows(split: str, drawn: int | None) -> float:
            shared = self._normal("rows", split, task.name, key)
            if drawn is None:
                return sigma * shared
            own = self._normal("draw", split, task.name, key, drawn)
            return sigma * (math.sqrt(SHARED) * shared + math.sqrt(1 - SHARED) * own)

        by_seed = 0.5 * sigma * self._normal("seed", task.name, key, seed)
        hard = 0.5 * self._normal("hard", task.name, draw) * sigma
        test_hard = 0.5 * self._normal("test hard", task.name, draw if everywhere else None) * sigma
        final = quality + hard + rows("validation", draw) + by_seed
        test = quality + test_hard + rows("test", draw if everywhere else None) + by_seed
        falls = np.asarray([2.0, 1.5, 1.0])
        curve = {"steps": np.asarray([10, 20, 30]), "values": final * falls, "horizon": 30, "test": test * falls}
        if "resampled" in Curve.__dataclass_fields__ and seed != 0:
            curve["resampled"] = {
                split: value + sigma * self._normals(RESAMPLES, "resample", split, task.name, key, drawn)
                for split, value, drawn in (("validation", final, draw), ("test", test, draw if everywhere else None))
            }
        return Curve(**curve)

    def _generator(self, *what: Any) -> np.random.Generator:
        digest = hashlib.sha256(repr((self.salt, *what)).encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))

    def _normal(self, *what: Any) -> float:
        return float(self._generator(*what).standard_normal())

    def _normals(self, count: int, *what: Any) -> np.ndarray:
        return self._generator(*what).standard_normal(count)


@dataclass(frozen=True)
class Redrawn:
    """Splits that any seed draws: the rows are all alike, the noise is simulated."""

    splits: metaopt.Splits

    def __call__(self, seed: int, *, test: bool) -> metaopt.Splits:
        return self.splits


def make_task(name: str, rows: int) -> metaopt.Task:
    """A task of so many validation rows; nothing of it is ever trained."""

    def split(count: int) -> metaopt.Split:
        return metaopt.Split(torch.zeros(count, 1), torch.zeros(count, 1))

    splits = metaopt.Splits(split(3 * rows), split(rows), split(rows))
    more = {"redraw": Redrawn(splits)} if "redraw" in metaopt.Task.__dataclass_fields__ else {}
    return metaopt.Task(
        name=name, family="simulated", model=_linear, data=splits, loss=_zero, num_steps=30, version="1", **more
    )


def _linear() -> nn.Module:
    return nn.Linear(1, 1)


def _zero(output: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (output - targets).square().mean()


def simulated(
    seed: int, num_tasks: int, rows: Sequence[int], gap: float
) -> tuple[list[metaopt.Task], dict[str, Truth]]:
    """As many tuning tasks as held-out ones of one family, and their truths."""
    generator = np.random.default_rng((17, seed))
    kinds = [f"{optimizer}+{controller}" for optimizer in OPTIMIZERS for controller in CONTROLLERS]
    heights = {kind: float(generator.uniform(0, 0.6)) for kind in kinds}
    rates = {name: math.log10(DEFAULT_RATES[name]) + float(generator.normal(0.5, 0.6)) for name in DEFAULT_RATES}
    tasks, truths = [], {}
    for index in range(2 * num_tasks):
        name = f"{'tuning' if index < num_tasks else 'held'}{index}"
        count = int(rows[index % len(rows)])
        truths[name] = Truth(
            heights={kind: height + 0.1 * float(generator.standard_normal()) for kind, height in heights.items()},
            rate={kind: rate + 0.25 * float(generator.standard_normal()) for kind, rate in rates.items()},
            gap=gap,
            rows=count,
        )
        tasks.append(make_task(name, count))
    return tasks, truths


def study(seed: int, num_tasks: int, rows: Sequence[int], gap: float, n_trials: int) -> dict[str, Any]:
    """One simulated study: what is handed over, what is claimed, and what is true."""
    warnings.simplefilter("ignore")
    registry = current_registry()
    tasks, truths = simulated(seed, num_tasks, rows, gap)
    tuning, held = tasks[:num_tasks], tasks[num_tasks:]
    evaluator = SimulatedEvaluator(Ledger("sqlite://"), registry)
    evaluator.truths, evaluator.trainings, evaluator.salt = truths, set(), seed
    known = references(evaluator, tasks, DEFAULT_BASELINE)
    space = joint_space(registry, optimizers=OPTIMIZERS, controllers=CONTROLLERS, wrappers=(), roles=False)
    searched = Study("simulated", space, tuning, known, evaluator, seed)
    answer = _new(searched, tuning, held, n_trials) if hasattr(known, "scale") else _old(searched, n_trials)
    configuration = answer.pop("configuration")
    incumbent = answer.pop("incumbent", None)
    if gap:
        answer["score"] = statistics.fmean(_gain(truths[task.name], configuration) for task in held) / gap
    if gap and incumbent is not None:
        for name, part in (("tuning", tuning), ("held", held)):
            true = statistics.fmean(
                _score(known, truths[task.name], task, configuration)
                - _score(known, truths[task.name], task, incumbent)
                for task in part
            )
            lead = answer[name]
            answer[f"{name}_covered"] = lead is None or lead[1] <= true <= lead[2]
    return answer


def _gain(truth: Truth, configuration: Configuration) -> float:
    return truth.quality(DEFAULT_BASELINE) - truth.quality(configuration)


def _score(known: Any, truth: Truth, task: metaopt.Task, configuration: Configuration) -> float:
    return float(np.clip(_gain(truth, configuration) / known[task.name].scale.test_unit, -1, 2))


def _new(searched: Study, tuning: Sequence[Any], held: Sequence[Any], n_trials: int) -> dict[str, Any]:
    from metaopt.tuning.judging.comparison import Contender
    from metaopt.tuning.judging.contest import compare
    from metaopt.tuning.judging.verdict import Verdict
    from metaopt.tuning.search.baselines import Baseline
    from metaopt.tuning.search.search import Choice, search

    configurations = {
        "adamw": DEFAULT_BASELINE,
        "adamw+cosine": Configuration("adamw", "cosine"),
        "schedulefree_adamw": Configuration("schedulefree_adamw"),
    }
    baselines = [Baseline(name, configuration) for name, configuration in configurations.items()]
    result = search(searched, n_trials, Choice(baselines, 1, "simulated", stoppers=()))
    trainings = searched.evaluator.searched()
    names = {configuration.key: name for name, configuration in configurations.items()}
    incumbent = names[result.outcome.incumbent]
    contenders = [Contender("recipe", result.recipe.configuration)]
    contenders += [Contender(name, configuration) for name, configuration in configurations.items()]
    answer: dict[str, Any] = {"configuration": result.recipe.configuration, "incumbent": configurations[incumbent]}
    handed_over = None if result.outcome.is_tuned else names[result.outcome.chosen]
    for name, part, held_out in (("tuning", tuning, False), ("held", held, True)):
        compared = compare(
            searched.evaluator, part, searched.references, contenders, held_out=held_out, incumbent=incumbent
        )
        verdict = Verdict.of(compared, "", handed_over=handed_over, incumbent=incumbent, here=not held_out)
        answer[f"{name}_verdict"] = verdict.kind
        answer[name] = None if verdict.lead is None else (verdict.lead.value, verdict.lead.low, verdict.lead.high)
    return {**answer, "is_tuned": result.outcome.is_tuned, "trainings": trainings}


def _old(searched: Study, n_trials: int) -> dict[str, Any]:
    """As of commits whose finals had no baselines."""
    from metaopt.tuning.search.search import search

    result = search(searched, n_trials, baseline=DEFAULT_BASELINE, portfolio=1, corpus="simulated", stoppers=())
    trainings = searched.evaluator.searched()
    return {"configuration": result.recipe.configuration, "is_tuned": True, "trainings": trainings}


def _job(arguments: tuple[Any, ...]) -> dict[str, Any]:
    torch.set_num_threads(1)
    return study(*arguments)


def many(jobs: Sequence[tuple[Any, ...]], workers: int) -> list[dict[str, Any]]:
    """The studies, in their order."""
    if workers == 1:
        return [_job(job) for job in jobs]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_job, jobs, chunksize=4))


def noise(options: argparse.Namespace) -> dict[str, Any]:
    """Verdicts where no setting is better than another."""
    rows = [*ROWS["few"], *ROWS["plenty"]]
    jobs = [
        (
            1_000_000 * options.seed + index,
            1 + index % (2 * options.tasks - 1),
            [rows[index % len(rows)]],
            0.0,
            N_TRIALS,
        )
        for index in range(options.studies)
    ]
    results = many(jobs, options.workers)
    return {
        part: {kind: sum(result[f"{part}_verdict"] == kind for result in results) for kind in _KINDS}
        for part in ("tuning", "held")
    }


_KINDS = ("better", "worse", "level", "untuned", "unknown")


def known(options: argparse.Namespace) -> dict[str, Any]:
    """True held-out scores, after and before."""
    table = {}
    for label, rows in ROWS.items():
        jobs = [
            (1_000_000 * options.seed + index, options.tasks, [rows[index % len(rows)]], GAP, N_TRIALS)
            for index in range(options.studies // 2)
        ]
        after = many(jobs, options.workers)
        row: dict[str, Any] = {
            "score": _mean([result["score"] for result in after]),
            "trainings": statistics.fmean(result["trainings"] for result in after),
            "tuned": statistics.fmean(result["is_tuned"] for result in after),
            **{
                f"covered, {part}": statistics.fmean(
                    result[f"{part}_covered"] for result in after if result["is_tuned"]
                )
                for part in ("tuning", "held")
            },
        }
        if options.before:
            before = _before(options, jobs, after)
            row["before"] = _mean([result["score"] for result in before])
            row["trainings before"] = statistics.fmean(result["trainings"] for result in before)
            row["difference"] = _mean([a["score"] - b["score"] for a, b in zip(after, before, strict=True)])
        table[label] = row
    return table


def _before(options: argparse.Namespace, jobs: Sequence[tuple[Any, ...]], after: Sequence[dict[str, Any]]) -> list[Any]:
    """The same studies by an earlier commit, with as many candidates as its trainings allow."""
    tasks = jobs[0][1]
    allowed = statistics.fmean(result["trainings"] for result in after) / tasks - _BESIDES
    return _at_commit(options, [[*job[:-1], max(round(allowed), N_TRIALS)] for job in jobs])


#: Trainings a task of earlier commits beside the race's: of references and of finalists.
_BESIDES = 32 + 5 + 5 * 2


def _at_commit(options: argparse.Namespace, jobs: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": f"{options.before}{os.pathsep}{options.before}/plugins"}
    command = [sys.executable, str(Path(__file__).resolve()), "jobs", "--workers", str(options.workers)]
    done = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def _mean(values: Iterable[float]) -> list[float]:
    known_values = list(values)
    error = statistics.stdev(known_values) / math.sqrt(len(known_values))
    mean = statistics.fmean(known_values)
    return [round(mean, 4), round(mean - 1.96 * error, 4), round(mean + 1.96 * error, 4)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("noise", "known", "jobs"))
    parser.add_argument("--studies", type=int)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--before", help="a checkout of an earlier commit")
    options = parser.parse_args()
    if options.what == "jobs":
        results = many([tuple(job) for job in json.load(sys.stdin)], options.workers)
        print(json.dumps(results, default=str))
        return
    options.studies = options.studies or (1000 if options.what == "noise" else 400)
    print(json.dumps((noise if options.what == "noise" else known)(options), indent=2))


if __name__ == "__main__":
    main()
