"""Where a plugin came from, and which sources are the same."""

from dataclasses import dataclass
from pathlib import Path

from metaopt.plugin.file import is_file_of

#: What stands for the distribution of a plugin that a file defines.
FILE = "(file)"
#: What stands for the distribution of a plugin that was registered by hand.
SESSION = "(session)"


@dataclass(frozen=True, slots=True)
class PluginSource:
    """Where a plugin came from.

    Attributes:
        distribution: the installed distribution, `"(file)"` for `--plugin`, `"(session)"` for `metaopt.register`.
        version: the distribution's version, or empty.
        entry_point: the entry point's name and value, the file's path, or empty.
    """

    distribution: str
    version: str = ""
    entry_point: str = ""

    @property
    def is_file(self) -> bool:
        """Whether it is a plugin file, whose path `entry_point` is."""
        return self.distribution == FILE

    def __str__(self) -> str:
        detail = f" ({self.entry_point})" if self.entry_point else ""
        return f"{self.distribution} {self.version}".strip() + detail

    def replaces(self, other: "PluginSource") -> bool:
        """Whether both are the same source: a file is also that of an installed plugin which was imported from it."""
        if self == other or not self.is_file:
            return self == other
        path = Path(self.entry_point)
        if other.is_file:
            return path.resolve() == Path(other.entry_point).resolve()
        module = other.entry_point.partition(" = ")[2].partition(":")[0].strip()
        return bool(module) and is_file_of(path, module)
