"""Options that several commands share, and what they turn into."""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import typer

StudyName: TypeAlias = Annotated[
    str, typer.Option(metavar="NAME", help="Name of the study; a storage may hold several.")
]
Corpus: TypeAlias = Annotated[
    str | None, typer.Option(help="What it was tuned on, where the ledger does not say: package.module:attribute.")
]
Workers: TypeAlias = Annotated[
    int | None, typer.Option(metavar="N", help="Processes that train.  [default: 1; on a cluster all it has room for]")
]
Executor: TypeAlias = Annotated[str, typer.Option(metavar="local|ray", help="Where they are: here, or on a cluster.")]
Address: TypeAlias = Annotated[
    str | None, typer.Option(metavar="auto|ray://HOST:PORT", help="Of the cluster.  [default: auto]")
]


def names(text: str | None) -> Sequence[str] | None:
    """The parts of `"a,b"`; None where nothing was given."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())
