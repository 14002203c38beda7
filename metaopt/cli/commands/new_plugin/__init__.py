"""`metaopt new-plugin`: a package with a small algorithm that installs, passes its checks, and is then yours."""

import shlex
import warnings
from pathlib import Path
from typing import Annotated

import typer

from metaopt.cli.commands.new_plugin.names import MAX_NAME
from metaopt.plugin import KINDS, Registry


def new_plugin(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help=f"Of the plugin: lower case letters, digits, single _ or - between; {MAX_NAME} characters at most.",
        ),
    ],
    kind: Annotated[str, typer.Option(help=f"What it is: {', '.join(KINDS)}.")],
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="New or empty folder; metaopt-NAME if left out.")
    ] = None,
    author: Annotated[str, typer.Option(metavar="'NAME <MAIL>'", help="Put into its pyproject.toml.")] = "",
) -> None:
    """Write the package of a new plugin: a small algorithm to change, its test, README and CI file."""
    from metaopt.cli.commands.new_plugin.scaffold import scaffold, write

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what is broken elsewhere is not of interest here
        package = scaffold(name, kind, author, Registry.discover())
    folder = write(package, package.distribution if out is None else out)
    print(f"{folder}: the {kind} {package.name!r}")
    for path in package.files():
        print(f"  {path}")
    source = _in_shell(folder / package.source)
    print(f"Change it in {source}, then")
    print(f"  metaopt check {source}")
    print(f"  pip install -e {_in_shell(folder)}")
    print("  metaopt plugins")


def _in_shell(path: Path) -> str:
    """The path as one word of a command line that no command takes for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
