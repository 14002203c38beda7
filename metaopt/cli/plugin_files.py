"""The option `--plugin FILE.py`, which several commands have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from metaopt.plugin import PluginSpec, current_registry

PluginFiles: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE.py", help="Load the plugins of a Python file, too. May be repeated."),
]


def load_plugin_files(paths: Sequence[Path] | None) -> list[PluginSpec]:
    """Add the plugins of these files to the process's registry.

    Raises:
        PluginError: a file cannot be imported, has no hook, or one of its specs is not valid.
    """
    return [spec for path in paths or () for spec in current_registry().load_file(path)]
