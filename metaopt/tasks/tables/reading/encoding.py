"""The text in the bytes of a file: UTF-8, UTF-16, UTF-32, or Windows' Western letters, and no guess beyond these."""

import codecs
import re
from dataclasses import dataclass

from metaopt.errors import quoted
from metaopt.tasks.tables.reading.foreign_file import foreign_kind
from metaopt.tasks.tables.reading.likely_encoding import likely_encoding

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like the next
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŠšŽžŸ"
#: No Western word has three accented letters side by side; other alphabets read as Western ones have little else.
_RUN = re.compile(rf"[{_LETTERS}]{{3}}")
#: Signs inside words, such as the `ł` of Windows' Polish letters read as Western ones.
_SIGN_IN_WORD = re.compile(rf"[A-Za-z{_LETTERS}][^\x00-\x7f{_LETTERS}’·–ªº\u00a0][A-Za-z{_LETTERS}]")
_UTF8_LETTER = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}")


class UnknownEncodingError(ValueError):
    """Text whose encoding its owner has to say.

    Attributes:
        guess: which it is likely to be; None where none is.
    """

    def __init__(self, fault: str, guess: str | None = None) -> None:
        advice = f'say which in corpus.toml, such as encoding = "{guess or "cp1251"}", or save it as UTF-8'
        super().__init__(f"{fault}; {advice}")
        self.guess = guess

    @property
    def settings(self) -> dict[str, str]:
        """What `corpus.toml` would say by the guess."""
        return {} if self.guess is None else {"encoding": self.guess}


@dataclass(frozen=True)
class Decoded:
    """The text of a file.

    Attributes:
        text: without a byte order mark.
        encoding: its name.
        is_assumed: whether nothing in the file says so.
    """

    text: str
    encoding: str
    is_assumed: bool = False


def decoded(content: bytes, told: str | None = None) -> Decoded:
    """The text in a file's bytes.

    A byte order mark says what the bytes are, whatever is told of the files beside; without one they are UTF-8 where
    they can be, UTF-16 where every second byte is null, and otherwise cp1252, if what comes out looks like Western
    words.

    Args:
        content: of the file.
        told: the encoding, where somebody says so.

    Raises:
        ValueError: the bytes are no text; begins with "it is".
        UnknownEncodingError: they are not of that encoding, or of none that is known for sure; begins likewise.
    """
    foreign = foreign_kind(content)
    if foreign is not None:
        raise ValueError(f"it is {foreign}")
    for mark, name in _MARKS:
        if content.startswith(mark):
            return Decoded(_strict(content, name), name.removesuffix("-sig"))
    if told is not None:
        return Decoded(_strict(content, told), told)
    if b"\0" in content[:4096]:
        wide = _utf16(content[:4096]) or "utf-8"
        return Decoded(_strict(content, wide), wide)
    try:
        return Decoded(content.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        return _western(content, error)


def _strict(content: bytes, name: str) -> str:
    try:
        return content.decode(name)
    except UnicodeDecodeError as error:
        raise UnknownEncodingError(f"it is not {name} text ({error.reason} at byte {error.start})") from error
    except LookupError as error:
        raise ValueError(
            f"it is to be read by the unknown encoding {quoted(name)}; utf-8 and cp1252 are known"
        ) from error


def _utf16(content: bytes) -> str | None:
    """UTF-16 without a mark: every second byte of Latin letters and digits is null."""
    odd, even = content[1::2], content[::2]
    if odd.count(0) > 0.7 * len(odd) and even.count(0) == 0:
        return "utf-16-le"
    if even.count(0) > 0.7 * len(even) and odd.count(0) == 0:
        return "utf-16-be"
    return None


def _western(content: bytes, error: UnicodeDecodeError) -> Decoded:
    what = f"it is not UTF-8 text ({error.reason} at byte {error.start})"
    if _UTF8_LETTER.search(content):
        raise ValueError(f"{what}, although parts of it are: it is damaged, or two files in one; save it as UTF-8")
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise UnknownEncodingError(f"{what} and not cp1252 either", likely_encoding(content)) from error
    if _SIGN_IN_WORD.search(text) or _RUN.search(text):
        fault = f"{what}, and no Western letters of Windows (cp1252) either"
        raise UnknownEncodingError(fault, likely_encoding(content))
    return Decoded(text, "cp1252", is_assumed=True)
