"""Runs a command and stores what it printed, with how it was run."""

import ast
import hashlib
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from benchmarks.figures.jobs import ResultJob
from benchmarks.figures.pages import ROOT
from benchmarks.figures.results import Results, StoredRun

_SOURCE = re.compile(r"source (?P<digest>[0-9a-f]{12})")


def run(job: ResultJob, results: Results) -> None:
    """Run a job at the root of the checkout and store its output.

    Raises:
        RuntimeError: it failed.
    """
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
        "MPLBACKEND": "agg",
    }
    started = time.perf_counter()
    done = subprocess.run(
        ["bash", "-c", job.command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"`{job.command}` ended with exit code {done.returncode}; its messages are above.")
    notes = how((time.perf_counter() - started) / 60, source_of(job))
    results.put(job.result, StoredRun(job.command, notes, done.stdout.strip("\n")))


def how(minutes: float, source: str) -> tuple[str, ...]:
    """The lines that say how a command was run."""
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit or 'unknown'}, source {source}; took {minutes:.1f} min",
        f"Python {platform.python_version()}, torch {metadata.version('torch')}, {os.cpu_count()} processors{load}",
    )


def staleness(job: ResultJob, results: Results) -> str:
    """Why a job's result is no longer what its command would print; "" if nothing says so."""
    stored = results.of_command(job.result, job.command)
    if stored is None:
        return "not stored"
    match = _SOURCE.search(" ".join(stored.notes))
    if match is None:
        return "kept from an earlier version"
    return "" if match["digest"] == source_of(job) else "code has changed"


def source_of(job: ResultJob) -> str:
    """12 hex digits of the code that a job runs: the package, the plugins, its benchmark and what that imports."""
    module = re.search(r"python -m (benchmarks[\w.]+)", job.command)
    digest = hashlib.sha256(_package_digest())
    for path in [*(sorted(_modules(module[1])) if module else []), *_pages_read(job)]:
        digest.update(path.read_bytes() if path.suffix == ".py" else _scripts(path))
    return digest.hexdigest()[:12]


def _modules(name: str) -> set[Path]:
    """The files of a benchmark's module and of those of `benchmarks` that it imports."""
    known: set[Path] = set()
    waiting = [name]
    while waiting:
        for path in set(_files(waiting.pop())) - known:
            known.add(path)
            waiting += _imported(path)
    return known


def _files(module: str) -> list[Path]:
    """The file of a module, or those that a package runs; none of a name within a module."""
    path = ROOT / Path(*module.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py", path / "__main__.py")
    return [file for file in files if file.is_file()]


def _imported(path: Path) -> list[str]:
    """Modules of `benchmarks` that a file imports, and names that may be some."""
    found = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)]
    own = [node for node in found if node.module is not None and node.module.partition(".")[0] == "benchmarks"]
    return [
        name for node in own for name in (node.module, *(f"{node.module}.{each.name}" for each in node.names)) if name
    ]


def _pages_read(job: ResultJob) -> Iterator[Path]:
    return (ROOT / word for word in job.command.split() if word.endswith(".md"))


def _scripts(page: Path) -> bytes:
    """The Python blocks of a page; what `make figures` writes around them does not count."""
    return "".join(re.findall(r"^```python\n.*?^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)).encode()


@cache
def _package_digest() -> bytes:
    digest = hashlib.sha256()
    for path in sorted(path for part in ("metaopt", "plugins") for path in (ROOT / part).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.digest()
