"""Moments as inputs: what repeats by the year, the week and the day, and how much time has gone by."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.tasks.tables.columns.clock_times import Times
from metaopt.tasks.tables.columns.dates import Moments

if TYPE_CHECKING:
    import pandas as pd

_DAY = 86_400.0


def date_parts(moments: Moments, *, elapsed: bool = True) -> dict[str, NDArray[np.float64]]:
    """The inputs that dates become, NaN where there is none.

    Year, month, day of the week (Monday is 0), sine and cosine of the day of the year, days since 1970 (scaling makes
    them days since the training rows' mean); where any has a time of day also the hour with sine and cosine.

    Args:
        moments: of the rows.
        elapsed: whether years and days gone by count: later rows would have values that no training row has.
    """
    import pandas as pd

    index = pd.DatetimeIndex(moments.values)
    known = ~np.isnat(moments.values)
    days = moments.values.astype("datetime64[s]").astype(np.int64) / _DAY
    angle = 2 * np.pi * (index.day_of_year.to_numpy(np.float64) - 1) / 365.25
    parts = {
        "year": index.year.to_numpy(np.float64),
        "month": index.month.to_numpy(np.float64),
        "day of week": index.day_of_week.to_numpy(np.float64),
        "sin of year": np.sin(angle),
        "cos of year": np.cos(angle),
        "days": days,
    }
    if not elapsed:
        del parts["year"], parts["days"]
    if moments.has_clock:
        seconds = index.hour * 3600 + index.minute * 60 + index.second
        parts.update(_of_day(seconds.to_numpy(np.float64) / 3600))
    return {name: np.where(known, values, np.nan) for name, values in parts.items()}


def time_parts(times: Times) -> dict[str, NDArray[np.float64]]:
    """The inputs that times become: hours, and sine and cosine of the day where they may be times of day."""
    return _of_day(times.hours) if times.are_of_day else {"hours": times.hours}


def _of_day(hours: Any) -> dict[str, NDArray[np.float64]]:
    angle = 2 * np.pi * hours / 24
    return {"hour": hours, "sin of day": np.sin(angle), "cos of day": np.cos(angle)}


def named_parts(column: "pd.Series[Any]", parts: "dict[str, NDArray[np.float64]]") -> "dict[str, pd.Series[Any]]":
    """The parts as columns: `signup: year` and so on."""
    import pandas as pd

    return {f"{column.name}: {name}": pd.Series(values, index=column.index) for name, values in parts.items()}
