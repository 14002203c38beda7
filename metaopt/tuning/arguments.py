"""The arguments of a study: checked, and in plain JSON, so that its result can be made again from its ledger."""

from pathlib import Path
from typing import Any

from metaopt.errors import InputError, quoted
from metaopt.plugin import Registry

#: How the registry calls the distribution of plugins that came in a file.
_FILE = "(file)"


def check_count(name: str, value: Any, least: int | None = 1) -> None:
    """Raise InputError unless the argument is a whole number, of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{name} must be a whole number, got {quoted(value)}.")
    if least is not None and value < least:
        raise InputError(f"{name} must be at least {least}, got {value}.")


def plugin_files(registry: Registry) -> list[str]:
    """Files that plugins were loaded from one by one."""
    sources = [entry.source for entry in registry]
    return sorted({str(Path(one.entry_point).resolve()) for one in sources if one.distribution == _FILE})
