"""Texts in other alphabets: which encoding their letters make words in."""

import pytest

from metaopt.tasks.tables.reading.likely_encoding import likely_encoding

RUSSIAN = "Кошка сидела на ковре и смотрела в окно; цена — 5 рублей."
GREEK = "Η γάτα κάθισε στο χαλί και κοίταξε έξω."


@pytest.mark.parametrize("name", ["cp1251", "koi8-r", "cp866"])
def test_cyrillic_is_told_apart(name):
    assert likely_encoding(RUSSIAN.encode(name, errors="replace")) == name


def test_greek_is_known():
    assert likely_encoding(GREEK.encode("cp1253")) in ("cp1253", "iso8859-7")


@pytest.mark.parametrize("content", [b"", b"plain words", "Käse für Jörg".encode("cp1252"), bytes(range(128, 256))])
def test_what_is_neither_is_not_guessed(content):
    assert likely_encoding(content) is None
