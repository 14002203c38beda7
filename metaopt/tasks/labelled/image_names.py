"""Image files that the cells of a table name."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaopt.tasks.labelled.layout import SUFFIXES, files_below

if TYPE_CHECKING:
    import pandas as pd

#: A cell that names an image file, and the share of a column's cells from which it is one of names.
_NAME = re.compile(rf"[^\r\n]+(?:{'|'.join(map(re.escape, sorted(SUFFIXES['images'])))})\s*", re.IGNORECASE)
_MOST = 0.9


def names_images(column: "pd.Series[Any]") -> bool:
    """Whether the cells of a column, gaps left out, are names of image files."""
    filled = column.dropna()
    if column.dtype.kind != "O" or filled.empty:
        return False
    return bool(filled.astype(str).str.fullmatch(_NAME).mean() >= _MOST)


def located(cells: Iterable[Any], folder: Path) -> list[Path | None]:
    """The file of each cell, None where there is none.

    A path from `folder` on, else the only image in the folder, or in its folders, of that name, with its suffix or
    without.

    Args:
        cells: of a column; gaps are NaN or None.
        folder: that the table lies in.
    """
    images = [path for path in files_below(folder) if path.suffix.lower() in SUFFIXES["images"]]
    paths = {path.relative_to(folder).as_posix(): path for path in images}
    names, stems = _only((path.name, path) for path in images), _only((path.stem, path) for path in images)
    found = []
    for cell in cells:
        name = "" if cell is None or cell != cell else str(cell).strip().replace("\\", "/").removeprefix("./")
        last = name.rpartition("/")[2]
        found.append(paths.get(name) or names.get(last) or stems.get(last))
    return found


def _only(pairs: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Paths by name, of which there is one."""
    several: dict[str, list[Path]] = {}
    for name, path in pairs:
        several.setdefault(name, []).append(path)
    return {name: paths[0] for name, paths in several.items() if len(paths) == 1}
