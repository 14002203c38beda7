"""What a run, a tuning or a meta-training reports, as TensorBoard shows it."""

import os
import weakref
from pathlib import Path
from typing import Any, final

from metaopt.contracts import Event
from metaopt.errors import InputError, first_line, quoted

#: Events after which what was written is on the disk.
_FLUSHED = frozenset({"validation", "candidate", "stop", "finish", "result"})


@final
class TensorBoard:
    """Writes events for TensorBoard: give it as `watch=` to `recipe.bind`, `metaopt.tune` or `metaopt.meta_train`.

    Numbers are scalars such as `run/loss`, `run/rate`, `run/metric` and `tune/TASK/score`; what says why is a text.
    What was written is on the disk after each validation, `run.finish()`, `close()`, and at the end of the process.

    Args:
        folder: where the event file is written; made where it is missing. `tensorboard --logdir FOLDER` shows it.

    Raises:
        InputError: the package tensorboard is missing, or the folder cannot be made.

    Example:
        >>> from metaopt.integrations.tensorboard import TensorBoard
        >>> run = recipe.bind(model, total_steps=100, watch=TensorBoard("runs/first"))  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                f"TensorBoard's writer needs a package ({first_line(error)}); pip install tensorboard."
            ) from error
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except (OSError, TypeError, ValueError) as error:
            raise InputError(f"No events can be written to {quoted(folder)}: {first_line(error)}.") from error
        self._writer: Any = SummaryWriter(str(folder))
        self._end = weakref.finalize(self, self._writer.close)

    def __call__(self, event: Event) -> None:
        """Write an event."""
        about = "/".join((event.source, *([event.labels["task"]] if "task" in event.labels else [])))
        for name, number in event.numbers.items():
            self._writer.add_scalar(f"{about}/{name}", number, event.step)
        if event.why:
            self._writer.add_text(f"{about}/{event.kind}", event.why, event.step)
        if event.kind in _FLUSHED:
            self._writer.flush()

    def close(self) -> None:
        """Write what is left and close the file; calling it again does nothing."""
        self._end()
