"""What becomes of blocks that are lost: who runs again, who runs alone, who is blamed."""

import itertools

import pytest

from metaopt.tuning.executors.dispatcher import MOVES, Dispatcher
from metaopt.tuning.executors.protocol import Block, Ended, ExecutorError, WorkerError


class Slots:
    """Runs a block when it is asked what has finished; `fate(label, attempt)` says what becomes of it."""

    is_elsewhere = True

    def __init__(self, count, fate=lambda label, attempt: None, alive=True):
        self.count, self.fate, self.alive = count, fate, alive
        self.running, self.attempts, self.beside = {}, {}, []
        self.cancelled, self.tickets = [], itertools.count()

    def submit(self, block, waiting):
        if len(self.running) >= self.count:
            return None
        ticket = next(self.tickets)
        self.running[ticket] = block
        self.attempts[block.label] = self.attempts.get(block.label, 0) + 1
        return ticket

    def finished(self, timeout):
        running, self.running = self.running, {}
        self.beside.append(sorted(block.label for block in running.values()))
        fates = {ticket: self.fate(block.label, self.attempts[block.label]) for ticket, block in running.items()}
        if "pool" in fates.values():
            return [Ended(ticket, lost="pool") for ticket in running]
        if "silence" in fates.values():
            self.running = running
            return []
        return [
            Ended(ticket, error=fates[ticket])
            if isinstance(fates[ticket], Exception)
            else Ended(ticket, lost=fates[ticket])
            if fates[ticket]
            else Ended(ticket, result=block.function(*block.arguments))
            for ticket, block in running.items()
        ]

    def cancel(self, tickets):
        self.cancelled += tickets

    def is_alive(self):
        return self.alive

    def close(self):
        pass


def blocks(labels, **kwargs):
    return [Block(label, str.upper, (label,), **kwargs) for label in labels]


def ran(slots, labels="abcdef", lines=None):
    dispatcher = Dispatcher(slots, announce=(lines if lines is not None else []).append)
    results = list(dispatcher.results(blocks(labels)))
    assert sorted(results) == [(position, label.upper()) for position, label in enumerate(labels)]


def test_each_block_has_one_result_and_no_more_run_than_there_are_slots():
    slots = Slots(4)
    ran(slots)
    assert slots.beside == [["a", "b", "c", "d"], ["e", "f"]]


def test_who_ran_beside_a_death_runs_alone_so_that_the_right_one_is_blamed():
    slots, lines = Slots(3, lambda label, attempt: "pool" if label == "b" and attempt < 3 else None), []
    ran(slots, lines=lines)
    assert slots.beside[:5] == [["a", "b", "c"], ["a"], ["b"], ["b"], ["c"]]
    assert lines == ["A worker process died or hung; it is replaced and its work is repeated."] * 2


def test_a_block_whose_own_worker_died_runs_again_beside_others():
    slots = Slots(3, lambda label, attempt: "worker" if label == "b" and attempt == 1 else None)
    ran(slots)
    assert slots.beside == [["a", "b", "c"], ["b", "d", "e"], ["f"]]


def test_a_machine_that_goes_away_says_nothing_of_the_blocks_it_ran():
    slots, lines = Slots(3, lambda label, attempt: "node" if attempt < 6 else None), []
    ran(slots, lines=lines)
    assert set(lines) == {"A machine went away; its work is repeated elsewhere."}
    with pytest.raises(WorkerError, match=rf"^b lost the machine that it ran on {MOVES + 1} times; run it alone"):
        ran(Slots(3, lambda label, attempt: "node" if label == "b" else None))


@pytest.mark.parametrize("loss", ["worker", "pool"])
def test_a_block_that_always_takes_its_worker_down_is_named(loss):
    slots = Slots(3, lambda label, attempt: loss if label == "b" else None)
    with pytest.raises(
        WorkerError, match=r"^b took its worker process down 3 times \(out of memory, a crash\); run it"
    ):
        ran(slots)


def test_what_finished_beside_an_error_is_not_lost_and_the_rest_is_cancelled():
    results = []
    slots = Slots(2, lambda label, attempt: ValueError("no data") if label == "a" else None)
    with pytest.raises(ValueError, match="no data"):
        results.extend(Dispatcher(slots).results(blocks("ab")))
    assert slots.beside == [["a", "b"]]
    whoever_stops = Dispatcher(Slots(2)).results(blocks("abcd"))
    assert next(whoever_stops) == (0, "A")
    whoever_stops.close()


def test_an_executor_that_does_not_answer_ends_it_in_a_sentence():
    slots = Slots(2, lambda label, attempt: "silence", alive=False)
    with pytest.raises(ExecutorError, match=r"no longer answers; everything that has finished is stored: run the same"):
        ran(slots)
    assert slots.cancelled == [0, 1]


def test_blocks_of_other_resources_do_not_wait_for_those_without_a_slot():
    class Picky(Slots):
        def submit(self, block, waiting):
            return None if block.resources and len(self.beside) < 3 else super().submit(block, waiting)

    slots = Picky(2)
    mixed = [*blocks("ab", resources={"num_gpus": 1}), *blocks("cdef")]
    assert len(list(Dispatcher(slots).results(mixed))) == 6
    assert slots.beside[:2] == [["c", "d"], ["e", "f"]]
