"""The `metaopt` command: a thin shell over the public names, one file a command."""

import contextlib
import io
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from metaopt.cli.commands import (
    check,
    evaluate,
    import_weights,
    lr_find,
    new_plugin,
    plugins,
    predict,
    replay,
    report,
    show,
    tune,
)
from metaopt.cli.termination import TERMINATED, terminable
from metaopt.errors import MetaOptError, TerminatedError, named_line, without_long_words

__all__ = ["main"]

#: Set to 1 to see where an unexpected error comes from.
TRACEBACK = "METAOPT_TRACEBACK"

INTERRUPTED = 130

#: Of a URL that was given for something else than a storage, which `metaopt.tuning.ledger.storage_url` shows.
_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s@]+(?=@)")


def _print_version(wanted: bool) -> None:
    if wanted:
        import metaopt

        print(f"metaopt {metaopt.__version__}")
        raise typer.Exit


class _Commands(typer.Typer):
    """Commands that are called `metaopt` however they were started, `python -m metaopt` too."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return super().__call__(*args, **{"prog_name": "metaopt", **options})


#: What typer raises where arguments cannot be understood, and where there are none.
_UsageError: type[Any] = typer.BadParameter.__mro__[1]
_NO_ARGUMENTS = "NoArgsIsHelpError"


class _Group(TyperGroup):
    """Errors come out as they are: an EOFError would be told as "Aborted!", a wrong argument on five lines."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _short_usage_errors():
            return super().make_context(*args, **options)

    def invoke(self, context: Any) -> Any:
        try:
            with _short_usage_errors():
                return super().invoke(context)
        except EOFError as error:
            raise RuntimeError(named_line(error)) from error


@contextlib.contextmanager
def _short_usage_errors() -> Iterator[None]:
    """Arguments that cannot be understood are told in a sentence and a line that says where the help is."""
    try:
        yield
    except _UsageError as error:
        if type(error).__name__ == _NO_ARGUMENTS:  # its message is the whole help, which people asked for
            raise
        sentence = without_long_words(" ".join(error.format_message().split()))
        sentence = sentence if sentence.endswith(("?", ".")) else f"{sentence}."
        command = "metaopt" if error.ctx is None else error.ctx.command_path
        print(f"error: {sentence}\n{command} --help says what there is.", file=sys.stderr)
        raise typer.Exit(error.exit_code) from error


# Each module's function of the same name is the command; what is heavy is imported inside it.
app = _Commands(
    cls=_Group,
    name="metaopt",
    help="Tune optimizer, learning-rate controller and early stopping once per family of tasks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Tune optimizer, learning-rate controller and early stopping once per family of tasks."""


app.command("tune")(tune.tune)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("show")(show.show)
app.command("lr-find")(lr_find.lr_find)
app.command("replay")(replay.replay)
app.command("report")(report.report)
app.command("plugins")(plugins.plugins)
app.command("check")(check.check)
app.command("new-plugin")(new_plugin.new_plugin)
app.command("import")(import_weights.import_weights)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0, 1 for our mistakes, 2 for the user's, 130 when interrupted, 143 by SIGTERM."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # half a character in somebody's name is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one sentence on stderr."""
    with warnings.catch_warnings(), terminable():
        warnings.showwarning = _once(_warn)
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        app(None if arguments is None else list(arguments))
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except TerminatedError:
        print("terminated", file=sys.stderr)
        return TERMINATED
    except MetaOptError as error:
        return _fail(f"error: {error}", error.exit_code)
    except Exception as error:  # ours, or a plugin's: people get a sentence, and the traceback if they ask
        return _fail(f"error: {named_line(error)} (unexpected; set {TRACEBACK}=1 to see where)", 1)
    return 0


def _warn(message: str) -> None:
    # People who type commands have no use for the line of ours that warned.
    print(f"warning: {message}", file=sys.stderr)


def _once(warn: Callable[[str], None]) -> Callable[..., None]:
    """What shows each sentence once a command: Python forgets what it has shown wherever filters change."""
    shown: set[str] = set()

    def show(message: Warning | str, *context: Any) -> None:
        sentence = str(message)
        if sentence not in shown:
            shown.add(sentence)
            warn(sentence)

    return show


def _fail(message: str, code: int) -> int:
    if os.environ.get(TRACEBACK, "") not in ("", "0"):
        message = f"{traceback.format_exc()}{message}"
    print(_PASSWORD.sub(r"\1***", message), file=sys.stderr)
    return code
