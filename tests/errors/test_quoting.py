"""Messages repeat what somebody gave, and never more of it than a line holds."""

from pathlib import Path

import pytest

from metaopt.errors import bracketed, did_you_mean, listed, one_line, quoted, without_long_words


class Unprintable:
    def __repr__(self):
        raise ValueError


ITSELF = []
ITSELF.append(ITSELF)
DEEP = []
for _ in range(5_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        (3, "3"),
        (ITSELF, "[[...]]"),
        (DEEP, "<list>"),
        (Unprintable(), "<Unprintable>"),
        (10**5_000, "<int>"),
        ("\ud800", r"'\ud800'"),
        ("a\nb", r"'a\nb'"),
        (Path("x/y"), "'x/y'"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_somebody_gave_can_be_quoted(value, text):
    assert quoted(value) == text


@pytest.mark.parametrize("value", ["x" * 5_000, "x y " * 2_000, 10**400, [0] * 1_000, {"a" * 5_000: 1}, b"x" * 100])
def test_quotes_have_80_characters_at_most(value):
    assert 70 < len(quoted(value)) <= 80
    assert "…" in quoted(value)


def test_a_path_is_quoted_whole_unless_it_has_no_end():
    path = Path("/tmp", *(f"a folder called {number}" for number in range(10)), "runs.csv.gz")
    assert quoted(path) == repr(str(path))
    long = quoted(Path("/tmp", *["a"] * 5_000, "x" * 5_000, "runs.csv.gz"))
    assert len(long) <= 240
    assert long.endswith("runs.csv.gz'")


def test_of_many_things_a_list_shows_the_first_and_counts_the_rest():
    assert listed(["a", 3, None]) == "a, 3, None"
    assert listed(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
    assert listed("abc", most=3) == "a, b, c"
    assert listed(iter([])) == ""


def test_brackets_are_pythons_as_far_as_they_go():
    assert bracketed(["a", 3]) == "['a', 3]"
    assert bracketed([]) == "[]"
    assert bracketed("abcd", most=2) == "['a', 'b', …] (4 in all)"


def test_the_closest_name_is_asked_after_and_none_where_none_is_close():
    known = ["decay", "warmup"]
    assert did_you_mean("decy", known, " ({})") == " (did you mean 'decay'?)"
    assert did_you_mean("momentum", known, " ({})") == ""


def test_long_words_are_cut_in_the_middle_and_folders_are_words_each():
    long = "a" * 50 + "b" * 50
    assert without_long_words(f"no {long} here") == f"no {'a' * 50}{'b' * 10}…{'b' * 19} here"
    assert without_long_words("x" * 80) == "x" * 80
    path = "/".join(["folder"] * 40)
    assert without_long_words(path) == path


def test_things_print_as_one_line():
    assert one_line(Path("a"), parts=3, name="long" * 50) == f"PosixPath(parts=3, name={quoted('long' * 50)})"
