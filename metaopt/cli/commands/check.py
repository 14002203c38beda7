"""`metaopt check`: the conformance kit for anyone's plugin."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metaopt.cli.plugin_files import PluginFiles, load_plugin_files
from metaopt.errors import PluginError, did_you_mean, quoted
from metaopt.plugin import KINDS, PluginSpec, current_registry

if TYPE_CHECKING:
    from metaopt.testing import Outcome, Report

FAILED = 2

_MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "–", "blocked": "…"}


def check(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.py", help="A plugin's name, or a file with plugins.")],
    kind: Annotated[str, typer.Option(help="Which kind is meant where several plugins have the name.")] = "",
    plugin: PluginFiles = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also say why checks do not apply.")] = False,
) -> None:
    """Check plugins against their contract: each check, and for failures what is wrong and on which line."""
    import torch

    from metaopt import testing

    # The samples are tiny: more threads would only wait for each other.
    torch.set_num_threads(1)
    load_plugin_files(plugin)
    reports = [testing.check(spec) for spec in _chosen(name, kind)]
    for report in reports:
        print("\n".join(_lines(report, verbose)))
    if not all(report.passed for report in reports):
        raise typer.Exit(FAILED)


def _chosen(name: str, kind: str) -> list[PluginSpec]:
    """The plugins that a person means by a file or a name.

    Raises:
        PluginError: there is none, the kind is unknown, or the name is defined twice.
    """
    if kind and kind not in KINDS:
        raise PluginError(f"There is no kind {quoted(kind)} of plugin; kinds: {', '.join(KINDS)}.")
    known = current_registry()
    if name.endswith(".py"):
        specs = known.load_file(Path(name))
        found = [spec for spec in specs if kind in ("", spec.kind)]
        if not found:
            offered = ", ".join(f"{spec.kind} {spec.name!r}" for spec in specs) or "nothing"
            raise PluginError(
                f"{quoted(Path(name))} has no plugin{f' of kind {kind!r}' if kind else ''}; it offers {offered}."
            )
        return found
    if kind:
        return [known.get(KINDS[kind], name)]
    kinds = [one for one in KINDS if any((entry.spec.kind, entry.spec.name) == (one, name) for entry in known)]
    if not kinds:
        names = sorted({entry.spec.name for entry in known})
        hint = did_you_mean(name, names, " {}")
        raise PluginError(
            f"There is no plugin {quoted(name)};{hint} `metaopt plugins` lists them, and a file ends in .py."
        )
    return [known.get(KINDS[one], name) for one in kinds]


def _lines(report: "Report", verbose: bool) -> list[str]:
    """What people read: a line a check, and for failures what is wrong and where."""
    lines = [f"{report.spec.kind} {report.spec.name}"]
    width = max(len(outcome.check) for outcome in report.outcomes)
    ran = [outcome for outcome in report.outcomes if outcome.status != "blocked"]
    for outcome in report.outcomes if verbose else ran:
        lines.append(f"  {_MARKS[outcome.status]:6}  {outcome.check:{width}}  {outcome.claim}")
        lines += [f"  {'':6}  {detail}" for detail in _details(outcome, verbose)]
    counts = Counter(outcome.status for outcome in report.outcomes)
    if counts["blocked"]:
        further = "1 further check" if counts["blocked"] == 1 else f"{counts['blocked']} further checks"
        lines.append(f"  {_MARKS['blocked']:6}  {further} could not run because of what failed")
    seconds = sum(outcome.seconds for outcome in report.outcomes)
    return [
        *lines,
        f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} not applicable ({seconds:.1f} s)",
    ]


def _details(outcome: "Outcome", verbose: bool) -> list[str]:
    if outcome.status == "failed":
        return [outcome.message, *([str(outcome.location)] if outcome.location else [])]
    return [outcome.message] if verbose and outcome.message else []
