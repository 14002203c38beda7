"""A store that is full: what nobody needs any more makes room, and what does not fit is told in a sentence."""

import os

import pytest

from metaopt.tuning.executors.protocol import Block, ExecutorError, Shared
from metaopt.tuning.executors.ray_cluster import store as store_module
from tests.conftest import STORE_BYTES
from tests.tuning.executors.ray_cluster.conftest import light

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


def block(name, share):
    """A block whose task takes this share of a machine's store."""
    data = os.urandom(1000) * int(share * STORE_BYTES / 1000)
    return Block(f"Task {name!r}", len, (), shared=Shared(name, data))


def test_data_of_earlier_tasks_make_room_for_others(nodes):
    workers = light(1, nodes.address)
    blocks = [block(f"third{number}", 1 / 3) for number in range(4)]
    try:
        assert sorted(position for position, _ in workers.results(blocks)) == [0, 1, 2, 3]
    finally:
        workers.close()


def test_what_never_fits_is_named_and_what_is_done_is_kept(nodes, monkeypatch):
    monkeypatch.setattr(store_module, "_PAUSES", (0.1, 0.1))
    workers, found = light(1, nodes.address), {}
    too_much = int(1.5 * STORE_BYTES)
    giants = [
        block("data", 1.5),
        Block("Task 'argument'", len, (bytes(too_much),)),
        Block("Task 'result'", bytes, (too_much,)),
    ]
    try:
        for giant in giants:
            found.clear()
            with pytest.raises(ExecutorError, match=f"^The cluster's object store is full: {giant.label} does not fit"):
                found.update(workers.results([Block("Task 'small'", pow, (2, 3)), giant]))
            assert found == {0: 8}
    finally:
        workers.close()
