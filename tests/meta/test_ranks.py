"""Several processes on one meta-training: who computes which pairs."""

import pytest
import torch

from metaopt import InputError
from metaopt.meta.ranks import Ranks


def test_alone_a_process_computes_everything():
    ranks, rows = Ranks.current(), torch.arange(6.0)
    assert (ranks.rank, ranks.world) == (0, 1)
    assert ranks.share(3) == slice(0, 3)
    assert ranks.gathered(rows) is rows


def test_shares_are_even_and_cover_all_pairs():
    shares = [Ranks(rank, 4).share(8) for rank in range(4)]
    assert [pair for share in shares for pair in range(8)[share]] == list(range(8))


def test_pairs_that_cannot_be_shared_evenly_are_refused():
    with pytest.raises(InputError, match="3 pairs of trainings cannot be shared by 2 processes; make"):
        Ranks(0, 2).share(3)
