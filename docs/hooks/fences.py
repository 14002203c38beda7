"""Blocks that tests save as a file (`python file=NAME`) are shown under the file's name."""

import re
from typing import Any

_FILE = re.compile(r"^```(?P<language>\w+) file=(?P<name>\S+)$", flags=re.MULTILINE)


def on_page_markdown(markdown: str, **given: Any) -> str:
    """The page with such a block's file as its title."""
    return _FILE.sub(r'```\g<language> title="\g<name>"', markdown)
