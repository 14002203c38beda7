"""Runs the first Python script of a Markdown page, as a reader would paste it.

python -m benchmarks.figures.first_script README.md
"""

import argparse
import re
from pathlib import Path

SCRIPT = re.compile(r"^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    page = parser.parse_args().page
    match = SCRIPT.search(page.read_text(encoding="utf-8"))
    if match is None:
        parser.error(f"{page} has no Python script.")
    exec(compile(match["code"], str(page), "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
