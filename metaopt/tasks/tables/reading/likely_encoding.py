"""The encoding that texts of an alphabet of their own are likely in: in it, their letters make plain words."""

import re
import unicodedata

#: What such texts are in, the usual ones first.
_ENCODINGS = ("cp1251", "koi8-r", "cp866", "cp1253", "iso8859-7")
_ALPHABETS = ("CYRILLIC", "GREEK")
#: Bytes that are looked at, and the share of letters that belong to one alphabet, or are small.
_MOST_BYTES = 20_000
_ONE_ALPHABET, _SMALL = 0.97, 0.6

#: Letters of two alphabets side by side.
_MIXED = re.compile(r"[A-Za-z][^\W\d_A-Za-z]|[^\W\d_A-Za-z][A-Za-z]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def likely_encoding(content: bytes) -> str | None:
    """The encoding by which letters beyond ASCII are of one alphabet, and most of them small; None if there is none.

    Nothing is sure about it: whoever owns the texts has to say.

    Example:
        >>> likely_encoding("Кошка сидела на ковре".encode("koi8-r"))
        'koi8-r'
    """
    shares = {name: _share_of_small(content[:_MOST_BYTES], name) for name in _ENCODINGS}
    best = max(_ENCODINGS, key=lambda name: shares[name])
    return best if shares[best] >= _SMALL else None


def _share_of_small(content: bytes, name: str) -> float:
    """Of the letters beyond ASCII, which must be of one alphabet; 0 where they are not."""
    text = content.decode(name, errors="replace")
    letters: list[str] = [sign for sign in _BEYOND_ASCII.findall(text) if sign not in "«»–—…№’"]
    if not letters or len(_MIXED.findall(text)) > (1 - _ONE_ALPHABET) * len(letters):
        return 0.0
    names = [unicodedata.name(letter, "") for letter in letters]
    known = max(sum(each.startswith(alphabet) for each in names) for alphabet in _ALPHABETS)
    if known < _ONE_ALPHABET * len(letters):
        return 0.0
    return sum(letter.islower() for letter in letters) / len(letters)
