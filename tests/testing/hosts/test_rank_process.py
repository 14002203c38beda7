"""Messages between the kit and its ranks come whole, and the end of a pipe is told from a message."""

import io

from metaopt.testing.hosts.rank_process import TRIALS, read, write


def test_messages_come_one_by_one_and_whole():
    pipe = io.BytesIO()
    for message in (b"first", b"x" * 100_000):
        write(pipe, message)
    pipe.seek(0)
    assert read(pipe) == b"first"
    assert read(pipe) == b"x" * 100_000
    assert read(pipe) == b""


def test_the_trials_are_those_that_are_asked_for():
    assert set(TRIALS) == {"equal_on_ranks", "equal_sharded"}
