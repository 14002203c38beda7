"""Puts stored results into pages.

| on a page | what `make figures` writes |
|---|---|
| `<!-- output: COMMAND (PART) -->`, a blank line, a fenced block | its text, after the command if it shows one |
| `<!-- value: NAME -->…<!-- / -->` | what is between the two: a number, or a table |
"""

import re
from pathlib import Path

from benchmarks.figures.blocks import block, command_of
from benchmarks.figures.results import Results
from benchmarks.figures.values import value

ROOT = Path(__file__).resolve().parents[2]

_OUTPUT = re.compile(
    r"^(?P<head><!-- output: (?P<marker>[^\n]*?) -->\n+(?P<fence>```+)\w*\n)(?P<text>.*?)(?P<tail>^(?P=fence)$)",
    re.MULTILINE | re.DOTALL,
)
_VALUE = re.compile(r"<!-- value: (?P<name>\S+) -->(?P<text>.*?)<!-- / -->", re.DOTALL)
_MARKERS = re.compile(r"<!-- (?:output|value): ")


def pages(root: Path = ROOT) -> list[Path]:
    """The pages that may show results."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def spliced(text: str, results: Results) -> str:
    """A page with what its markers ask for.

    Raises:
        LookupError: a marker asks for what is not known or not stored, or has no block or end.
    """
    num_understood = len(_OUTPUT.findall(text)) + len(_VALUE.findall(text))
    if num_understood != len(_MARKERS.findall(text)):
        raise LookupError("A marker is followed by no fenced block, or a value by no `<!-- / -->`.")
    text = _OUTPUT.sub(lambda match: f"{match['head']}{_output(match, results)}\n{match['tail']}", text)
    return _VALUE.sub(lambda match: f"<!-- value: {match['name']} -->{value(match['name'], results)}<!-- / -->", text)


def _output(match: re.Match[str], results: Results) -> str:
    shown = block(match["marker"], results)
    return f"$ {command_of(match['marker'])}\n{shown}" if match["text"].startswith("$ ") else shown


def splice(results: Results, root: Path = ROOT) -> list[Path]:
    """Rewrite the pages that differ from what is stored; which they were."""
    changed = []
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        try:
            new = spliced(text, results)
        except LookupError as error:
            raise LookupError(f"{page.relative_to(root)}: {error.args[0]}") from error
        if new != text:
            page.write_text(new, encoding="utf-8")
            changed.append(page)
    return changed
