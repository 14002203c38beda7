"""What the ladder holds and what it costs."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

import metaopt
from benchmarks.corpora import ladder as package
from benchmarks.corpora.description import milliseconds
from benchmarks.corpora.development_corpus import DATA
from metaopt.contracts import num_trained
from metaopt.tuning.running.dear_tasks import DEAR


def main(arguments: Sequence[str] | None = None, show: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=package.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data")
    parser.add_argument(
        "--members", type=int, default=4, help="size of the population that is timed, over which is shared"
    )
    parser.add_argument("--steps", type=int, default=5, help="steps that are timed")
    parser.add_argument("--only", default="", help="families or tasks whose name begins so")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    corpus = package.ladder(options.data)
    tasks = [task for task in corpus if isinstance(task, metaopt.Task) and task.name.startswith(options.only)]
    show(f"{'task':26}{'axis':>12}{'factor':>8}{'params':>9}{'batch':>7}{'steps':>7}{'ms/step':>9}{'s/training':>12}")
    seconds = []
    for task in tasks:
        step, validation = (each / options.members for each in milliseconds(task, options.members, options.steps))
        seconds.append((step * task.num_steps + validation * len(task.validation_steps)) / 1e3)
        show(line_of(task, step, seconds[-1]))
    dear = sum(each > DEAR for each in seconds)
    families = {task.family for task in tasks}
    show(f"{len(tasks)} tasks of {len(families)} families, {sum(seconds):.0f} s for one training of each")
    show(f"{dear} dear ones (over {DEAR:.0f} s), {dear / len(tasks):.0%} of the tasks")


def line_of(task: metaopt.Task, step: float, seconds: float) -> str:
    """Name, axis, factor, size and cost."""
    axis, factor = package.axis_of(task)
    size = num_trained(task.build(0))
    of_name = f"{task.name:26}{axis or '-':>12}{factor:8g}{size:9,}"
    return (
        f"{of_name}{task.batch_size:7}{task.num_steps:7}{step:9.2f}{seconds:12.1f}{'  dear' if seconds > DEAR else ''}"
    )


if __name__ == "__main__":
    main()
