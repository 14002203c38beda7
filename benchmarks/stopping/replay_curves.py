"""Writes recorded tuning runs as the CSV that `metaopt replay` reads, and plays policies over their better half.

    python -m benchmarks.stopping.replay_curves [--data ../shared/data/curves] [--policies 400] [--seeds 5]
        > benchmarks/results/replay_curves.txt

AlexNet on ImageNet (top-1 accuracy; chance .001) and DeBERTa on MNLI (matched accuracy; chance .333), the tuning runs
of Lourie et al. (https://arxiv.org/abs/2311.09480). Policies are chosen on half of the runs at .2 % regret at most and
measured on the other half, with several draws of the halves; means over draws. Stoppers that learn from curves are
fitted to the half that policies are chosen on, with the signals `train_loss` and `lr` (as a share of the run's peak) on
AlexNet. Speed: policies × runs a second, fitting included.

Patience against `learned_stopper` at equal regret: for each patience, the p that saves most at no more mean regret on
the half to choose on, both measured on the other. `any` stops with the chosen `learned_stopper` or `divergence` at its
defaults, whatever comes first; `learned on X` holds theta and p that runs of the other task taught.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metaopt.contracts import CurveBatch, Fires
from metaopt.plugin.kinds import StopperSpec
from metaopt.plugin.registry import Registry, current_registry
from metaopt.space import Value, encode, resolve
from metaopt.tuning.recorded.recorded_tasks import RecordedTask, read_curves
from metaopt.tuning.stopping.replay import Replay, Replayed, replay

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "curves"
COLUMNS = ["candidate", "task", "step", "value", "horizon", "signal:train_loss", "signal:lr"]
TOLERATED = 0.002
KINDS = {
    "patience alone": ["patience"],
    "prechelt alone": ["prechelt"],
    "median alone": ["median"],
    "asha alone": ["asha"],
}
PATIENCES = (0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--policies", type=int, default=400, help="random settings of each stopper")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the halves")
    options = parser.parse_args()
    recorded_tasks = {name: read(name, options.data) for name in TASKS if present(name, options.data)}
    learned: dict[str, list[Replay]] = {}
    for name, tasks in recorded_tasks.items():
        began = time.perf_counter()
        learned[name] = [played(tasks, ["learned_stopper"], options, seed) for seed in range(options.seeds)]
        report(name, tasks, learned[name], time.perf_counter() - began, options)
    for name, tasks in recorded_tasks.items():
        print(f"\n{name}: what other runs teach, and patience")
        for other_name in sorted(set(recorded_tasks) - {name}):
            print_row(f"learned on {other_name}", carried_rows(learned[other_name], tasks), options.seeds)
        against_patience(tasks, learned[name])


def present(name: str, data: Path) -> bool:
    path = recorded_in(name, data)
    if not path.exists():
        print(f"{name} is left out: {path.name} is not in {data.name}")
    return path.exists()


def read(name: str, data: Path) -> list[RecordedTask]:
    """A task's runs, by way of the CSV that users would write."""
    reader, chance = TASKS[name]
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / f"{name}.csv"
        rows = [*reader(recorded_in(name, data))]
        pd.DataFrame(rows, columns=COLUMNS[: len(rows[0])]).to_csv(csv, index=False)
        return read_curves(csv, "max", chance)


def recorded_in(name: str, data: Path) -> Path:
    return data / f"{name}_tuning.results.jsonl.gz"


def report(
    name: str, tasks: list[RecordedTask], learned: list[Replay], seconds: float, options: argparse.Namespace
) -> None:
    print(f"\n{name}: {len(tasks[0].curves)} runs; the better half, and apart those that learned nothing")
    print(f"{'':23}{'saved':>9}{'regret':>9}{'of clairvoyant':>16}{'failed stopped at':>19}{'draws':>7}")
    names = sorted(set(current_registry().names(StopperSpec)) - {"learned_stopper"})
    able = [stopper for stopper in names if current_registry().get(StopperSpec, stopper).fires is not None]
    hand_designed = [played(tasks, able, options, seed) for seed in range(options.seeds)]
    print_kind("all stoppers", list(map(joined, hand_designed, learned)), "")
    for kind, stoppers in KINDS.items():
        began = time.perf_counter()
        replays = [played(tasks, stoppers, options, seed) for seed in range(options.seeds)]
        print_kind(kind, replays, speed_of(replays, time.perf_counter() - began))
    print_kind("learned_stopper alone", learned, speed_of(learned, seconds))
    print_row("any(learned, divergence)", guarded_rows(tasks, learned), options.seeds)
    print_row("clairvoyant", [(replayed.clairvoyant, 0.0, 1.0, np.nan) for replayed in learned], options.seeds)


def played(tasks: list[RecordedTask], stoppers: list[str], options: argparse.Namespace, seed: int) -> Replay:
    return replay(tasks, current_registry(), stoppers=stoppers, policies=options.policies, better=0.5, seed=seed)


def joined(first: Replay, second: Replay) -> Replay:
    """One replay with the policies of two, over the same halves."""
    return replace(first, results=first.results + second.results, chosen_by=first.chosen_by + second.chosen_by)


def print_kind(kind: str, replays: list[Replay], further: str) -> None:
    best = [(replayed.best(TOLERATED), replayed) for replayed in replays]
    print_row(
        kind, [row_of(chosen, replayed) for chosen, replayed in best if chosen is not None], len(replays), further
    )


def speed_of(replays: list[Replay], seconds: float) -> str:
    count = sum(2 * len(replayed.results) * (replayed.num_learned + replayed.num_failed) for replayed in replays)
    return f"{count / seconds / 1e6:.2f} M policies × runs a second"


def row_of(best: Replayed, replayed: Replay) -> tuple[float, ...]:
    return best.saved, best.regret, best.saved / replayed.clairvoyant, best.given_up


def print_row(kind: str, rows: list[tuple[float, ...]], draws: int, further: str = "") -> None:
    saved, regret, share, given_up = np.mean(rows, axis=0) if rows else [np.nan] * 4
    count = f"{len(rows)}/{draws}"
    print(f"{kind:24}{saved:>8.1%}{regret:>9.2%}{share:>16.0%}{given_up:>19.0%}{count:>7}   {further}", flush=True)


def guarded_rows(tasks: list[RecordedTask], taught: list[Replay]) -> list[tuple[float, ...]]:
    """The chosen learned stopper beside a stop on divergence, as `tune` puts them into recipes."""
    rows, guard = [], fires_of("divergence", {})
    for seed, replayed in enumerate(taught):
        best = replayed.best(TOLERATED)
        if best is not None:
            learned = fires_of("learned_stopper", best.stopper.hparams, best.stopper.theta)
            either = replay_one(tasks, lambda batch, _, learned=learned: learned(batch) | guard(batch), seed)
            rows.append(row_of(either.results[0], replayed))
    return rows


def carried_rows(taught_by: list[Replay], tasks: list[RecordedTask]) -> list[tuple[float, ...]]:
    """Rows of policies whose theta and p come from runs of another task."""
    rows = []
    for seed, taught in enumerate(taught_by):
        best = taught.best(TOLERATED)
        if best is not None:
            learned = fires_of("learned_stopper", best.stopper.hparams, best.stopper.theta)
            carried = replay_one(tasks, lambda batch, _, learned=learned: learned(batch), seed)
            rows.append(row_of(carried.results[0], carried))
    return rows


def against_patience(tasks: list[RecordedTask], taught: list[Replay]) -> None:
    table: dict[float, list[tuple[float, ...]]] = {patience: [] for patience in PATIENCES}
    for seed, learned in enumerate(taught):
        for patience, rows in table.items():
            fires = fires_of("patience", {"patience": patience})
            plain = replay_one(tasks, lambda batch, _, fires=fires: fires(batch), seed)
            mine, rival = plain.results[0], thriftiest(learned, plain.chosen_by[0].regret)
            saved, regret = (0.0, 0.0) if rival is None else (rival.saved, rival.regret)
            rows.append((mine.saved, mine.regret, saved, regret, saved > mine.saved))
    print(f"{'patience':>10}{'saved':>9}{'regret':>9}{'learned_stopper saved':>25}{'regret':>9}{'saves more in':>16}")
    for patience, rows in table.items():
        saved, regret, theirs, given_up, ahead = np.mean(rows, axis=0)
        print(f"{patience:>10.0%}{saved:>9.1%}{regret:>9.2%}{theirs:>25.1%}{given_up:>9.2%}{ahead:>16.0%}")


def thriftiest(replayed: Replay, regret: float) -> Replayed | None:
    """The policy that saves most at up to `regret` on the half to choose on, without the margin of `Replay.best`."""
    fair = [row for row, policy in enumerate(replayed.chosen_by) if policy.regret <= regret]
    return replayed.results[max(fair, key=lambda row: replayed.chosen_by[row].saved)] if fair else None


def fires_of(
    name: str, hparams: Mapping[str, Value], theta: Mapping[str, Any] | None = None
) -> Callable[[CurveBatch], NDArray[np.bool_]]:
    """One policy as a function of curves alone."""
    spec = current_registry().get(StopperSpec, name)
    numbers, fires = encode(spec.space, resolve(spec.space, hparams, name)), spec.pure(spec.learned(theta))
    return lambda batch: fires(batch, numbers)


def replay_one(tasks: list[RecordedTask], fires: Fires, seed: int) -> Replay:
    """One policy over the same halves as all others."""
    registry = Registry()
    registry.register(StopperSpec(name="one", version="1", fires=fires))
    return replay(tasks, registry, policies=0, better=0.5, seed=seed)


def alexnet(path: Path) -> Iterator[tuple[Any, ...]]:
    for record in recorded(path):
        peak, epochs = record["lr_peak_epoch"], record["epochs"]
        for point in record["learning_curve"]:
            value = point["top_1"] if point["top_1"] is not None else float("-inf")
            done = point["epoch"] + 1
            # The file gives the peak and its epoch; on either side of it the rate is taken to be linear.
            rate = done / peak if done < peak else (epochs - done) / max(epochs - peak, 1)
            yield record["iteration"], "imagenet", done, value, epochs, point["train_loss"], rate


def deberta(path: Path) -> Iterator[tuple[Any, ...]]:
    for record in recorded(path):
        for step, value in record["learning_curves"]["matched"]:
            yield record["iteration"], "mnli", step, value, record["total_model_steps"]


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        yield from map(json.loads, lines)


TASKS: dict[str, tuple[Callable[[Path], Iterator[tuple[Any, ...]]], float]] = {
    "alexnet": (alexnet, 0.001),
    "deberta-base": (deberta, 1 / 3),
}

if __name__ == "__main__":
    main()
