"""The package of a new plugin: a small algorithm that works, its test, and what makes it a distribution."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from importlib.resources import files
from pathlib import Path

from metaopt.cli.commands.new_plugin.names import PREFIX, check_free, plain_name
from metaopt.cli.output_folder import named, write_text
from metaopt.errors import InputError, did_you_mean, first_line, quoted
from metaopt.plugin import KINDS, Registry


@dataclass(frozen=True)
class Kind:
    """What differs between the kinds outside of the algorithm: dependencies, and how people use one."""

    dependencies: tuple[str, ...]
    shell: str
    python: str


_KINDS: Mapping[str, Kind] = {
    "optimizer": Kind(
        ("torch",),
        "metaopt tune CORPUS --optimizers {},adamw",
        'optimizer = metaopt.create_optimizer("{}", model)',
    ),
    "wrapper": Kind(
        ("torch",),
        "metaopt tune CORPUS --wrappers {}",
        'optimizer = metaopt.create_optimizer("adamw", model, wrappers=["{}"])',
    ),
    "controller": Kind(
        ("torch",),
        "metaopt tune CORPUS --controllers {},cosine",
        'scheduler = metaopt.create_scheduler("{}", optimizer, total_steps=1000)',
    ),
    "stopper": Kind(
        ("numpy",),
        "metaopt replay RUNS --stoppers {},patience",
        'stopper = metaopt.create_stopper("{}", mode="min")',
    ),
    "learner": Kind(
        ("torch",),
        "metaopt tune CORPUS --learners {},protonet",
        'result = metaopt.meta_train("{}", task)',
    ),
    "weighting": Kind(
        ("torch",),
        "metaopt tune CORPUS --weightings {},uncertainty",
        'configuration = metaopt.Configuration("adamw", weighting="{}")',
    ),
    "surgery": Kind(
        ("torch",),
        "metaopt tune CORPUS --surgeries {},pcgrad",
        'configuration = metaopt.Configuration("adamw", surgery="{}")',
    ),
    "corpus": Kind(
        ("torch",),
        "metaopt tune {}",
        'corpus = metaopt.load_corpus("{}")',
    ),
}


@dataclass(frozen=True)
class Scaffold:
    """A package to be written.

    Attributes:
        name: of the plugin, which is also that of its file; `metaopt_<name>` is the module, `metaopt-<name>`, with
            hyphens, the distribution.
        kind: of the plugin.
        author: as `Name <mail>`, or empty.
    """

    name: str
    kind: str
    author: str = ""

    @property
    def distribution(self) -> str:
        """Its name for pip."""
        return f"{PREFIX}{self.name}".replace("_", "-")

    @property
    def module(self) -> str:
        """Its name for Python."""
        return f"{PREFIX}{self.name}"

    @property
    def source(self) -> Path:
        """The file with the algorithm, inside the package's folder."""
        return Path("src", self.module, f"{self.name}.py")

    def files(self) -> dict[Path, str]:
        """The text of each file, by its path inside the package's folder."""
        return {
            Path("pyproject.toml"): self._text("pyproject.toml"),
            Path("README.md"): self._text("README.md"),
            self.source: self._text(f"{self.kind}.py"),
            self.source.with_name("__init__.py"): self._text("__init__.py"),
            self.source.with_name("py.typed"): "",
            Path("tests", f"test_{self.name}.py"): self._text("test_plugin.py"),
            Path(".github", "workflows", "test.yml"): self._text("test.yml"),
        }

    def _text(self, template: str) -> str:
        text = files(__package__).joinpath("templates", f"{template}.template").read_text(encoding="utf-8")
        kind = _KINDS[self.kind]
        blocks = {
            "SUBJECT": self.kind,
            "USE_SHELL": kind.shell.format(self.name),
            "USE_PYTHON": kind.python.format(self.name),
            "DEPENDENCIES": ", ".join(f'"{each}"' for each in kind.dependencies),
            "AUTHORS\n": _authors(self.author),
            "metaopt-skeleton": self.distribution,
            "skeleton": self.name,
            "SKELETON": self.name.upper(),
            "Skeleton": "".join(part.title() for part in self.name.split("_")),
        }
        # In one pass: what is filled in may itself hold such words.
        return re.sub("|".join(map(re.escape, blocks)), lambda word: blocks[word[0]], text)


def scaffold(name: str, kind: str, author: str, registry: Registry) -> Scaffold:
    """The package of a plugin of this name, once that is known to be free.

    Args:
        name: of the plugin; hyphens and a leading `metaopt-`, as in a distribution's name, are understood.
        kind: such as `optimizer`.
        author: `Name <mail>`, or either of them, or empty.
        registry: what is installed.

    Raises:
        InputError: the name cannot be a plugin's, the kind is unknown, or the author is no text of one line or has
            an address that is none.
        PluginError: a plugin, a distribution or a module has the name already.
    """
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS, " {}")
        raise InputError(f"There is no kind {quoted(kind)} of plugin;{hint} kinds: {', '.join(KINDS)}.")
    plain = plain_name(name)
    if not author.isprintable() or _person(author) is None:
        raise InputError(
            f"--author must be one line such as 'Ada Lovelace <ada@example.org>', or a name, got {quoted(author)}."
        )
    check_free(plain, registry)
    return Scaffold(plain, kind, author)


def write(package: Scaffold, folder: str) -> Path:
    """Write the package into a new or empty folder, and return that.

    Raises:
        InputError: the folder holds something, is empty as a name, or cannot be made.
    """
    path = named(folder, "--out")
    try:
        taken = os.path.lexists(path) and not (path.is_dir() and not os.listdir(path))
        for file in () if taken else package.files():
            (path / file).parent.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # a name that no folder can have
        raise InputError(f"--out {quoted(path)} cannot be made: {first_line(error)}; name another one.") from error
    if taken:
        raise InputError(f"--out {quoted(path)} exists already; name a new or an empty folder, or remove it.")
    for file, text in package.files().items():
        write_text(path / file, text)
    return path


def _authors(author: str) -> str:
    """The line of `pyproject.toml`, or nothing."""
    name, mail = _person(author) or ("", "")
    known = {"name": name, "email": mail}
    parts = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in known.items() if value]
    return f"authors = [{{ {', '.join(parts)} }}]\n" if parts else ""


def _person(author: str) -> tuple[str, str] | None:
    """Name and address of `Name <mail>` or of either of them; None where the address is none that pip takes."""
    both = re.fullmatch(r"([^<>]*)<(.*)>\s*", author)
    name, mail = (both[1].strip(' "'), both[2].strip()) if both else ("", author.strip())
    if both is None and "@" not in mail:
        return mail, ""
    if not re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", mail):
        return None
    try:
        Address(addr_spec=mail)  # what the generated package's build goes by
    except Exception:  # its parser of addresses raises a dozen kinds, IndexError among them
        return None
    return name, mail
