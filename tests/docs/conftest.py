"""Runs the code of a Markdown page, block by block, in a folder of its own.

| block | what becomes of it |
|---|---|
| `python` | runs, after those before it on the page, in one namespace |
| `console` | each line after `$ ` runs in a shell; what follows is what it prints |
| `output` | what the block before it prints |
| `python file=NAME`, `toml file=NAME`, … | is saved under that name |
| `text`, `diff`, `json`, `sql` | is only read |

A block after a line that begins with `*Not run` is not run, and readers see why. In expected output `...` stands for
anything.
"""

import contextlib
import io
import linecache
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from metaopt import cli
from metaopt.plugin import registry

FENCE = re.compile(r"^```(?P<info>.*)$")
NOT_RUN = "*Not run"
#: A console's way to show an exit code.
TELL = "; echo $?"
READ_ONLY = {"text", "diff", "json", "sql"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it is saved as or "", its text, its first line, whether it is run."""

    language: str
    file: str
    text: str
    line: int
    is_run: bool


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    info, start, lines, said = None, 0, [], ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = FENCE.match(line)
        if fence and info is None:
            info, start, lines = fence["info"], number + 1, []
        elif fence:
            language, _, file = str(info).partition(" file=")
            yield Block(language.strip(), file.strip(), "\n".join(lines) + "\n", start, not said.startswith(NOT_RUN))
            info, said = None, ""
        elif info is not None:
            lines.append(line)
        elif line.strip():
            said = line


class PageRunner:
    """Runs a page in the current folder."""

    def __init__(self, page: Path) -> None:
        self.page = page
        self.namespace = {"__name__": "__main__"}
        self.printed = self.source = ""

    def run(self) -> None:
        """Every block, in order."""
        for block in blocks(self.page):
            if block.is_run:
                self._run_block(block)

    def _run_block(self, block: Block) -> None:
        if block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            self.printed = self._python(block)
        elif block.language == "console":
            for line, command, expected in commands(block):
                self._compare(expected, self._command(line, command), line)
        elif block.language == "output":
            self._compare(block.text, self.printed, block.line)
        elif block.language not in READ_ONLY:
            pytest.fail(f"{self._where(block.line)}: nobody knows what to do with a block of {block.language!r}.")

    def _python(self, block: Block) -> str:
        # The empty lines give tracebacks the page's own line numbers.
        before = "\n" * (block.line - 1)
        code = compile(before + block.text, str(self.page), "exec", dont_inherit=True)
        # What ran can be read, as in a notebook.
        self.source += before[self.source.count("\n") :] + block.text
        lines = self.source.splitlines(keepends=True)
        linecache.cache[str(self.page)] = (len(self.source), None, lines, str(self.page))
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, self.namespace)
        return printed.getvalue()

    def _command(self, line: int, command: str) -> str:
        if command.startswith("metaopt "):
            return self._metaopt(line, command)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "COLUMNS": "120"}
        done = subprocess.run(
            ["bash", "-c", command],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"{self._where(line)}: exit code {done.returncode} from {command}\n{done.stdout}")
        return done.stdout

    def _metaopt(self, line: int, command: str) -> str:
        """As the command would, but in this process: importing torch anew takes longer than most pages."""
        plain = command.replace("\\\n", " ").removesuffix(TELL)
        known, registry._current = registry._current, None  # a process of its own knows nothing of the page's plugins
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
            code = cli.run(shlex.split(plain)[1:])
        registry._current = known
        if command.endswith(TELL):
            return f"{printed.getvalue()}{code}\n"
        if code:
            pytest.fail(f"{self._where(line)}: exit code {code} from {command}\n{printed.getvalue()}")
        return printed.getvalue()

    def _compare(self, expected: str, printed: str, line: int) -> None:
        if expected.strip() and not matches(expected, printed):
            pytest.fail(f"{self._where(line)}: the page says\n{expected}\nbut it prints\n{printed}")

    def _where(self, line: int) -> str:
        return f"{self.page.name}:{line}"


def commands(block: Block) -> Iterator[tuple[int, str, str]]:
    """Line, command and expected output of each command of a console block."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    line = block.line + parts[0].count("\n")
    for part in parts[1:]:
        continued = re.match(r"(?:.*\\\n)*.*\n", part)
        assert continued is not None
        yield line, continued[0].strip(), part[continued.end() :]
        line += part.count("\n")


def matches(expected: str, printed: str) -> bool:
    """Whether the output is what was expected, trailing blanks and whatever `...` stands for apart."""
    wanted = "\n".join(line.rstrip() for line in expected.strip().splitlines())
    got = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    pattern = ".*?".join(re.escape(part) for part in wanted.split("..."))
    return re.fullmatch(pattern, got, flags=re.DOTALL) is not None


@pytest.fixture
def run_page(tmp_path, monkeypatch):
    """Runs a page in a temporary folder; the process is afterwards as it was, and so is what is installed."""
    monkeypatch.chdir(tmp_path)
    site = tmp_path / ".installed"
    site.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    monkeypatch.setenv("PIP_TARGET", str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setattr(registry, "_current", None)
    monkeypatch.setattr(torch, "compile", torch.compile)  # Lightning puts a wrapper in its place
    modules = set(sys.modules)
    yield lambda page: PageRunner(page).run()
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]
