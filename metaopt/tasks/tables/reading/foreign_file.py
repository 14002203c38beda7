"""Files that are no text, whatever their names say, known by how they begin."""

#: First bytes, what begins so, and what to do.
_BEGINNINGS = (
    (b"PK\x03\x04", "a workbook or another zip archive, and no text; save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "a workbook of an old kind, and no text; save it as CSV"),
    (b"PAR1", "a Parquet file; end its name in .parquet"),
    (b"ARROW1", "a Feather file; end its name in .feather"),
    (b"\x1f\x8b", "compressed by gzip; end its name in .gz, too"),
    (b"BZh", "compressed; unpack it"),
    (b"\xfd7zXZ", "compressed; unpack it"),
    (b"(\xb5/\xfd", "compressed; unpack it"),
    (b"7z\xbc\xaf", "compressed; unpack it"),
    (b"%PDF", "a PDF, and no text; export what it holds as text"),
    (b"SQLite format 3\0", "a database; export its table as CSV"),
)
_PAGES = (b"<!doctype html", b"<html", b"<table")


def foreign_kind(content: bytes) -> str | None:
    """What a file is that is no plain text, and what to do about it; None where it may be one.

    Example:
        >>> foreign_kind(b"PAR1...")
        'a Parquet file; end its name in .parquet'
    """
    for beginning, kind in _BEGINNINGS:
        if content.startswith(beginning):
            return kind
    start = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_PAGES):
        return "a web page; download the file that it shows, or save it as text"
    return None
