"""`metaopt.tune` against a plain script that makes the same evaluations, on as many cores, in one run.

    python -m benchmarks.tuning.tune_speed [--candidates 200] [--only mlp|starter] [--repeats 3] [--cores 1] [--quick]
        [--json]

Ours: `metaopt.tune` as users call it, references and comparison included, with an empty ledger, in a process of its
own; cold with an empty cache of compiled graphs, then warm with the cache that the first call left. Peak memory is that
of the process and what it starts.

Plain: Optuna's TPE at its defaults proposes; torch.optim and LambdaLR train in an eager loop, one run after the other,
on the same batches, validating as often. All of tune's evaluations would take it hours: of each task it repeats a few
that tune made (AdamW, NAdamW and SGD; constant, linear and cosine rates), and the mean counts for every evaluation that
tune made on that task. The best validation values of both sides are compared.

With `--cores 2`, tune has two workers of one thread each, and the plain script's process torch's two threads, as either
is run by whoever has two cores and thinks no further.

`mlp` are the starter corpus's perceptrons, `starter` all its tasks. Candidates a minute are candidates over the time of
all evaluations. Both clocks are shown: processor time changes least with what else the machine does.
"""

import argparse
import json
import math
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here and in the processes of tune

import numpy as np
import optuna
import torch
from torch import nn

import metaopt
from benchmarks.tuning.memory import PeakMemory
from benchmarks.tuning.unshipped import registry_without_shipped_runs
from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.inner.gradients.batches import batch_indices
from metaopt.plugin.registry import current_registry
from metaopt.tuning.search.joint_space import joint_space

#: Times as many candidates a minute as the plain script, by corpus and cache.
REACH = {("mlp", "warm"): 10.0, ("starter", "cold"): 5.0}
#: Minutes for 200 candidates on the starter corpus, and GiB.
MINUTES, GIB = {"cold": 5.0, "warm": 2.0}, 3.0
OPTIMIZERS, CONTROLLERS = ("adamw", "nadamw", "sgd"), ("constant", "linear", "cosine")
QUICK_TASKS = ("digits_mlp", "cancer_mlp", "friedman_gelu", "two_spirals_relu")
ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.SiLU, nn.GELU)


@dataclass(frozen=True)
class RepeatedRun:
    """An evaluation that tune made: what, on which task, with which seed, and its best validation value."""

    configuration: dict[str, Any]
    task: str
    seed: int
    best: float


@dataclass(frozen=True)
class Ours:
    """One call of `tune`.

    Attributes:
        wall: seconds on the clock.
        processor: seconds of the process and what it started.
        gib: peak memory of the process and what it started, GiB.
        evaluations: the evaluations that it made.
        full: evaluations that the candidates would have taken without racing, over those that they took.
    """

    wall: float
    processor: float
    gib: float
    evaluations: list[RepeatedRun]
    full: float


@dataclass(frozen=True)
class Plain:
    """The plain script, extrapolated to all evaluations.

    Attributes:
        wall: seconds on the clock.
        processor: seconds of the process.
        trained: runs that were really trained.
        difference: median relative difference of the best validation value between both sides; where training is
            chaotic, rounding grows.
    """

    wall: float
    processor: float
    trained: int
    difference: float


def mlp_names() -> list[str]:
    """Tasks of the starter corpus whose model is a perceptron with a hidden layer and nothing else."""
    return [task.name for task in metaopt.load_corpus("starter") if isinstance(task, metaopt.Task) and _is_mlp(task)]


def _is_mlp(task: metaopt.Task) -> bool:
    model = task.build(0)
    layers = list(model) if isinstance(model, nn.Sequential) else []
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    return len(linear) > 1 and all(isinstance(layer, (nn.Linear, *ACTIVATIONS)) for layer in layers)


# Ours


def in_a_process(function: Callable[[], Any]) -> Any:
    """The function's result, computed in a new interpreter."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function).result()


def tune(names: Sequence[str] | None, candidates: int, seed: int, restricted: bool, cores: int) -> Ours:
    """Tune on those tasks of the starter corpus and say what it took."""
    torch.set_num_threads(1)
    corpus = metaopt.load_corpus("starter")
    if names is not None:
        corpus = corpus.subset([task for task in corpus if task.name in names])
    space = {"optimizers": OPTIMIZERS, "controllers": CONTROLLERS, "wrappers": ()} if restricted else {}
    started, spent = time.perf_counter(), _processor_seconds()
    with tempfile.TemporaryDirectory() as folder, PeakMemory() as memory:
        result = metaopt.tune(
            corpus,
            n_trials=candidates,
            seed=seed,
            workers=cores,
            storage=f"sqlite:///{folder}/study.db",
            registry=registry_without_shipped_runs(),
            **space,
        )
    wall, processor = time.perf_counter() - started, _processor_seconds() - spent
    num_done = sum(outcome.tasks_done for _, outcome in result.judged)
    evaluations = [
        RepeatedRun(
            evaluation.configuration.to_json(),
            evaluation.task,
            evaluation.key.seed,
            float(np.min(evaluation.curve.values)),
        )
        for evaluation in result.evaluations
    ]
    return Ours(wall, processor, memory.gib, evaluations, len(result.judged) * len(corpus) / num_done)


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# Plain


def plain(evaluations: Sequence[RepeatedRun], candidates: int, repeats: int, seed: int, cores: int) -> Plain:
    """Repeat a few evaluations of each task; their mean counts for every evaluation of the task."""
    torch.set_num_threads(cores)
    corpus, generator = metaopt.load_corpus("starter"), np.random.default_rng(seed)
    wall, processor = _proposals(candidates, seed)
    trained, differences = 0, []
    for name, count in Counter(evaluation.task for evaluation in evaluations).items():
        known = [evaluation for evaluation in evaluations if evaluation.task == name and _is_plain(evaluation)]
        chosen = [known[index] for index in generator.permutation(len(known))[:repeats]]
        walls, processors = [], []
        for evaluation in chosen:
            started, spent = time.perf_counter(), time.process_time()
            best = train(corpus[name], Configuration.from_json(evaluation.configuration), evaluation.seed)
            walls.append(time.perf_counter() - started)
            processors.append(time.process_time() - spent)
            differences.append(abs(best - evaluation.best) / max(abs(evaluation.best), 1e-6))
        wall += count * statistics.mean(walls)
        processor += count * statistics.mean(processors)
        trained += len(chosen)
    return Plain(wall, processor, trained, statistics.median(differences))


def _is_plain(evaluation: RepeatedRun) -> bool:
    configuration = Configuration.from_json(evaluation.configuration)
    named = configuration.optimizer in OPTIMIZERS and configuration.controller in CONTROLLERS
    return named and not configuration.wrappers and math.isfinite(evaluation.best)


def _proposals(candidates: int, seed: int) -> tuple[float, float]:
    """Seconds on both clocks of asking and telling."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = joint_space(current_registry(), optimizers=OPTIMIZERS, controllers=CONTROLLERS, wrappers=(), roles=False)
    generator = np.random.default_rng(seed)
    started, spent = time.perf_counter(), time.process_time()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    for _ in range(candidates):
        trial = study.ask()
        space.suggest(trial)
        study.tell(trial, generator.random())
    return time.perf_counter() - started, time.process_time() - spent


def train(task: metaopt.Task, configuration: Configuration, seed: int) -> float:
    """The loop that everyone writes; the best validation value, lower is better."""
    model, assembly = task.build(seed), assemble(configuration, current_registry())
    optimizer = torch_optimizer(assembly, model)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, multiplier(assembly, task.num_steps))
    data, moments = task.splits, set(task.validation_steps)
    best = math.inf
    for step, rows in enumerate(batch_indices(len(data.train), task.batch_size, task.num_steps, seed), start=1):
        optimizer.zero_grad()
        task.loss(model(data.train.inputs[rows]), data.train.targets[rows]).backward()
        optimizer.step()
        scheduler.step()
        if step in moments:
            model.eval()
            with torch.no_grad():
                value, _ = (
                    task.measure(model(part.inputs), part.targets).item() for part in (data.validation, data.test)
                )
            model.train()
            best = min(best, value)
    return best


def torch_optimizer(assembly: Assembly, model: nn.Module) -> torch.optim.Optimizer:
    """AdamW, NAdamW or SGD, weight decay for matrices alone."""
    values = dict(assembly.rule_values)
    decay = values.pop("weight_decay")
    params = list(model.parameters())
    groups = [
        {"params": [param for param in params if param.ndim > 1], "weight_decay": decay},
        {"params": [param for param in params if param.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if assembly.optimizer.name == "sgd":
        nesterov = bool(values["nesterov"]) and values["momentum"] > 0
        return torch.optim.SGD(groups, lr=values["lr"], momentum=values["momentum"], nesterov=nesterov)
    betas = {"betas": (values.pop("beta1"), values.pop("beta2"))}
    if assembly.optimizer.name == "nadamw":
        return torch.optim.NAdam(groups, **betas, **values, decoupled_weight_decay=True)
    return torch.optim.AdamW(groups, **betas, **values)


def multiplier(assembly: Assembly, num_steps: int) -> Callable[[int], float]:
    """The rate of a step over the peak rate."""
    start = float(assembly.controller_values["warmup"]) * num_steps
    final = float(assembly.controller_values.get("final_ratio", 1.0))

    def rate(step: int) -> float:
        rise = min((step + 1) / max(start, 1.0), 1.0)
        progress = min(max((step - start) / max(num_steps - start, 1.0), 0.0), 1.0)
        fall = 1 - progress if assembly.controller.name == "linear" else (1 + math.cos(math.pi * progress)) / 2
        return rise * (final + (1 - final) * fall)

    return rate


# Both


def measure(
    name: str, names: Sequence[str] | None, candidates: int, repeats: int, seed: int, cores: int
) -> dict[str, Any]:
    """Measure tune with a cold and a warm cache, and the plain script; a JSON document."""
    job = partial(tune, names, candidates, seed, name == "mlp", cores)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        ours = {kind: in_a_process(job) for kind in ("cold", "warm")}
    script = plain(ours["warm"].evaluations, candidates, repeats, seed, cores)
    report: dict[str, Any] = {
        "corpus": name,
        "tasks": len({side.task for side in ours["warm"].evaluations}),
        "candidates": candidates,
        "evaluations": len(ours["warm"].evaluations),
        "plain": {**asdict(script), "per_minute": _per_minute(candidates, script.wall)},
        "saved_by_racing": ours["warm"].full,
    }
    for kind, side in ours.items():
        report[kind] = {
            "wall": side.wall,
            "processor": side.processor,
            "gib": side.gib,
            "per_minute": _per_minute(candidates, side.wall),
            "times_as_fast": script.wall / side.wall,
            "times_as_fast_processor": script.processor / side.processor,
        }
    return report


def _per_minute(candidates: int, seconds: float) -> float:
    return 60 * candidates / seconds


def lines(report: Mapping[str, Any]) -> list[str]:
    name, script = report["corpus"], report["plain"]
    text = [
        f"{name}: {report['tasks']} tasks, {report['candidates']} candidates, {report['evaluations']:,} evaluations",
        f"{'':12}{'minutes':>9}{'processor':>11}{'candidates a minute':>21}{'times':>8}{'processor':>11}{'GiB':>7}",
        f"{'plain':12}{script['wall'] / 60:9.1f}{script['processor'] / 60:11.1f}{script['per_minute']:21.1f}"
        f"{'':26}   from {script['trained']} runs, best values {script['difference']:.0e} apart",
    ]
    for kind in ("cold", "warm"):
        side = report[kind]
        reach = f"   reach {REACH[name, kind]:.0f} ×" if (name, kind) in REACH else ""
        if name == "starter" and report["candidates"] == 200:
            reach += f"   reach {MINUTES[kind]:.0f} minutes, {GIB:.0f} GiB"
        text.append(
            f"{'tune, ' + kind:12}{side['wall'] / 60:9.1f}{side['processor'] / 60:11.1f}{side['per_minute']:21.1f}"
            f"{side['times_as_fast']:8.1f}{side['times_as_fast_processor']:11.1f}{side['gib']:7.2f}{reach}"
        )
    saved = f"Racing saves its candidates {report['saved_by_racing']:.1f} × the evaluations; "
    return [*text, saved + "the plain script is granted the same saving."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--only", choices=("mlp", "starter"), help="one corpus instead of both")
    parser.add_argument("--repeats", type=int, default=3, help="evaluations a task that the plain script repeats")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=1, help="workers of tune, threads of the plain script")
    parser.add_argument("--quick", action="store_true", help="40 candidates on four perceptrons, one repeat")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    machine = f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    print(f"cores: {options.cores} each; torch {torch.__version__}; {machine}")
    candidates, repeats = (40, 1) if options.quick else (options.candidates, options.repeats)
    jobs = {"mlp": QUICK_TASKS} if options.quick else {"mlp": mlp_names(), "starter": None}
    reports = []
    for name, names in jobs.items():
        if options.only in (None, name):
            reports.append(measure(name, names, candidates, repeats, options.seed, options.cores))
            print("\n".join(lines(reports[-1])), flush=True)
    if options.json:
        print(json.dumps({"cores": options.cores, "seed": options.seed, "reports": reports}))


if __name__ == "__main__":
    main()
