"""A PostgreSQL server of one's own, of Debian's package, that can be stopped and started again while it is used."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import sqlalchemy as sa


def missing() -> str:
    """What is not there to run a server with, or ""."""
    if _programs() is None:
        return "no initdb under /usr/lib/postgresql (Debian's package postgresql)"
    if os.geteuid() == 0 and (not _has_user() or shutil.which("runuser") is None):
        return "no user postgres, or no runuser: root must not run a server"
    return ""


class Server:
    """A server that can be stopped and started again; its databases outlive that."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="metaopt-postgres-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._call("initdb", "-D", self._data, "-U", "tuner", "--auth=trust", "--no-sync", "-E", "UTF8")
        self.start()

    def url(self, database: str, driver: str = "postgresql+psycopg") -> str:
        """URL of a new database."""
        self._call("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tuner", database)
        return f"{driver}://tuner@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Returns when connections are accepted."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self._call("pg_ctl", "-D", self._data, "-w", "-l", f"{self.folder}/log", "-o", options, "start")

    def stop(self) -> None:
        """Ends every connection in the middle of whatever it does."""
        self._call("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def remove(self) -> None:
        """Stops it for good."""
        self.stop()
        shutil.rmtree(self.folder)

    @property
    def _data(self) -> str:
        return f"{self.folder}/data"

    def _call(self, program: str, *arguments: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*user, f"{_programs()}/{program}", *arguments]
        # No pipes: the server would keep them open.
        with (self.folder.parent / f"{self.folder.name}.out").open("w+") as output:
            done = subprocess.run(command, cwd="/", stdout=output, stderr=output, check=False)
            output.seek(0)
            assert done.returncode == 0, output.read()
        Path(output.name).unlink()


def end_connections(url: str) -> int:
    """End every connection to a database but this one, as an administrator does; how many there were."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND "
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(f"{query} pid <> pg_backend_pid()")) or 0)


def _programs() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return installed[-1].parent if installed else None


def _has_user() -> bool:
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return False
    return True
