"""A cluster that cannot be used is told in a sentence, and nothing is left of the attempt."""

import contextlib
import platform
import re
import socket
import sys
import threading

import pytest

import metaopt
from metaopt.cli import run
from metaopt.tuning.executors.protocol import ExecutorError
from metaopt.tuning.executors.ray_cluster import connection as connection_module
from metaopt.tuning.executors.ray_cluster.connection import Connection
from tests.tuning.executors.ray_cluster.conftest import free_port
from tests.tuning.recorded.conftest import write


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_at_which_nothing_answers_is_refused_at_once(scheme):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'metaopt-torch[ray]'")
    address, before = f"{scheme}127.0.0.1:{free_port()}", sys.stdout
    with pytest.raises(ExecutorError, match=f"^Nothing answers at --address {re.escape(repr(address))}; give host and"):
        Connection(address, None)
    assert sys.stdout is before


@pytest.fixture
def something_else():
    """A server that is no cluster: it takes connections and says what is not asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    with server.accept()[0] as connection:
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_what_answers_and_is_no_cluster_is_refused(scheme, something_else, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'metaopt-torch[ray]'")
    monkeypatch.setattr(connection_module, "_SILENCE_SECONDS", 2.0)
    address = f"{scheme}{something_else}"
    sentence = f"What answers at --address {address!r} is no Ray cluster; give host and port of the cluster's head"
    with pytest.raises(ExecutorError, match=f"^{re.escape(sentence)}"):
        Connection(address, None)


@pytest.mark.slow
@pytest.mark.thorough
def test_another_version_of_ray_is_refused_with_both(nodes, monkeypatch):
    import ray

    own, python = ray.__version__, platform.python_version()
    monkeypatch.setattr(ray, "__version__", "2.30.0")
    sentence = (
        f"The cluster at --address {nodes.address!r} runs Ray {own} and Python {python}, this process Ray 2.30.0 and "
        f"Python {python}; install the cluster's versions here."
    )
    with pytest.raises(ExecutorError, match=f"^{re.escape(sentence)}$"):
        Connection(nodes.address, None)
    monkeypatch.undo()
    connection = Connection(nodes.address, None)  # nothing is left of the attempt
    assert connection.is_alive()
    connection.close()


def test_the_usual_address_is_that_of_the_environment(monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'metaopt-torch[ray]'")
    monkeypatch.setenv("RAY_ADDRESS", f"ray://127.0.0.1:{free_port()}")
    with pytest.raises(ExecutorError, match=r"^Nothing answers at --address 'ray://127"):
        Connection("auto", None)


def test_without_ray_there_is_one_sentence(make_task, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    sentence = "--executor ray needs Ray, which is not installed; pip install 'metaopt-torch[ray]'."
    with pytest.raises(metaopt.InputError, match=f"^{re.escape(sentence)}$"):
        metaopt.tune([make_task()], n_trials=1, executor="ray", announce=print)
    assert "References" not in capsys.readouterr().out  # before anything is trained


def test_the_command_says_it_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    runs = write(tmp_path / "runs.csv", [(f"c{name}", f"t{task}", 1, name) for name in range(2) for task in range(4)])
    assert run(["tune", str(runs), "--out", str(tmp_path / "out"), "--folds", "2", "--executor", "ray"]) == 2
    sentence = "error: --executor ray needs Ray, which is not installed; pip install 'metaopt-torch[ray]'.\n"
    assert capsys.readouterr().err == sentence
