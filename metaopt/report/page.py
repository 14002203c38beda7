"""One self-contained HTML page about a study, and its plots as PNG files beside it."""

import importlib.util
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.files import replace_file
from metaopt.report import html, tables
from metaopt.report.headlines import NEVER, caveats, headline, measured, payback, price, trainings
from metaopt.report.tables import stopping
from metaopt.tuning import RECIPE, TuneResult, duration

if TYPE_CHECKING:
    from metaopt.report.drawings import Drawings

PAGE = "report.html"


def write_report(result: TuneResult, directory: str | Path) -> Path:
    """Write `report.html` and, where matplotlib is installed, its plots as PNG files.

    Args:
        result: what `metaopt.tune` returned.
        directory: where to write; made where it is missing.

    Returns:
        Path of the page.

    Raises:
        OSError: it cannot be written.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    drawings = _drawings(result)
    if drawings is not None:
        drawings.save(folder)
    path = folder / PAGE
    replace_file(path, render(result, drawings).encode(errors="backslashreplace"))
    return path


def render(result: TuneResult, drawings: "Drawings | None") -> str:
    """The page's HTML; tables only where there are no drawings."""
    sections = [
        _opening(result, drawings),
        _recipe(result),
        _comparison(result, drawings),
        _curves(result, drawings),
        _losses(result),
        _stopping(result, drawings),
        _race(result, drawings),
        _cost(result),
    ]
    style = (files("metaopt.report") / "page.css").read_text(encoding="utf-8")
    title = f"A recipe for {escape(result.corpus.name)}"
    return (
        "<!doctype html>\n"
        f'<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(section for section in sections if section)
        + f"\n<footer>{escape(_footer(result))}</footer>\n</body>\n</html>\n"
    )


def _drawings(result: TuneResult) -> "Drawings | None":
    if importlib.util.find_spec("matplotlib") is None:
        return None
    from metaopt.report.drawings import Drawings

    return Drawings.of(result)


def _opening(result: TuneResult, drawings: "Drawings | None") -> str:
    missing = [] if drawings is not None else ["Plots need matplotlib: pip install 'metaopt-torch[report]'."]
    return "\n".join(
        [
            html.paragraphs([str(result.verdict)], "headline worse" if result.verdict.is_bad else "headline"),
            html.paragraphs([headline(result), price(result)]),
            html.bullets([*caveats(result), *missing], "caveats"),
            html.facts(_facts(result)),
        ]
    )


def _facts(result: TuneResult) -> dict[str, tuple[str, str]]:
    cost = result.cost
    facts = {
        "Tasks": (f"{len(result.corpus)}", f"of {len(result.corpus.families)} families"),
        "Candidates": (
            f"{len(result.judged):,}",
            f"{sum(outcome.complete for _, outcome in result.judged)} on all tasks",
        ),
        "Cost": (f"{trainings(result):,} trainings", f"{duration(cost.seconds)} of computing"),
    }
    comparison = measured(result)
    worth = None if comparison is None else comparison.trials_worth()
    if comparison is not None:
        score = comparison.interval(RECIPE)
        facts["Test score of the recipe"] = (f"{score.value:.2f}", _range(f"{score.low:.2f}", f"{score.high:.2f}"))
    if worth is not None:
        number, low, high = (worth.show(end) for end in (worth.number, worth.low, worth.high))
        facts["A first run is worth"] = (f"{number} trials", _range(low, high))
    paid = payback(result)
    if paid is not None:
        number, low, high = (paid.show(end) for end in (paid.models, paid.fewest, paid.most))
        facts["Paid for after"] = (f"{number}{'' if number == NEVER else ' models'}", _range(low, high))
    return facts


def _range(low: str, high: str) -> str:
    return "too few tasks for an interval" if "nan" in (low, high) else f"95 %: {low} to {high}"


def _recipe(result: TuneResult) -> str:
    use = (
        "import metaopt\n\n"
        'recipe = metaopt.load_recipe("recipe")   # the folder beside this page\n'
        "run = recipe.bind(model, total_steps=epochs * len(loader))"
    )
    return (
        f"<h2>The recipe: {escape(result.recipe.name.replace('+', ' + '))}</h2>\n"
        f"{html.table(tables.recipe_table(result.recipe))}\n<pre>{escape(use)}</pre>"
    )


def _comparison(result: TuneResult, drawings: "Drawings | None") -> str:
    comparison = measured(result)
    if comparison is None:
        return ""
    shown = tables.comparison_table(result.comparison, result.tuning_comparison)
    figures = "" if drawings is None else drawings.key() + drawings.figures("worth", "scores", "profile")
    return (
        f"<h2>Beside what others use</h2>\n{html.paragraphs([comparison.summary()])}\n"
        f"{html.table(shown, emphasised=RECIPE)}\n{figures}"
    )


def _curves(result: TuneResult, drawings: "Drawings | None") -> str:
    if drawings is None or not drawings.tasks:
        return ""
    parts = ["<h2>Training curves</h2>", drawings.key(), drawings.figures("curves_held_out", "curves_tuning")]
    for label, name in (("Held-out tasks, one by one", "tasks_held_out"), ("Tuning tasks, one by one", "tasks_tuning")):
        drawn = drawings.task_figures(name)
        shown = " open" if name == next(iter(drawings.tasks)) else ""
        parts += [f"<details{shown}><summary>{label}</summary>{drawn}</details>"] if drawn else []
    return "\n".join(parts)


def _losses(result: TuneResult) -> str:
    comparison = measured(result)
    if comparison is None or len(comparison.contenders) < 2:
        return ""
    lost = int((comparison.worst_tasks(len(comparison.tasks))["behind"] > 0).sum())
    sentence = (
        f"On {lost} of {len(comparison.tasks)} tasks some other contender, not always the same one, scores higher."
        if lost
        else "No other contender scores higher on any task."
    )
    worst = tables.worst_table(comparison, tables.SHOWN)
    return f"<h2>Where it loses</h2>\n{html.paragraphs([sentence])}\n{html.table(worst)}"


def _stopping(result: TuneResult, drawings: "Drawings | None") -> str:
    if not result.front:
        return ""
    figures = "" if drawings is None else drawings.figures("stopping")
    shown = tables.front_table(result.front, result.recipe.stopper)
    return f"<h2>When to stop</h2>\n{html.paragraphs([stopping(result)])}\n{figures}\n{html.table(shown)}"


def _race(result: TuneResult, drawings: "Drawings | None") -> str:
    figures = "" if drawings is None else drawings.figures("race", "rungs", "importance", "importance_optimizer")
    finished = sum(outcome.complete for _, outcome in result.judged)
    sentence = f"{len(result.judged):,} candidates were tried; {finished:,} of them ran on all tasks."
    return (
        f"<h2>What was tried</h2>\n{html.paragraphs([sentence])}\n{figures}\n"
        f"{html.table(tables.candidates_table(result))}"
    )


def _cost(result: TuneResult) -> str:
    return f"<h2>What it cost</h2>\n{html.table(tables.cost_table(result))}"


def _footer(result: TuneResult) -> str:
    record = result.recipe.provenance
    versions = ", ".join(f"{name} {version}" for name, version in record.get("libraries", {}).items())
    return f"Corpus fingerprint {result.corpus.fingerprint}. Recipe created {record.get('created', '')}. {versions}."
