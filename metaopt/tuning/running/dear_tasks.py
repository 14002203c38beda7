"""Which tasks are dear to train, by their measured pace, and how far a candidate must come to be trained on them.

A race takes the cheapest task of each family first, by counts alone, so that a study does the same on every machine;
see `race_order`. What is measured is only told: the upper rungs of a ladder of sizes cost most of a study's time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from metaopt.contracts import AnyTask
from metaopt.tuning.running.progress import duration
from metaopt.tuning.search.racing import rungs_of

#: A task is dear if one training takes longer than this, seconds.
DEAR = 60.0


@dataclass(frozen=True)
class DearTasks:
    """The dear tasks of a race.

    Attributes:
        names: of them, in the order of the race.
        tasks: of the whole race.
        after: tasks on which a candidate is judged before it is trained on any of them; 0 if all candidates are.
        seconds: that they are predicted to take of the whole run.
    """

    names: tuple[str, ...]
    tasks: int
    after: int
    seconds: float

    def line(self) -> str:
        """What to tell the user before the start."""
        count = f"{len(self.names)} of {self.tasks} tasks take more than {duration(DEAR)} a training"
        who = (
            f"of the candidates, only those that go on after {self.after} others train on them"
            if self.after
            else "every candidate trains on some"
        )
        return f"{count} ({', '.join(self.names)}), about {duration(self.seconds)} of all; {who}."


def dear_tasks(
    race: Sequence[AnyTask], of_training: Callable[[AnyTask], float], of_run: Mapping[str, float]
) -> DearTasks | None:
    """The tasks whose trainings take longer than `DEAR`; None if there are none.

    Args:
        race: tasks in the order of the race.
        of_training: seconds of one training on a task.
        of_run: seconds that all trainings of the run take, by the task's name.
    """
    places = [place for place, task in enumerate(race) if of_training(task) > DEAR]
    if not places:
        return None
    names = tuple(race[place].name for place in places)
    after = max((size for size in rungs_of(race) if size <= places[0]), default=0)
    return DearTasks(names, len(race), after, sum(of_run.get(name, 0.0) for name in names))
