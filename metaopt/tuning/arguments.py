"""The arguments of a study: checked, and in plain JSON, so that its result can be made again from its ledger."""

import os
from pathlib import Path
from typing import Any

from metaopt.errors import InputError, quoted
from metaopt.plugin import CorpusSpec, Registry

#: How the registry calls the distribution of plugins that came in a file.
_FILE = "(file)"


def check_count(name: str, value: Any, least: int | None = 1) -> None:
    """Raise InputError unless the argument is a whole number, of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{name} must be a whole number, got {quoted(value)}.")
    if least is not None and value < least:
        raise InputError(f"{name} must be at least {least}, got {value}.")


def describe_corpus(corpus: Any, registry: Registry) -> str | None:
    """How to find the corpus again from anywhere, or None if it was made in Python."""
    if isinstance(corpus, os.PathLike):
        return str(Path(corpus).resolve())
    if not isinstance(corpus, str):
        return None
    is_folder = corpus not in registry.names(CorpusSpec) and Path(corpus).is_dir()
    return str(Path(corpus).resolve()) if is_folder else corpus


def plugin_files(registry: Registry) -> list[str]:
    """Files that plugins were loaded from one by one."""
    sources = [entry.source for entry in registry]
    return sorted({str(Path(one.entry_point).resolve()) for one in sources if one.distribution == _FILE})
