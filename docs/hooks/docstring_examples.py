"""Docstrings here head their example with `Example:`; the parser of Google's style knows `Examples:` alone."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Makes `Example:` a section of examples, so that its lines are shown as code."""

    def on_object(self, *, obj: griffe.Object, **given: Any) -> None:
        """Rename the section of one object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^(\s*)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
