"""`"package.module:attribute"`: import what a user wrote, from the current folder too."""

import importlib
import os
import sys
import traceback
from types import ModuleType
from typing import Any

from metaopt.errors import InputError, MetaOptError, is_interrupt, named_line, quoted


def load_attribute(reference: str) -> Any:
    """The object that `reference` names.

    The current folder is put first on the import path, as `python -m` does, and stays there: what is loaded may import
    its neighbours later.

    Args:
        reference: `"package.module:attribute"`; the attribute may have dots.

    Raises:
        InputError: not of that form; the module cannot be imported or raises; it lacks the attribute.
    """
    module_name, _, path = reference.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *path.split("."))):
        raise InputError(
            f"{quoted(reference)} must be written 'package.module:attribute', with dots and without '.py'."
        )
    value: Any = _import(module_name)
    for part in path.split("."):
        if not hasattr(value, part):
            raise InputError(f"Module {quoted(module_name)} has no attribute {quoted(path)}{_hint(value)}.")
        value = getattr(value, part)
    return value


def _import(name: str) -> ModuleType:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()  # the file may be younger than the last look into the folder
    try:
        return importlib.import_module(name)
    except MetaOptError as error:
        raise InputError(f"Module {quoted(name)} cannot be imported: {named_line(error)}.") from error
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise InputError(
                f"There is no module {quoted(name)}; run from the folder that holds it, or install its package."
            ) from error
        raise InputError(f"Module {quoted(name)} needs {error.name!r}, which is not installed; install it.") from error
    except BaseException as error:  # a stranger's code: whatever it raises is named, not shown as ours
        if is_interrupt(error):
            raise
        raise InputError(
            f"Module {quoted(name)} raised {named_line(error)}{_line_of(error)}; fix it and run again."
        ) from error


def _line_of(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    return f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""


def _is_machinery(filename: str) -> bool:
    return filename.startswith("<frozen") or filename in (__file__, importlib.__file__)


def _hint(value: Any) -> str:
    names = [name for name in vars(value) if not name.startswith("_")] if isinstance(value, ModuleType) else []
    return f"; it has {', '.join(names[:10])}" if names else ""
