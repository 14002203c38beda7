"""`metaopt check`: the conformance kit for anyone's plugins."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metaopt.cli.checked_plugins import chosen
from metaopt.cli.plugin_files import PluginFiles, load_plugin_files
from metaopt.plugin import current_registry

if TYPE_CHECKING:
    from metaopt.testing import Outcome, Report

FAILED = 2

_MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "–", "blocked": "…"}


def check(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME|FILE.py|FOLDER|DISTRIBUTION...",
            help="Plugins by name, files with plugins, folders of their packages, distributions or entry points.",
        ),
    ],
    kind: Annotated[str, typer.Option(help="Which kind is meant where several plugins have the name.")] = "",
    plugin: PluginFiles = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Also on two ranks, with whole and with sharded parameters: some seconds more."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every check of every plugin, and why some do not apply.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object a plugin.")] = False,
) -> None:
    """Check plugins against their contract: for failures what is wrong and on which line. Exit code 2 if one fails."""
    import torch

    from metaopt import testing

    # The samples are tiny: more threads would only wait for each other.
    torch.set_num_threads(1)
    load_plugin_files(plugin)
    specs = chosen(names, kind, current_registry())
    reports = []
    for spec in specs:
        reports.append(testing.check(spec, slow=every))
        if not as_json:
            shown = _lines(reports[-1], verbose) if verbose or len(specs) == 1 else _brief_lines(reports[-1])
            print("\n".join(shown), flush=True)
    if as_json:
        print(json.dumps([_row(report) for report in reports], indent=2))
    elif len(reports) > 1:
        failed = [f"{report.spec.kind} {report.spec.name}" for report in reports if not report.passed]
        print(f"{len(reports)} plugins: {', '.join(failed) + ' failed' if failed else 'all passed'}")
    if not all(report.passed for report in reports):
        raise typer.Exit(FAILED)


def _lines(report: "Report", verbose: bool) -> list[str]:
    """What people read of one plugin: a line a check, and for failures what is wrong and where."""
    shown = [outcome for outcome in report.outcomes if verbose or outcome.status != "blocked"]
    width = max(len(outcome.check) for outcome in report.outcomes)
    lines = [f"{report.spec.kind} {report.spec.name}"]
    for outcome in shown:
        lines.append(f"  {_MARKS[outcome.status]:6}  {outcome.check:{width}}  {outcome.claim}")
        lines += [f"  {'':6}  {detail}" for detail in _details(outcome, verbose)]
    return [*lines, *_blocked_lines(report), _summary(report)]


def _brief_lines(report: "Report") -> list[str]:
    """What people read of one among several: a line, and what fails."""
    mark = _MARKS["passed" if report.passed else "failed"]
    lines = [f"{mark:6}  {report.spec.kind} {report.spec.name}: {_summary(report)}"]
    for outcome in report.failures:
        lines += [f"  {outcome.check}", *(f"    {detail}" for detail in _details(outcome, False))]
    return [*lines, *_blocked_lines(report)]


def _blocked_lines(report: "Report") -> list[str]:
    count = sum(outcome.status == "blocked" for outcome in report.outcomes)
    further = "1 further check" if count == 1 else f"{count} further checks"
    return [f"  {_MARKS['blocked']:6}  {further} could not run because of what failed"] if count else []


def _summary(report: "Report") -> str:
    counts = Counter(outcome.status for outcome in report.outcomes)
    seconds = sum(outcome.seconds for outcome in report.outcomes)
    return f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} not applicable ({seconds:.1f} s)"


def _details(outcome: "Outcome", verbose: bool) -> list[str]:
    if outcome.status == "failed":
        return [outcome.message, *([str(outcome.location)] if outcome.location else [])]
    return [outcome.message] if verbose and outcome.message else []


def _row(report: "Report") -> dict[str, Any]:
    """A report in plain JSON."""
    return {
        "kind": report.spec.kind,
        "name": report.spec.name,
        "version": report.spec.version,
        "passed": report.passed,
        "checks": [
            {
                "check": outcome.check,
                "claim": outcome.claim,
                "status": outcome.status,
                "message": outcome.message,
                "path": outcome.location.path if outcome.location else "",
                "line": outcome.location.line if outcome.location else None,
                "source": outcome.location.source if outcome.location else "",
                "seconds": outcome.seconds,
            }
            for outcome in report.outcomes
        ],
    }
