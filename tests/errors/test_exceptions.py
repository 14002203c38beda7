import signal
import sys
from pathlib import Path

import pytest

import metaopt
from metaopt.errors import MetaOptError, first_line, is_interrupt, named_line


@pytest.mark.parametrize("error", [metaopt.InputError, metaopt.PluginError, metaopt.RecipeError, metaopt.StorageError])
def test_the_user_s_mistakes_exit_with_2_and_are_value_errors(error):
    assert issubclass(error, MetaOptError)
    assert issubclass(error, ValueError)
    assert error("what to do").exit_code == 2
    assert str(error("what to do")) == "what to do"


def test_our_own_mistakes_exit_with_1():
    assert MetaOptError("sorry").exit_code == 1
    assert not issubclass(MetaOptError, ValueError)


def test_whatever_metaopt_raises_on_purpose_can_be_caught_at_once():
    for provoke in (
        lambda: metaopt.load_corpus(3),
        lambda: metaopt.create_stopper("patienc"),
        lambda: metaopt.load_recipe("nowhere"),
        lambda: metaopt.Float(2.0, 1.0),
    ):
        with pytest.raises(metaopt.MetaOptError):
            provoke()


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (AssertionError(), "AssertionError"),
        (ValueError(), "ValueError"),
        (ValueError("   \n\t\n"), "ValueError"),
        (ValueError("\n\n  what it says:\nand more"), "what it says"),
        (ValueError("ends with a stop."), "ends with a stop"),
        (KeyError("loss"), "KeyError: 'loss'"),
        (KeyError(), "KeyError"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("a\x1b[31mred\udc80"), "a [31mred"),
        (MuteError(), "MuteError"),
        (metaopt.InputError("A sentence of ours. " * 30), ("A sentence of ours. " * 30).strip().rstrip(".")),
    ],
)
def test_a_message_can_be_quoted_whatever_it_is(error, line):
    assert first_line(error) == line
    assert named_line(error).startswith(type(error).__name__)


def test_what_a_user_gave_is_cut_where_an_error_quotes_it():
    error = ValueError("x" * 1000)
    assert len(first_line(error)) == 200
    assert len(named_line(error, limit=80)) == 80


def test_no_message_repeats_a_word_of_more_than_80_characters():
    for error in (metaopt.InputError(f"There is no {'x' * 5_000}."), MetaOptError("y" * 81)):
        assert max(map(len, str(error).split())) <= 80
    assert str(metaopt.InputError(f"/somewhere/{'a/' * 100} is whole.")) == f"/somewhere/{'a/' * 100} is whole."


def raised(act):
    try:
        act()
    except BaseException as error:
        return error


@pytest.fixture
def interruptible():
    """Python's own answer to SIGINT, which processes that a shell runs in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_told_from_code_that_raises_one():
    def deliberate():
        raise KeyboardInterrupt

    assert not is_interrupt(raised(deliberate))
    assert not is_interrupt(raised(lambda: sys.exit(3)))
    assert is_interrupt(raised(lambda: signal.raise_signal(signal.SIGINT)))


def test_a_file_that_somebody_s_code_lacks_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="nowhere") as raised:
        Path("nowhere.csv").read_text()
    assert named_line(raised.value) == "FileNotFoundError: No such file or directory: 'nowhere.csv'"
    assert first_line(raised.value) == "No such file or directory"
