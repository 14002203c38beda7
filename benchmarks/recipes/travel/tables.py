"""What `travel` prints."""

import math
import statistics
from collections.abc import Sequence

from benchmarks.recipes.peers import ADAMW
from benchmarks.recipes.travel.contenders import BEST, GRID
from benchmarks.recipes.travel.summary import Results, Trainings, losses_of, summary
from benchmarks.recipes.travel.task import TravelTask


def task_table(task: TravelTask, results: Results, names: Sequence[str]) -> list[str]:
    """Test losses by seed of one task; a ratio is the geometric mean over seeds of that to the grid's best."""
    by_seed = {seed: trainings for (name, seed), trainings in sorted(results.items()) if name == task.name}
    trained = "" if task.trainable == task.parameters else f", {task.trainable:,} of them trained"
    header = f"{task.name} ({task.kind}): {task.parameters:,} parameters{trained}, {task.num_steps} steps of "
    seeds = "".join(f"{f'seed {seed}':>10}" for seed in by_seed)
    is_judged_by_grid = all(name in names for name in GRID)
    ratio = f"{'to grid':>9}" if is_judged_by_grid else ""
    width = max(map(len, (*names, BEST))) + 1
    lines = [header + f"{task.batch_size}", f"{'':{width}}{seeds}{ratio}{'steps':>7}{'ms a step':>11}{'seconds':>9}"]
    for name in names:
        mine = [trainings[name] for trainings in by_seed.values()]
        losses = "".join(f"{outcome.loss:10.4f}" for outcome in mine)
        column = f"{percent(name, list(by_seed.values())):>9}" if is_judged_by_grid else ""
        medians = [statistics.median(getattr(outcome, field) for outcome in mine) for field in TIMES]
        lines.append(f"{name:{width}}{losses}{column}{medians[0]:7.0f}{medians[1]:11.1f}{medians[2]:9.1f}")
    if is_judged_by_grid:
        lines.append(f"{BEST:{width}}" + "".join(f"{losses_of(BEST, one):10.4f}" for one in by_seed.values()))
    return lines


TIMES = ("steps", "milliseconds", "seconds")


def percent(contender: str, trainings: Sequence[Trainings]) -> str:
    logs = [math.log(losses_of(contender, one) / losses_of(BEST, one)) for one in trainings]
    return f"{100 * (math.exp(statistics.fmean(logs)) - 1):+.1f}"


def summary_table(results: Results, names: Sequence[str]) -> list[str]:
    """All contenders over all tasks; test losses in percent above the grid's best, or above Schedule-Free."""
    width = max(map(len, names)) + 1
    over = f"{len({task for task, _ in results})} tasks, {len(results)} trainings each"
    lines = [
        f"{over}; test loss at the best validation, percent above the grid's best; "
        f"worth {len(GRID) + 1}: no rate of the grid is as good",
        f"{'':{width}}{'mean':>7}{'worst':>8} {'on':22}{f'below {ADAMW}':>17}"
        f"{'to Schedule-Free':>24}{'worth':>7}{'failed':>8}",
    ]
    for row in (summary(name, results) for name in names):
        task, worst = row.worst
        wins = f"{row.wins} of {row.trainings}"
        lines.append(
            f"{row.contender:{width}}{100 * (row.ratio - 1):+7.1f}{100 * (worst - 1):+8.1f} {task:22}{wins:>17}"
            f"{row.against_schedule_free!s:>24}{row.worth:7.1f}{row.failed:8}"
        )
    return lines


def large_table(results: Results, names: Sequence[str], peers: Sequence[str]) -> list[str]:
    """How often a recipe has the lower test loss than the better of the peers."""
    lines = []
    for name in (name for name in names if name not in peers):
        wins = sum(trainings[name].loss < min(trainings[peer].loss for peer in peers) for trainings in results.values())
        lines.append(
            f"The {name} has a lower test loss than the better of {' and '.join(peers)} on {wins} of {len(results)}."
        )
    return lines
