"""The text in bytes."""

import pytest

from metaopt.tasks.tables.reading.encoding import decoded

TEXT = "größe;preis €\n5;7\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_what_people_save_is_read(encoding):
    source = decoded(TEXT.encode(encoding))
    assert source.text == TEXT
    assert source.encoding == encoding.removesuffix("-sig")
    assert source.is_assumed == (encoding == "cp1252")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_needs_no_mark(encoding):
    assert decoded("a,b\n1,2\n".encode(encoding)).text == "a,b\n1,2\n"


@pytest.mark.parametrize(
    ("text", "encoding"), [("Москва,1\n", "cp1251"), ("Łódź,1\nWrocław,2\n", "cp1250"), ("Köln\n", "cp437")]
)
def test_other_alphabets_are_asked_for(text, encoding):
    with pytest.raises(ValueError, match="say which in corpus"):
        decoded(text.encode(encoding))
    assert decoded(text.encode(encoding), encoding).text == text


def test_two_encodings_in_one_file_are_refused():
    with pytest.raises(ValueError, match="although parts of it are"):
        decoded("Köln\n".encode() + "Köln\n".encode("cp1252"))


def test_an_encoding_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="it is not utf-8 text"):
        decoded(b"\xff\xff", "utf-8")
    with pytest.raises(ValueError, match="the unknown encoding 'latin-99'"):
        decoded(b"a", "latin-99")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_is_believed_whatever_is_said_of_the_files_beside(encoding):
    read = decoded("größe, кошка".encode(encoding), "cp1251")
    assert (read.text, read.is_assumed) == ("größe, кошка", False)
    assert decoded("кошка".encode("cp1251"), "cp1251").text == "кошка"
