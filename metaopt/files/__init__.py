"""Reading and writing files: refusals that say what to do, and writes that are whole or not at all."""

from metaopt.files.reading import (
    as_path,
    folders_like,
    is_file,
    is_folder,
    is_utf8,
    read_bytes,
    read_content,
    read_json,
    read_text,
)
from metaopt.files.writing import replace_file, turn_in, write_in_turn

__all__ = [
    "as_path",
    "folders_like",
    "is_file",
    "is_folder",
    "is_utf8",
    "read_bytes",
    "read_content",
    "read_json",
    "read_text",
    "replace_file",
    "turn_in",
    "write_in_turn",
]
