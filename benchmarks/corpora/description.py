"""What a corpus of models holds, and what its steps cost, a line for each task."""

import time
from collections.abc import Sequence

import metaopt
from metaopt.plugin.registry import current_registry


def describe(tasks: Sequence[metaopt.Task], members: int, num_steps: int = 5) -> list[str]:
    """A line for each task: rows, parameters, budget, milliseconds of a step and a validation of a population."""
    header = f"{'task':22}{'family':24}{'train':>7}{'val':>6}{'test':>6}{'params':>8}{'batch':>6}{'steps':>6}"
    lines = [f"{header}{'ms/step':>9}{'ms/val':>9}  engine"]
    for task in tasks:
        step, validation = milliseconds(task, members, num_steps)
        splits = task.splits
        params = sum(param.numel() for param in task.build(0).parameters())
        lines.append(
            f"{task.name:22}{task.family:24}{len(splits.train):7}{len(splits.validation):6}{len(splits.test):6}{params:8}"
            f"{task.batch_size:6}{task.num_steps:6}{step:9.1f}{validation:9.1f}  {_engine(task)}"
        )
    return lines


def milliseconds(task: metaopt.Task, members: int, num_steps: int) -> tuple[float, float]:
    """Processor milliseconds of a step and of a validation, of a population of AdamW at many rates."""
    from metaopt.configuration import Configuration, assemble
    from metaopt.inner import Graphs, Member, train
    from metaopt.tuning.running.trainings import probe_task

    configurations = [Configuration("adamw", hparams={"adamw.lr": 1e-4 * 1.05**index}) for index in range(members)]
    population = [Member(assemble(configuration, current_registry()), 0) for configuration in configurations]
    graphs = Graphs()

    def seconds(steps: int) -> float:
        started = time.process_time()
        train(probe_task(task, steps, graphs), population, graphs=graphs)
        return time.process_time() - started

    seconds(1)
    few, many = (min(seconds(steps) for _ in range(3)) for steps in (1, 1 + num_steps))
    step = max(many - few, 0.0) / num_steps
    return 1e3 * step, 1e3 * max(few - step, 0.0)


def _engine(task: metaopt.Task) -> str:
    from metaopt.inner import loop_reason

    reason: str | None = loop_reason(task)
    return "population" if reason is None else f"loop: {reason}"
