"""A table as a file holds it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class TableFile:
    """What a file of a table holds.

    Attributes:
        frame: a column a name; numbers, booleans, dates, or text; gaps as NaN.
        separator: what stands between cells; empty where the format has none.
        encoding: of its text; empty where the format has none.
        is_encoding_assumed: whether nothing in the file says that it is this one.
        padded: columns of numbers some of which have zeros in front.
        ticked: columns of one text such as `x` and of blanks, which are booleans.
    """

    frame: "pd.DataFrame"
    separator: str = ""
    encoding: str = ""
    is_encoding_assumed: bool = False
    padded: tuple[str, ...] = ()
    ticked: tuple[str, ...] = ()
