"""`metaopt new-plugin`: a package with a small algorithm that installs, passes its checks, and is then yours."""

import warnings
from typing import Annotated

import typer

from metaopt.plugin import KINDS, Registry


def new_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the plugin: lower case letters, digits and _.")],
    kind: Annotated[str, typer.Option(help=f"What it is: {', '.join(KINDS)}.")],
    out: Annotated[str | None, typer.Option(metavar="DIR", help="The new folder; metaopt-NAME if left out.")] = None,
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
    print(f"Change it in {folder / package.source}, then")
    print(f"  metaopt check {folder / package.source}")
    print(f"  pip install -e {folder}")
    print("  metaopt plugins")
