"""What Ray prints of its machines and workers goes to a file: people read one sentence, programs one JSON object."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

#: Threads of Ray that print: of errors, of workers' output, and of both through Ray's client.
_THREADS = ("ray_", "_log_main")


@contextmanager
def logged(path: Path | None) -> Iterator[Callable[[], None]]:
    """Inside, what Ray's own threads write and what it logs goes to the file, or nowhere if there is none.

    Whoever calls `leaving` within sends there what this thread writes from then on: leaving, Ray prints what is left.
    """
    with open(os.devnull if path is None else path, "a", encoding="utf-8", errors="backslashreplace") as file:
        streams = [_Divided(getattr(sys, name), file) for name in ("stdout", "stderr")]
        logger, handler = logging.getLogger("ray"), logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        before = logger.handlers[:], logger.propagate
        logger.handlers, logger.propagate = [handler], False
        sys.stdout, sys.stderr = streams

        def leaving() -> None:
            for stream in streams:
                stream.leaving = threading.current_thread()

        try:
            yield leaving
        finally:
            for name, stream in zip(("stdout", "stderr"), streams, strict=True):
                if getattr(sys, name) is stream:  # else somebody has replaced it meanwhile
                    setattr(sys, name, stream.stream)
                stream.file = None
            logger.handlers, logger.propagate = before


class _Divided:
    """A stream that sends what Ray's threads write to a file.

    Args:
        stream: for everybody else.
        file: for Ray.
    """

    def __init__(self, stream: TextIO, file: TextIO) -> None:
        self.stream = stream
        self.file: TextIO | None = file
        self.leaving: threading.Thread | None = None

    def write(self, text: str) -> int:
        thread = threading.current_thread()
        is_ray_s = thread is self.leaving or any(part in thread.name for part in _THREADS)
        if self.file is None or not is_ray_s:
            return self.stream.write(text)
        count = self.file.write(text)
        self.file.flush()
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
