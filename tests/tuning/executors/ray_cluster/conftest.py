"""Runs that are equal, workers of a cluster for blocks that train nothing, and addresses at which nobody listens."""

import socket

import pandas

from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.named import executor_named
from metaopt.tuning.executors.protocol import ExecutorSettings


def light(workers, address, announce=lambda line: None, setup=lambda: None):
    """A dispatcher to workers that import nothing before their first block."""
    settings = ExecutorSettings(workers=workers, address=address, setup=lambda: setup, announce=announce)
    return Dispatcher(executor_named("ray", settings), announce=announce)


def assert_same_runs(one, other):
    timed = ["seconds"]
    pandas.testing.assert_frame_equal(
        one.runs.drop(columns=timed, errors="ignore"), other.runs.drop(columns=timed, errors="ignore"), check_exact=True
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
