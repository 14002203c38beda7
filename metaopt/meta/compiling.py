"""Whether the graphs of a meta-training are compiled."""

from typing import Literal, TypeAlias

from metaopt.contracts import FewShotTask, MetaTraining
from metaopt.inner import GraphMode

Compile: TypeAlias = Literal["auto", "on", "off"]

#: Inner steps of single episodes from which on compiling repays itself.
COMPILE_STEPS = 200_000
#: Steps in one graph up to which it is compiled: more take minutes.
MOST_STEPS = 5
#: A model's tensors up to which a graph of one step of evolution is compiled: each takes seconds.
MOST_TENSORS = 8


def graph_mode(task: FewShotTask, meta: MetaTraining, num_steps: int, compile: Compile) -> GraphMode:
    """How a task's graphs are run.

    Args:
        task: what is trained on.
        meta: how the rule is meta-trained.
        num_steps: of an inner loop.
        compile: `"on"` and `"off"` decide; `"auto"` compiles where counts say that it repays itself.
    """
    if compile == "auto":
        if meta.over_trainings:
            small = len(list(task.build(0).parameters())) <= MOST_TENSORS
        else:
            small = min(num_steps, meta.truncation or num_steps) <= MOST_STEPS
        repaid = task.num_iterations * task.episodes_per_iteration * num_steps >= COMPILE_STEPS
        return "compiled" if repaid and small else "replayed"
    return "compiled" if compile == "on" else "replayed"
