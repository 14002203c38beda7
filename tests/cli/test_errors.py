"""Whatever goes wrong, the command line says one sentence and returns the right exit code."""

import re
import warnings

import pytest

import metaopt
from metaopt import cli
from metaopt.errors import InputError, MetaOptError


@pytest.fixture
def failing(monkeypatch):
    def failing(error):
        def fail(arguments):
            raise error

        monkeypatch.setattr(cli, "app", fail)
        return cli.run(["plugins"])

    return failing


def test_the_users_mistake_is_one_sentence_and_exit_code_2(failing, capsys):
    assert failing(InputError("lr must be in [0, inf), got -1.")) == 2
    assert capsys.readouterr().err == "error: lr must be in [0, inf), got -1.\n"


def test_our_mistake_is_exit_code_1(failing, capsys):
    assert failing(MetaOptError("This should not happen.")) == 1
    assert failing(ZeroDivisionError("division by zero")) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: This should not happen.",
        "error: ZeroDivisionError: division by zero (unexpected; set METAOPT_TRACEBACK=1 to see where)",
    ]


def test_the_traceback_is_there_for_those_who_ask(failing, capsys, monkeypatch):
    monkeypatch.setenv("METAOPT_TRACEBACK", "1")
    assert failing(ZeroDivisionError("division by zero")) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_interrupt_is_exit_code_130(failing):
    assert failing(KeyboardInterrupt()) == 130


def test_an_unknown_command_or_option_is_exit_code_2(capsys):
    assert cli.run(["plugin"]) == 2
    assert "plugins" in capsys.readouterr().err
    assert cli.run(["plugins", "--yaml"]) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence", "command"),
    [
        (["shwo", "default"], r"No such command 'shwo'\.", "metaopt"),
        (["--verion"], r"No such option:? '?--verion", "metaopt"),
        (["show"], r"Missing argument 'RECIPE\|CORPUS'\.", "metaopt show"),
        (["show", "default", "--cod"], r"No such option:? '?--cod", "metaopt show"),
        (["show", "default", "again"], "Got unexpected extra argument", "metaopt show"),
        (["tune", "starter", "--out", "x", "--n-trials", "many"], "Invalid value for '--n-trials'", "metaopt tune"),
        (["check"], "Missing argument 'NAME", "metaopt check"),
    ],
)
def test_arguments_that_cannot_be_understood_are_a_sentence_and_where_the_help_is(arguments, sentence, command, capsys):
    assert cli.run(arguments) == 2
    first, second = capsys.readouterr().err.splitlines()
    # Versions of click quote differently.
    assert re.match(f"error: {sentence}", first)
    assert first.endswith((".", "?", ")."))
    assert second == f"{command} --help says what there is."


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["show", "defualt"], "default"),
        (["show", "my_recipes"], "my_recipe"),
        (["evaluate", "defualt", "starter"], "default"),
        (["tune", "startr", "--out", "out"], "starter"),
        (["tune", "./my_table", "--out", "out"], "my_tables"),
        (["tune", "my_table", "--out", "out"], "my_tables"),
        (["check", "./my_plugn"], "./my_plugin"),
        (["check", "admw"], "adamw"),
    ],
)
def test_a_mistyped_name_or_folder_gets_the_one_that_was_meant(arguments, meant, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("my_recipe", "my_tables", "my_plugin"):
        (tmp_path / folder).mkdir()
    assert cli.run(arguments) == 2
    assert f"did you mean {meant!r}?" in capsys.readouterr().err


def test_help_lists_the_commands(capsys):
    assert cli.run(["--help"]) == 0
    text = capsys.readouterr().out
    assert "plugins" in text
    assert "check" in text


def test_the_version_is_told(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"metaopt {metaopt.__version__}\n"


@pytest.mark.parametrize("command", [["tune"], ["evaluate", "default"]])
@pytest.mark.parametrize("trace", ["", "1"])
def test_a_url_given_for_a_corpus_does_not_tell_its_password(run, tmp_path, monkeypatch, command, trace):
    monkeypatch.setenv("METAOPT_TRACEBACK", trace)
    out = ["--out", tmp_path] if command == ["tune"] else []
    failed = run(*command, "postgresql://meta:s3cretpw@localhost/m1", *out)
    assert failed.code == 2
    assert "s3cretpw" not in failed.err
    assert "postgresql://meta:***@localhost" in failed.err


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 5000 + ".csv", "postgresql://meta:s3cretpw@localhost/m1"])
def test_names_that_no_file_can_have_and_urls_for_folders_are_refused(run, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    commands = [["tune", name, "--out", "here"], ["report", name], ["replay", name], ["tune", "starter", "--out", name]]
    for command in commands:
        failed = run(*command)
        assert failed.code == 2, command
        assert "Traceback" not in failed.err
        assert max(map(len, failed.err.splitlines())) < 500
        assert "s3cretpw" not in failed.err
        assert "x" * 81 not in failed.err
    assert not (tmp_path / "postgresql:").exists()


def test_a_warning_is_told_once_a_command(monkeypatch, capsys):
    def warn_again_and_again(arguments):
        for sentence in ("far", "far", "near"):
            with warnings.catch_warnings():  # after which Python has forgotten what it has shown
                warnings.filterwarnings("ignore", "nothing")
            warnings.warn(sentence, UserWarning, stacklevel=1)

    monkeypatch.setattr(cli, "app", warn_again_and_again)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for _ in range(2):
            assert cli.run(["plugins"]) == 0
            assert capsys.readouterr().err == "warning: far\nwarning: near\n"
