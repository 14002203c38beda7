"""The live line of a terminal."""

from metaopt.cli.live_watch import LiveWatch
from metaopt.tuning import Progress


def at(done, best=None, left=None):
    return Progress(done, 100, "fold1of2: digits", best, left)


def test_the_live_line_says_what_runs(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with LiveWatch() as watch:
        watch.say("[a line] that stays")
        watch.show(at(42, best=0.5, left=30.0))
    shown = capsys.readouterr().err
    assert "[a line] that stays" in shown
    assert "fold1of2: digits · best objective 0.500 · about 30 s left" in shown
    assert "42%" in shown


def test_what_is_not_known_is_left_out_and_a_run_without_an_end_shows_no_share(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with LiveWatch() as watch:
        watch.show(Progress(3, 0, "references", None, None))
    shown = capsys.readouterr().err
    assert "references" in shown
    assert "·" not in shown
    assert "left" not in shown


def test_the_bar_goes_when_it_ends_and_lines_stay(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with LiveWatch() as watch:
        watch.show(at(10))
        watch.say("[red] is no markup")
    shown = capsys.readouterr().err
    assert "[red] is no markup\n" in shown
    assert "\x1b[2K" in shown.rpartition("10%")[2], "the line of the bar is erased"
