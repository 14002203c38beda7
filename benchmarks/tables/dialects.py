"""Tables in the dialects of people and programs, with what each column means."""

import csv
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

#: How a column is read: what `metaopt show` has to say of it.
NUMBER, DATE, LABELS, DROPPED = "number", "date", "labels", "dropped"

#: Different amounts from which texts such as `12 kg` are numbers.
LEAST_AMOUNTS = 6

_GAPS = ("", "", "NA", "N/A", "?", "NULL", "-", "n/a")
_THOUSANDS = {".": (",", "", "'", " ", "\u00a0", "_"), ",": (".", "", "'", " ", "\u00a0")}
_CITIES = ("Köln", "Zürich", "Paris", "New York", "Orléans", "São Paulo")
_WORDS = ("late", "parcel", "good", "never", "again", "box", "broken", "quick", "friendly", "blue")
# fmt: off
_GERMAN = ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
           "Dezember")
_ENGLISH = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December")
# fmt: on


@dataclass
class Column:
    """A column as it is written, and what it means.

    Attributes:
        name: its header.
        kind: of the four above.
        cells: texts.
        values: numbers, moments or labels; None for gaps.
        dialect: how it is written, for the counts.
    """

    name: str
    kind: str
    cells: list[str]
    values: list[Any]
    dialect: str


@dataclass
class Table:
    """A table as it is written, and what it means.

    Attributes:
        columns: the target last.
        content: bytes of the file.
        separator: between cells.
        encoding: of the text.
        settings: what only its owner can know, for `corpus.toml`.
    """

    columns: list[Column]
    content: bytes
    separator: str
    encoding: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Dialect:
    """What one program writes: its decimal mark, its thousands, its dates."""

    decimal: str
    thousands: str
    day_first: bool


def make_table(rng: random.Random) -> Table:
    """A table of 30 to 200 rows and 3 to 8 feature columns."""
    size = rng.randrange(30, 200)
    decimal = rng.choice(".,")
    dialect = Dialect(decimal, rng.choice(_THOUSANDS[decimal]), rng.random() < 0.6)
    makers: Sequence[Callable[[random.Random, int, Dialect, str], Column]] = rng.choices(_MAKERS, k=rng.randrange(2, 8))
    columns = [make(rng, size, dialect, f"c{place}") for place, make in enumerate((_labels, *makers))]
    columns.append(_target(rng, size, dialect))
    separator = rng.choice(",;\t|") if decimal == "." else rng.choice(";;;\t|,")
    return _written(rng, columns, separator)


def _number(rng: random.Random, size: int, dialect: Dialect, name: str) -> Column:
    digits, scale = rng.choice([0, 0, 1, 2, 2, 3, 4]), 10.0 ** rng.randrange(0, 6)
    before, after = rng.choice([("", "")] * 6 + [("", " %"), ("", "%"), ("€ ", ""), ("$", ""), ("", " €"), ("", " EUR"),
                                                 ("CHF ", ""), ("£", ""), ("", " kg")])  # fmt: skip
    negative = rng.choice(["-{}", "-{}", "-{}", "({})", "{}-", "\u2212{}"])
    is_padded = rng.random() < 0.5
    values: list[Any] = [round(rng.gauss(1, 1) * scale, digits) for _ in range(size)]
    if rng.random() < 0.5:
        values = [abs(value) for value in values]
    cells = []
    for value in values:
        text = f"{abs(value):,.{digits}f}"
        if not is_padded and "." in text:
            text = text.rstrip("0").rstrip(".")
        text = text.replace(",", "T").replace(".", dialect.decimal).replace("T", dialect.thousands)
        body = f"{before}{text}{after}"
        cells.append(negative.format(body) if value < 0 else body)
    values = [value + 0.0 for value in values]
    marked = " with thousands" if dialect.thousands and scale > 999 else ""
    label = f"number{marked}{' with unit' if before + after else ''}"
    if after == " kg" and len(set(cells)) < LEAST_AMOUNTS:  # sizes, as "10 kg" and "20 kg" are
        return Column(name, LABELS, cells, list(cells), "labels")
    return _gappy(rng, Column(name, NUMBER, cells, values, label))


def _date(rng: random.Random, size: int, dialect: Dialect, name: str) -> Column:
    form = rng.choice(["iso", "iso", "dots", "slashes", "slashes", "dashes", "short", "named", "german", "compact",
                       "iso time", "slash time", "zone"])  # fmt: skip
    start = datetime(rng.choice([1975, 1998, 2005, 2019]), 1, 1)
    span = rng.choice([20, 400, 4000])
    values = [start + timedelta(days=rng.randrange(span), minutes=rng.randrange(1440)) for _ in range(size)]
    cells = [_date_text(moment, form, dialect.day_first) for moment in values]
    has_clock = form in ("iso time", "slash time", "zone")
    moments: list[Any] = [moment if has_clock else moment.replace(hour=0, minute=0) for moment in values]
    return _gappy(rng, Column(name, DATE, cells, moments, f"date, {form}"))


def _date_text(moment: datetime, form: str, day_first: bool) -> str:
    order = "%d{0}%m{0}%Y" if day_first else "%m{0}%d{0}%Y"
    forms = {
        "iso": "%Y-%m-%d",
        "dots": "%d.%m.%Y",
        "slashes": order.format("/"),
        "dashes": order.format("-"),
        "short": "%d.%m.%y",
        "compact": "%Y%m%d",
        "iso time": "%Y-%m-%dT%H:%M",
        "slash time": f"{order.format('/')} %H:%M",
        "zone": "%Y-%m-%d %H:%M+0000",
    }
    if form == "named":
        return f"{_ENGLISH[moment.month - 1][: 3 if moment.day % 2 else 20]} {moment.day}, {moment.year}"
    if form == "german":
        return f"{moment.day}. {_GERMAN[moment.month - 1]} {moment.year}"
    return moment.strftime(forms[form])


def _labels(rng: random.Random, size: int, dialect: Dialect, name: str) -> Column:
    pool = rng.choice([_CITIES, ("yes", "no"), ("ja", "nein"), ("red", "green", "blue"), ("A1", "B2", "C3"),
                       ("0-10", "10-20", "20+"), ("2010-11", "2011-12")])  # fmt: skip
    values: list[Any] = [rng.choice(pool) for _ in range(size)]
    column = Column(name, LABELS, list(values), values, "labels")
    return _gappy(rng, column, ("", "NA", "?")) if rng.random() < 0.3 else column


def _ticks(rng: random.Random, size: int, dialect: Dialect, name: str) -> Column:
    values: list[Any] = [float(rng.random() < 0.5) for _ in range(size)]
    return Column(name, NUMBER, ["x" if value else "" for value in values], values, "x and blank")


def _truths(rng: random.Random, size: int, dialect: Dialect, name: str) -> Column:
    yes, no = rng.choice([("True", "False"), ("TRUE", "FALSE"), ("true", "false")])
    values: list[Any] = [float(rng.random() < 0.5) for _ in range(size)]
    return Column(name, NUMBER, [yes if value else no for value in values], values, "true and false")


def _identifier(rng: random.Random, size: int, dialect: Dialect, name: str) -> Column:
    codes = [f"C{row:06}" for row in range(size)]
    if rng.random() < 0.5:
        codes, name = [str(row + 1) for row in range(size)], rng.choice(["id", "user_id", "PassengerId"]) + name
        name = f"{name[:-2]}_{name[-2:]}" if name.startswith("PassengerId") else name
        name = f"{name[-2:]}_id"
    return Column(name, DROPPED, codes, list(codes), "identifier")


def _free_text(rng: random.Random, size: int, dialect: Dialect, name: str) -> Column:
    texts = [" ".join(rng.choices(_WORDS, k=rng.randrange(8, 15))) for _ in range(size)]
    return Column(name, DROPPED, texts, list(texts), "free text")


def _target(rng: random.Random, size: int, dialect: Dialect) -> Column:
    if rng.random() < 0.5:
        values: list[Any] = [("no", "yes")[row % 2] for row in range(size)]
        return Column("target", LABELS, list(values), values, "target of classes")
    numbers = [round(rng.gauss(5, 3) + 0.001, 2) for _ in range(size)]
    cells = [f"{number:.2f}".replace(".", dialect.decimal) for number in numbers]
    return Column("target", NUMBER, cells, list(numbers), "target of numbers")


_MAKERS = (_number, _number, _number, _date, _date, _labels, _labels, _ticks, _truths, _identifier, _free_text)


def _gappy(rng: random.Random, column: Column, marks: Sequence[str] = _GAPS) -> Column:
    share, mark = rng.choice([0, 0, 0.1]), rng.choice(marks)
    for row in range(len(column.cells)):
        if rng.random() < share:
            column.cells[row], column.values[row] = mark, None
    return column


def _written(rng: random.Random, columns: list[Column], separator: str) -> Table:
    rows = [[column.name for column in columns], *map(list, zip(*(column.cells for column in columns), strict=True))]
    settings: dict[str, Any] = {}
    if rng.random() < 0.1:
        rows = [[*row, ""] for row in rows]
    if rng.random() < 0.1:
        rows += [[""] * len(rows[0])] * 2
    text = io.StringIO()
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=rng.choice(["\n", "\r\n"])).writerows(rows)
    whole = text.getvalue()
    if rng.random() < 0.1:
        whole = f"Report of the shop\nmade by hand\n{whole}"
    if rng.random() < 0.1 and separator != ",":
        whole = f"sep={separator}\n{whole}"
    encoding = rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"])
    try:
        return Table(columns, whole.encode(encoding), separator, encoding, settings)
    except UnicodeEncodeError:
        return Table(columns, whole.encode(), separator, "utf-8", settings)
