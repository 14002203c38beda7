"""A plugin in a file of its own (`--plugin file.py`): imported as a module, with its faults found in it."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType


def import_file(path: Path) -> ModuleType:
    """Run the file as a module, known to pickle and tracebacks; a module that raises leaves nothing behind."""
    name = f"metaopt_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def is_file_of(path: Path, module: str) -> bool:
    """Whether the file is that of a module which is imported already, from the same package as the one named."""
    package = module.partition(".")[0]
    loaded = [each for name, each in [*sys.modules.items()] if name.partition(".")[0] == package]
    sources = [source for each in loaded if isinstance(source := getattr(each, "__file__", None), str)]
    return any(Path(source).resolve() == path.resolve() for source in sources)


def line_in(path: Path, error: BaseException) -> str:
    """The last line of the file that the error passed through, as part of a sentence; empty where there is none."""
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename) == path.resolve()
    ]
    return f", line {lines[-1]}," if lines else ""
