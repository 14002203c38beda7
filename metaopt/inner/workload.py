"""What is worth compiling and trains together: by counts, never by the clock, so that a study resumes as it began.

Over a replayed list of operations, a graph of a task's gradient saves 5 to 30 µs a member-step where members fill its
blocks, and nothing where they do not; it takes 2 to 5 s to compile, .5 s from Inductor's disk cache. One of a rule's
update saves 90 µs a step of its group and takes 2 s; where the rule needs vmap, 300 µs and 8 s.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from metaopt.contracts import Task
from metaopt.inner.gradients.vmapped import VmappedTask, padded
from metaopt.inner.graphs import Graphs
from metaopt.tracing import GraphMode

Compile: TypeAlias = Literal["auto", "on", "off"]

#: Member-steps on one task after which a graph of its gradient has repaid itself.
GRADIENT_REPAYS = 200_000
#: Steps of a group of members after which a graph of their rule has repaid itself.
RULE_REPAYS = 30_000
#: A compiled gradient is taken of whole blocks: with more idle rows than this share of them it gains nothing.
MOST_IDLE = 0.25
#: From this many steps on, writing a step's operations down repays itself in one run.
REPLAY_STEPS = 2
#: From so many floating-point operations of its forward passes on, a training is dear: an idle copy of a member costs
#: more than to write a step down for exactly so many members, .3 s.
DEAR = 1_000_000_000
#: Members of a dear training that gain from one another; further ones may as well train elsewhere.
DEAR_PART = 8


@dataclass(frozen=True, slots=True)
class Workload:
    """What is still to come, the present call included.

    Attributes:
        member_steps: training steps on the present task of members that fill blocks; see `filling`.
        group_steps: steps that a group of members with one rule will take, over all tasks.
        rules: names of the optimizers of which that is so; None for all. The others will take next to none.
    """

    member_steps: int
    group_steps: int
    rules: frozenset[str] | None = None

    def compiles_gradient(self, compile: Compile) -> bool:
        """Whether a task's gradient and metric shall be compiled."""
        return compile == "on" or (compile == "auto" and self.member_steps >= GRADIENT_REPAYS)

    def compiles_rule(self, compile: Compile, optimizer: str) -> bool:
        """Whether the update of a rule made from this optimizer shall be compiled."""
        repays = self.group_steps >= RULE_REPAYS and (self.rules is None or optimizer in self.rules)
        return compile == "on" or (compile == "auto" and repays)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a call of `train` is run.

    Attributes:
        looped: in the plain loop, rather than vmapped.
        compile: which graphs are compiled.
        ahead: what is still to come.
        graphs: of earlier populations, to which the call adds.
        resampled: whether curves shall have `Curve.resampled`.
    """

    looped: bool
    compile: Compile
    ahead: Workload
    graphs: Graphs
    resampled: bool = False

    def gradient_mode(self, task: Task, members: int) -> GraphMode:
        """How the gradient of so many members is run: compiled only where they fill its blocks."""
        fills = self.compile == "on" or filling(members) > 0
        if fills and self.ahead.compiles_gradient(self.compile):
            return "compiled"
        return self._plain_mode(task)

    def rows(self, task: Task, vmapped: VmappedTask, members: int, mode: GraphMode) -> int:
        """Rows in which so many members are trained; the last ones are idle copies, of cheap models alone."""
        rows = padded(members, mode)
        return members if mode == "replayed" and rows > members and is_dear(task, vmapped) else rows

    def rule_mode(self, task: Task, optimizer: str) -> GraphMode:
        """How the update of a rule made from this optimizer is run."""
        if self.ahead.compiles_rule(self.compile, optimizer):
            return "compiled"
        return self._plain_mode(task)

    def _plain_mode(self, task: Task) -> GraphMode:
        return "replayed" if task.num_steps >= REPLAY_STEPS else "eager"


def is_dear(task: Task, vmapped: VmappedTask) -> bool:
    """Whether one more member costs more than what members share: in rows, and in processes."""
    return task.num_steps * vmapped.batch_flops(task) >= DEAR


def apart(task: Task, members: int, graphs: Graphs) -> list[int]:
    """How many of so many members train side by side, part by part: all of them, few of a dear training.

    What trains is the same however many workers there are: parts follow from the task alone.
    """
    if members <= DEAR_PART or not is_dear(task, graphs.of_task(task)):
        return [members]
    parts = -(-members // DEAR_PART)
    return [members // parts + (part < members % parts) for part in range(parts)]


def filling(members: int) -> int:
    """Members of a population, or none where its compiled gradient would be of too many idle rows."""
    return members if members >= (1 - MOST_IDLE) * padded(members, "compiled") else 0
