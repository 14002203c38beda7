"""All optimizer classes of pytorch-optimizer as optimizers without a rule: which of them can be used, and why not.

    python -m benchmarks.house.pytorch_optimizer_classes [--classes SOAP,Adan] [--json] [--write]

For each: whether `metaopt.optimizer_spec` and `build_optimizer` make it, whether steps move what is trained and
nothing else, whether it resumes bit for bit from its `state_dict`, also from a file read with `weights_only=True`, and
whether it lowers a loss at its default rate, ten times it or a tenth of it: the checks of `metaopt check`. `--write`
writes the table of names that `metaopt plugins` shows.
"""

import argparse
import importlib.metadata
import json
import textwrap
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import torch

from metaopt import PluginError
from metaopt.testing import checks_for

#: Checks by the word of the table's column; a class can be used where the first four hold.
CHECKS = {
    "made": "is_made_at_its_values",
    "steps": "moves_what_is_trained",
    "resumes": "resumes_bit_for_bit",
    "lowers": "lowers_a_loss",
    "from file": "has_a_plain_state",
    "groups": "has_param_groups",
}
NEEDED = ("made", "steps", "resumes", "lowers")
#: Share of the classes that have to be usable.
REACH = 0.9
TABLE = Path(__file__).parents[2] / "plugins" / "metaopt_pytorch_optimizer" / "classes.py"


@dataclass
class Row:
    name: str
    holds: dict[str, bool] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0

    @property
    def usable(self) -> bool:
        return all(self.holds.get(column, False) for column in NEEDED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", default="", help="names of classes, with commas (default all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--write", action="store_true", help="write the table of the plugin package and end")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.write:
        TABLE.write_text(table_of(listed()))
        return
    version = importlib.metadata.version("pytorch-optimizer")
    names = options.classes.split(",") if options.classes else listed()
    print(f"pytorch-optimizer {version}, torch {torch.__version__}: {len(names)} classes\n")
    print(f"{'class':20}" + "".join(f"{column:>10}" for column in CHECKS) + "   why not")
    rows = [row_of(name, version) for name in names]
    counts = {column: sum(row.holds.get(column, False) for row in rows) for column in CHECKS}
    usable = sum(row.usable for row in rows)
    print(f"\n{'all':20}" + "".join(f"{count:10}" for count in counts.values()))
    print(
        f"usable (made, steps, resumes bit for bit, lowers the loss): {usable} of {len(rows)}, {usable / len(rows):.1%}"
    )
    print(f"reach: {REACH:.0%}; {sum(row.seconds for row in rows):.0f} s")
    for row in rows:
        if not row.usable:
            print(textwrap.fill(f"{row.name}: {row.reason}", 120, subsequent_indent="    "))
    if options.json:
        print(json.dumps({"version": version, "usable": usable, "classes": len(rows), "counts": counts}))


def listed() -> list[str]:
    """The classes that the library lists, by name."""
    from pytorch_optimizer.optimizer import OPTIMIZERS

    return sorted((cls.__name__ for cls in OPTIMIZERS.values()), key=str.lower)


def row_of(name: str, version: str) -> Row:
    """Check one class and print its line."""
    from metaopt_pytorch_optimizer import spec_of

    row, began = Row(name), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a class needs of a loop, and the library's own remarks
        try:
            checks = {check.name: check for check in checks_for(spec_of(name, version))}
        except PluginError as error:
            row.reason = str(error)
        else:
            for column, check in CHECKS.items():
                outcome = checks[check].run()
                row.holds[column] = outcome.status == "passed"
                row.reason = row.reason or outcome.message
    row.seconds = time.perf_counter() - began
    marks = "".join(f"{'yes' if row.holds.get(column) else '–':>10}" for column in CHECKS)
    print(f"{name:20}{marks}   {row.reason[:90]}", flush=True)
    return row


def table_of(names: list[str]) -> str:
    """The plugin package's table as Python."""
    version = importlib.metadata.version("pytorch-optimizer").rsplit(".", 1)[0]
    lines = "\n".join(f'    "{name}",' for name in names)
    return (
        f'"""The optimizer classes of pytorch-optimizer {version}: what it lists itself, since importing it takes a '
        'second.\n\nWritten by `python -m benchmarks.house.pytorch_optimizer_classes --write`.\n"""\n\n'
        f"CLASSES = (\n{lines}\n)\n"
    )


if __name__ == "__main__":
    main()
