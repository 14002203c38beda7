"""Which examples a seed trains, validates and tests on, where metaopt itself divided them.

A single division of few rows is a lottery of its own: settings that suit its validation rows look better than they are.
So the seed of a training also decides the rows, by where it lies:

| seeds | training and validation rows | test rows |
|---|---|---|
| below `REDRAWN` | the task's own | the task's own |
| from `REDRAWN` on | drawn by seed from all but the task's own test rows | the task's own |
| from `ALL_REDRAWN` on | drawn by seed | drawn by seed |

No seed of the first two kinds ever trains or validates on the task's own test rows; those of the third are for tasks
on whose rows nothing was chosen. Divisions that a user made stay as they are, whatever the seed.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from metaopt.contracts.tasks.task import Splits

#: From this seed on, training and validation rows are drawn anew.
REDRAWN = 1_000
#: From this seed on, test rows are, too.
ALL_REDRAWN = 1_000_000
#: With fewer validation rows than this, they are too few to choose by a single division.
PLENTY = 2_000


class Redraw(Protocol):
    """Divides a task's rows anew: splits of the same sizes, with the same columns and the same number of each class."""

    def __call__(self, seed: int, *, test: bool) -> "Splits":
        """The splits of a seed.

        Args:
            seed: equal seeds give equal splits.
            test: whether test rows are drawn, too; otherwise they are the task's own.
        """
        ...
