"""`metaopt evaluate`: a recipe beside others on a corpus."""

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metaopt.cli.options import Address, Executor, Workers, names
from metaopt.cli.plugin_files import PluginFiles, load_plugin_files

if TYPE_CHECKING:
    from metaopt.tuning import Comparison, TrialsWorth


def evaluate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's folder, or the name of a shipped one.")],
    corpus: Annotated[str, typer.Argument(help="A registered name, a folder of CSVs, or package.module:attribute.")],
    against: Annotated[
        str, typer.Option(metavar="A,B", help="Optimizers at their defaults, each with +CONTROLLER if wanted.")
    ] = "adamw,schedulefree_adamw",
    tuned: Annotated[
        int,
        typer.Option(metavar="N", help="Also tune each task itself: N random and N TPE trials, at most 32 of each."),
    ] = 0,
    scaled: Annotated[
        bool,
        typer.Option("--scaled", help="Also at ¼ and 4 × the batch size, 10 × the steps, 10 × the parameters."),
    ] = False,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Database of a ledger to reuse and to write.")
    ] = None,
    workers: Workers = None,
    executor: Executor = "local",
    address: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    plugin: PluginFiles = None,
) -> None:
    """Compare a recipe with others: same tasks, seeds and budgets, judged on test splits."""
    load_plugin_files(plugin)
    import metaopt
    from metaopt.contracts import to_stderr

    comparison = metaopt.evaluate(
        recipe,
        corpus,
        against=names(against) or (),
        tuned=tuned,
        scaled=scaled,
        storage=storage,
        workers=workers,
        executor=executor,
        address=address,
        announce=to_stderr,
    )
    if as_json:
        print(json.dumps(_document(comparison), indent=2))
        return
    from metaopt.cli.terminal import print_line, print_paragraph, print_table
    from metaopt.report import comparison_table, scaled_table, worst_table
    from metaopt.tuning import verdict_on

    verdict = verdict_on(comparison)
    print_line(str(verdict), alarming=verdict.is_bad)
    print()
    print_table(comparison_table(comparison, None, "test score"))
    print_table(worst_table(comparison))
    if comparison.scaled:
        print_table(scaled_table(comparison))
    print_paragraph(comparison.summary())


def _document(comparison: "Comparison") -> dict[str, Any]:
    from metaopt.tuning import verdict_on

    return {
        "verdict": verdict_on(comparison).to_json(),
        "summary": comparison.summary(),
        "trials_worth": _worth(comparison.trials_worth()),
        "tpe_trials_worth": _worth(comparison.trials_worth(sampler="tpe")),
        "table": [_plain(row) for row in comparison.table().to_dict("records")],
        "worst_tasks": [_plain(row) for row in comparison.worst_tasks().to_dict("records")],
        "runs": [_plain(row) for row in comparison.runs.to_dict("records")],
        "scaled": {
            name: {
                "table": [_plain(row) for row in part.table().to_dict("records")],
                "runs": [_plain(row) for row in part.runs.to_dict("records")],
            }
            for name, part in comparison.scaled.items()
        },
    }


def _worth(worth: "TrialsWorth | None") -> dict[str, Any] | None:
    if worth is None:
        return None
    return _plain({"number": worth.number, "low": worth.low, "high": worth.high, "pool": worth.pool})


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """JSON knows no NaN and no infinity."""
    return {str(key): None if _is_hollow(value) else value for key, value in row.items()}


def _is_hollow(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
