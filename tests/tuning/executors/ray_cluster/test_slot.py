"""What runs in a worker of a cluster needs no cluster to be run."""

import ast
import sys
import threading
from pathlib import Path

import cloudpickle

from metaopt.tuning.executors.ray_cluster import slot as slot_module
from metaopt.tuning.executors.ray_cluster.slot import MOST_KEPT, Slot


def ran(slot, function, *arguments, key=None, shared=None):
    return cloudpickle.loads(slot.run(cloudpickle.dumps((function, arguments)), key, shared))


def test_a_block_s_result_or_error_comes_back():
    assert ran(Slot(), pow, 2, 3) == (True, 8)
    went_well, error = ran(Slot(), int, "x")
    assert not went_well
    assert isinstance(error, ValueError)


def test_an_error_that_cannot_travel_comes_back_as_its_text():
    def fail():
        error = ValueError("no data")
        error.lock = threading.Lock()
        raise error

    went_well, error = ran(Slot(), fail)
    assert (went_well, type(error), str(error)) == (False, RuntimeError, "ValueError: no data")


def test_a_shared_value_is_made_once_and_the_last_few_are_kept():
    slot = Slot()
    identities = [ran(slot, id, key="a", shared=cloudpickle.dumps(["a"]))[1] for _ in range(2)]
    assert identities[0] == identities[1]
    for number in range(MOST_KEPT):
        ran(slot, id, key=str(number), shared=cloudpickle.dumps([number]))
    assert list(slot._kept) == [str(number) for number in range(MOST_KEPT)]


def test_it_imports_nothing_that_a_machine_may_lack():
    tree = ast.parse(Path(slot_module.__file__).read_text())
    imported = {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)} | {
        alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    }
    assert {name.partition(".")[0] for name in imported} <= set(sys.stdlib_module_names)
