"""The connection to a Ray cluster."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from metaopt.errors import quoted
from metaopt.tuning.executors.protocol import ExecutorError
from metaopt.tuning.executors.ray_cluster.quiet import logged
from metaopt.tuning.executors.ray_cluster.refusals import AUTO, unusable

#: How long a machine may take to open a connection, seconds.
_ANSWER_SECONDS = 10.0
#: How long a head that does not answer is waited for: Ray itself ends this process, without a word, after 60.
_SILENCE_SECONDS = 30.0
#: How old what is known of it may be.
_FRESH_SECONDS = 1.0
_STORED = "everything that has finished is stored: run the same command again when it does"


def import_ray() -> ModuleType:
    """Ray.

    Raises:
        ExecutorError: it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ExecutorError(
            "--executor ray needs Ray, which is not installed; pip install 'metaopt-torch[ray]'."
        ) from error
    module: ModuleType = ray
    return module


class Connection:
    """A driver's connection to a cluster; one that was there before is used and left as it is.

    Args:
        address: `"auto"`, `"local"` for a cluster of this machine alone that ends with it, `"host:port"`, or
            `"ray://host:port"`.
        log_file: for what Ray prints.

    Raises:
        ExecutorError: nothing answers there, or another version of Ray or Python.
    """

    def __init__(self, address: str, log_file: Path | None) -> None:
        self.ray = import_ray()
        self.address = os.environ.get("RAY_ADDRESS", AUTO) if address == AUTO else address
        self._stack = ExitStack()
        self._silent_since: float | None = None
        self._asked, self._has_answered = -_FRESH_SECONDS, True
        leaving = self._stack.enter_context(logged(log_file))
        try:
            if not self.ray.is_initialized():
                self._connect()
                self._stack.callback(self.ray.shutdown)
                self._stack.callback(leaving)
        except BaseException:
            self.close()
            raise
        self._gcs = None if self._is_client else self.ray.get_runtime_context().gcs_address

    def close(self) -> None:
        """Leave the cluster."""
        self._stack.close()

    @property
    def _is_client(self) -> bool:
        return self.address.startswith("ray://")

    def _connect(self) -> None:
        os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")  # or Ray puts a print of its own in place of Python's
        before = None
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGTERM)
        options: dict[str, Any] = {} if self._is_client else {"configure_logging": False, "log_to_driver": True}
        if self.address == "local":
            options["include_dashboard"] = False
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        else:
            _check_answers(self.address)
        try:
            self.ray.init(self.address, **options)
        except (Exception, SystemExit) as error:
            self.ray.shutdown()  # half of a connection may be there, and be in the way of the next
            raise ExecutorError(unusable(self.address, error)) from error
        finally:
            if before is not None:  # Ray's own would end the command without a word
                signal.signal(signal.SIGTERM, before)

    def is_alive(self) -> bool:
        """Whether the cluster's head has answered within the last `_SILENCE_SECONDS`."""
        if self.answers():
            self._silent_since = None
            return True
        now = time.monotonic()
        self._silent_since = now if self._silent_since is None else self._silent_since
        return now - self._silent_since < _SILENCE_SECONDS

    def answers(self) -> bool:
        """Whether the head answers, as of a second ago at most: whoever asks Ray of a dead one waits for ever."""
        now = time.monotonic()
        if now - self._asked >= _FRESH_SECONDS:
            if self._gcs is None:
                self._has_answered = bool(self.ray.is_initialized())
            else:
                self._has_answered = _is_open(*_host_and_port(self._gcs), timeout=2.0)
            self._asked = now
        return self._has_answered

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Inside, a cluster that does not answer is told in a sentence.

        Raises:
            ExecutorError: it does not.
        """
        try:
            yield
        except ConnectionError as error:
            raise ExecutorError(
                f"The cluster at --address {quoted(self.address)} no longer answers; {_STORED}."
            ) from error


def _check_answers(address: str) -> None:
    """Refuse a host and port at which no cluster answers, before Ray tries for minutes."""
    place = address.removeprefix("ray://")
    if ":" not in place:
        return
    host, port = _host_and_port(place)
    remedy = "give host and port of the cluster's head, such as ray://HOST:10001, or auto on a machine of the cluster."
    if not port or not _is_open(host, port, _ANSWER_SECONDS):
        raise ExecutorError(f"Nothing answers at --address {quoted(address)}; {remedy}")
    if not _speaks(place):
        raise ExecutorError(f"What answers at --address {quoted(address)} is no Ray cluster; {remedy}")


def _speaks(place: str) -> bool:
    """Whether what listens there speaks as heads of Ray do: what becomes of the call matters to nobody."""
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return True  # it takes Ray's own certificates to ask
    try:
        import grpc
    except ImportError:  # Ray was installed without its client
        return True
    with grpc.insecure_channel(place, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=_SILENCE_SECONDS)
        except grpc.RpcError as error:
            return error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return True


def _host_and_port(place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    return host, int(port) if port.isdecimal() and int(port) < 65536 else 0


def _is_open(host: str, port: int, timeout: float) -> bool:
    try:
        socket.create_connection((host, port), timeout=timeout).close()
    except OSError:
        return False
    return True
