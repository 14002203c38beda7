"""Global random numbers from a seed, for code that takes them from nowhere else: models' initialisations, classes."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's global generators begin at `seed`; afterwards they are as they were before."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        # Not torch.manual_seed: asking every kind of accelerator takes longer than building a small model.
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield


@final
class GlobalStream:
    """A stream of torch's, numpy's and Python's global random numbers, which goes on wherever `numbers` is entered.

    Args:
        seed: where it begins.
    """

    def __init__(self, seed: int) -> None:
        self._torch = torch.Generator().manual_seed(seed).get_state()
        self._numpy = np.random.RandomState(seed % 2**32).get_state()
        self._python = random.Random(seed).getstate()

    @contextmanager
    def numbers(self) -> Iterator[None]:
        """Inside, global random numbers are the stream's; afterwards they are as they were before."""
        before = np.random.get_state(), random.getstate()
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._torch)
            np.random.set_state(self._numpy)
            random.setstate(self._python)
            try:
                yield
            finally:
                self._torch, self._numpy, self._python = torch.get_rng_state(), np.random.get_state(), random.getstate()
                np.random.set_state(before[0])
                random.setstate(before[1])
