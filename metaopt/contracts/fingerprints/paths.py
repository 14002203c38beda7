"""Paths without what differs from machine to machine."""

import os
import tempfile


def portable(text: str, root: str | None) -> str:
    """A text; if it is an absolute path, without the folder that holds the code, the user's or the temporary files.

    Args:
        text: any.
        root: the folder that holds the code that refers to it.
    """
    if not os.path.isabs(text) or "\n" in text:
        return text
    for folder, shown in ((root, "."), (os.path.expanduser("~"), "~"), (tempfile.gettempdir(), "<temporary>")):
        if folder is not None and folder != os.sep and (text == folder or text.startswith(folder + os.sep)):
            return shown + text[len(folder) :]
    return text
