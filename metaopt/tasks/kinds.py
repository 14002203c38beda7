"""What a folder that somebody names as a corpus holds."""

from pathlib import Path
from typing import Literal, TypeAlias

from metaopt.files import is_folder
from metaopt.tasks.images.corpus import is_episode_folder
from metaopt.tasks.labelled.layout import kind_of
from metaopt.tasks.tables.csv_folder import holds_tables

FolderKind: TypeAlias = Literal["tables", "images", "texts", "episodes"]


def folder_kind(folder: Path) -> FolderKind:
    """Episodes where `corpus.toml` or the layout says so, tables where there is one, else images or texts by class.

    A folder without any of them counts as one of tables, whose reader says what is missing.

    Raises:
        InputError: its `corpus.toml` cannot be read.
    """
    if not is_folder(folder):
        return "tables"
    if is_episode_folder(folder):
        return "episodes"
    return "tables" if holds_tables(folder) else kind_of(folder) or "tables"
