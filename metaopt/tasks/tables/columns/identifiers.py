"""Columns that number the rows or name what they are about: nothing can be learned from them."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"(^|[\W_])(id|idx|index|row|key|unnamed)($|[\W_\d])", re.IGNORECASE)
_CAMEL_CASE = re.compile(r"[a-z0-9](Id|ID)$")


def has_name_of_identifiers(name: Any) -> bool:
    """Whether a column is called as identifiers are: `id`, `user_id`, `PassengerId`, `Unnamed: 0`."""
    return bool(_NAME.search(str(name)) or _CAMEL_CASE.search(str(name)))


def are_identifiers(numbers: "pd.Series[Any]", written: "pd.Series[Any] | None" = None) -> bool:
    """Whether a column of numbers holds identifiers: whole, all different, under such a name.

    Args:
        numbers: the column.
        written: the same as the file has it; long whole numbers that differ may be the same float64.
    """
    is_unique = numbers.is_unique if written is None else written.is_unique
    return has_name_of_identifiers(numbers.name) and is_unique and bool((numbers % 1 == 0).all())
