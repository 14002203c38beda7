"""What benchmarks measured of a plugin: lines of `benchmarks/results/*.txt` and scores of the recipes that ship.

No number is written here: each is read from the file that the page names.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULTS = "benchmarks/results"
RECIPES = "metaopt/recipes"
_BLANK = re.compile(r"^\s*$")


@dataclass(frozen=True)
class Table:
    """A table in a file of results.

    Attributes:
        file: its name.
        title: what was measured, in words.
        header: pattern of the line that heads the numbers.
        kinds: of the plugins that its rows are about.
        row: pattern of a row, with `{name}` for what the row calls the plugin.
        called: what rows call a plugin, where that is not its name; a pattern.
        above: the line above the header, where a file has tables of the same header that say something else.
    """

    file: str
    title: str
    header: str
    kinds: tuple[str, ...]
    row: str = r"^{name}\b"
    called: dict[str, str] = field(default_factory=dict)
    above: str = ""

    def rows(self, text: str, kind: str, name: str) -> list[str]:
        """Header and rows about the plugin, of each table in the file; empty where no row is."""
        if kind not in self.kinds:
            return []
        pattern = re.compile(self.row.format(name=self.called.get(name, re.escape(name))))
        shown: list[str] = []
        for above, block in _blocks(text, re.compile(self.header)):
            rows = [line for line in block[1:] if pattern.search(line)]
            if rows and (not self.above or self.above in above):
                shown += ["", *above, block[0], *rows]
        return [line.rstrip() for line in shown[1:]]


_OPTIMIZERS = ("optimizer",)
_STARTER = (
    "Mean test score on the 25 tasks of the corpus `starter`, all at its defaults and nothing tuned: 0 is AdamW at "
    "1e-3, 1 the best of 32 random trials on the task itself"
)
_PEERS = {"adamw": "AdamW", "prodigy": "Prodigy", "schedulefree_adamw": "Schedule-Free"}

TABLES = (
    Table(
        "default_recipe.txt",
        "Mean test score over the held-out tasks of the default recipe's corpus, at the plugin's defaults: 0 is AdamW "
        "at its defaults, 1 the best of 32 random trials on the task itself",
        r"contender\s+mean_score",
        ("optimizer", "controller"),
        r"(?:^\s*|\+){name}(?:\+|\s)",
        above="held-out tasks",
    ),
    Table(
        "at_defaults.txt",
        f"{_STARTER}; the rate is constant (`mlp_lopt` was meta-trained on seven of these tasks)",
        r"contender\s+test score",
        _OPTIMIZERS,
        r"^ {name}\s",
    ),
    Table(
        "at_defaults.txt",
        f"{_STARTER}. The base rate, 1e-3 for AdamW, is too low for most of these tasks, so that a schedule that "
        "lowers it further scores below 0 here",
        r"contender\s+test score",
        ("controller",),
        r"^ \w+\+{name}\s",
    ),
    Table(
        "base_rate.txt",
        "Score on nine held-out tables with the base rate that was best on ten others, and with a tenth and ten times "
        "that rate",
        r"rate\s+× \.1",
        ("controller", "wrapper"),
        r"^{name}(?: on |\()",
    ),
    Table(
        "controller_overhead.txt",
        "Time that the controller takes a step, in microseconds",
        r"^\d+ tensors",
        ("controller",),
        r"^  (?:table|closed) {name}\s",
    ),
    Table(
        "learned_quality.txt",
        "Losses as multiples of those of NadamW with a schedule that had 20 trials on each task",
        r"training loss / NadamW",
        _OPTIMIZERS,
        r"^{name}, ",
        {"schedulefree_adamw": "Schedule-Free"},
    ),
    Table(
        "learned_schedules.txt",
        "Losses as multiples of those of NadamW with a schedule and the best of 20 random trials on the task itself",
        r"training loss / best of 20",
        ("wrapper",),
    ),
    Table(
        "replay_curves.txt",
        "Share of the steps that it saves and what it gives up of the gain, on recorded runs",
        r"saved\s+regret\s+of clairvoyant",
        ("stopper",),
        r"^{name} alone",
    ),
    Table(
        "sinusoid.txt",
        "Mean squared error on test waves after one step on so many points; in parentheses, the paper's",
        r"^rule\s+trained",
        _OPTIMIZERS,
        r"^{name}\s",
    ),
    *(
        Table(
            f"drop_in_{task}.txt",
            f"Test loss at the best validation, in a {model}, at the plugin's defaults unless a rate is named",
            r"median\s+seed 0",
            _OPTIMIZERS,
            r"^{name}\b.*\d$",
            _PEERS,
        )
        for task, model in (("resnet", "ResNet with BatchNorm"), ("transformer", "character transformer"))
    ),
)

#: Files that are about a plugin as a whole.
WHOLE_FILES = {
    ("optimizer", "celo"): ("lopt_step.txt",),
    ("optimizer", "l2l_lstm"): ("l2l.txt",),
    ("optimizer", "meta_sgd"): ("omniglot.txt",),
    ("optimizer", "mlp_lopt"): ("learned_weights.txt", "lopt_step.txt", "pes_speed.txt"),
    ("stopper", "stop_signal"): ("stop_signal.txt",),
    ("wrapper", "hyper_controller"): ("stop_signal.txt",),
    ("wrapper", "learned_schedule"): ("learned_schedule_scores.txt", "steered_step.txt", "stop_signal.txt"),
}


def measured(root: Path, kind: str, name: str) -> list[str]:
    """Lines of Markdown with everything that was measured of a plugin; empty where nothing was."""
    lines: list[str] = []
    for table in TABLES:
        path = root / RESULTS / table.file
        rows = table.rows(path.read_text(encoding="utf-8"), kind, name) if path.is_file() else []
        if rows:
            lines += [f"{table.title} ([{table.file}]({_up(path, root)})):", "", "```text", *rows, "```", ""]
    files = [root / RESULTS / file for file in WHOLE_FILES.get((kind, name), ())]
    links = [f"[{path.name}]({_up(path, root)})" for path in files if path.is_file()]
    if links:
        lines += [f"{'All' if not lines else 'More'} of it in {', '.join(links)}.", ""]
    return lines


def recipes_with(root: Path, kind: str, name: str) -> list[str]:
    """Rows of a table of the shipped recipes that use a plugin, with what they scored on held-out tasks."""
    rows = []
    for path in sorted((root / RECIPES).glob("*/recipe.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if f"{kind} {name}" in document.get("plugins", {}):
            rows.append(f"| `{path.parent.name}` | {_score(document.get('provenance', {}))} |")
    return rows


def _score(provenance: dict[str, Any]) -> str:
    held_out = provenance.get("scores", {}).get("held_out", {})
    if "recipe" not in held_out.get("mean", {}):
        return "not scored on held-out tasks when it was made"
    score, low, high = held_out["mean"]["recipe"]
    return f"{score:.3f} [{low:.3f}, {high:.3f}] on {held_out['tasks']} held-out tasks"


def _blocks(text: str, header: re.Pattern[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Each header with the lines that follow it without a gap, and before it the command and what it is headed by."""
    lines, command = text.splitlines(), ""
    for index, line in enumerate(lines):
        if line.startswith("$ "):
            command = re.split(r"\s{4,}\(", line)[0]
        if header.search(line) and not line.startswith("$ "):
            end = next((at for at in range(index, len(lines)) if _BLANK.match(lines[at])), len(lines))
            before = lines[index - 1] if index and not _BLANK.match(lines[index - 1]) else ""
            shown = [before] if before and not before.startswith("$ ") else []
            yield ([command] if command else []) + shown, lines[index:end]


def _up(path: Path, root: Path) -> str:
    """A link from a page of the catalogue, which lies three folders down."""
    return f"../../../{path.relative_to(root).as_posix()}"
