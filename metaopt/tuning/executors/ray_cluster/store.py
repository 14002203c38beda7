"""What many blocks share lies in the cluster's object store, once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import cloudpickle

from metaopt.tuning.executors.protocol import Shared
from metaopt.tuning.executors.ray_cluster.refusals import too_large

#: What nobody refers to any more is gone after a moment: how long it is waited for, seconds.
_PAUSES = (0.1, 0.5, 2.0)


@dataclass
class Store:
    """The object store of a cluster.

    Attributes:
        ray: the module.
    """

    ray: ModuleType
    _refs: dict[str, Any] = field(default_factory=dict, init=False)

    def put(self, shared: Shared) -> Any:
        """A reference to the value, pickled; it is put there the first time, and again once it had to make room."""
        if shared.key not in self._refs:
            self._refs[shared.key] = self._put(cloudpickle.dumps(shared.value))
        return self._refs[shared.key]

    def renew(self) -> None:
        """Put everything anew, with its only copy here: Ray asks machines that do not answer for theirs, and waits."""
        self._refs.clear()

    @contextmanager
    def fitting(self, label: str) -> Iterator[None]:
        """Inside, a store that is full is told in a sentence.

        Args:
            label: of the block that brings something.

        Raises:
            ExecutorError: it is.
        """
        try:
            yield
        except self._errors as error:
            raise too_large(label) from error

    def is_full(self, error: BaseException) -> bool:
        """Whether this is what Ray says of a full store, here or where a worker's result should have gone."""
        return isinstance(getattr(error, "cause", None) or error, self._errors)

    def _put(self, pickled: bytes) -> Any:
        for pause in _PAUSES if self._refs else ():
            with suppress(*self._errors):
                return self.ray.put(pickled)
            self._refs.clear()  # blocks that run hold on to what they need
            time.sleep(pause)
        return self.ray.put(pickled)

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        errors = self.ray.exceptions
        return errors.ObjectStoreFullError, errors.OutOfDiskError
