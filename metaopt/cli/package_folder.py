"""The folder of a package of plugins, such as `metaopt new-plugin` writes: which of its files have plugins."""

import re
import tomllib
from pathlib import Path

from metaopt.errors import PluginError, quoted
from metaopt.plugin import GROUP


def plugin_files_in(folder: Path) -> list[Path]:
    """The files below the modules of its entry points that define the hook `metaopt_plugins`, sorted.

    Raises:
        PluginError: its `pyproject.toml` has no entry point in metaopt's group, or no such file is there.
    """
    modules = {value.partition(":")[0].partition(".")[0].strip() for value in _entry_points(folder)}
    root = folder / "src" if (folder / "src").is_dir() else folder
    files = [
        file
        for module in sorted(modules - {""})
        for file in (root / f"{module}.py", *sorted((root / module).rglob("*.py")))
        if file.is_file() and re.search(r"^def metaopt_plugins\b", file.read_text(errors="replace"), re.MULTILINE)
    ]
    if not files:
        raise PluginError(
            f"The folder {quoted(folder)} has no file with a function metaopt_plugins; name a file that ends in .py, "
            f"or a folder whose pyproject.toml has an entry point in the group {GROUP!r} to such a module."
        )
    return files


def _entry_points(folder: Path) -> list[str]:
    """What the entry points in metaopt's group point to; nothing where there are none."""
    try:
        document = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no such file, or one that is no TOML
        return []
    table: object = document
    for key in ("project", "entry-points", GROUP):
        table = table.get(key) if isinstance(table, dict) else None
    return [value for value in table.values() if isinstance(value, str)] if isinstance(table, dict) else []
