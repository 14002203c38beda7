"""Finds the line of a plugin's file that an error comes from."""

import ast
import dataclasses
import functools
import inspect
import linecache
import sysconfig
import textwrap
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MethodType, TracebackType
from typing import Any

import torch

#: Files in these folders belong to metaopt or torch, not to a plugin.
_FOREIGN = (Path(__file__).resolve().parents[1], Path(torch.__file__).resolve().parent)
_STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib")).resolve()


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a file.

    Attributes:
        path: the file.
        line: counted from 1.
        source: the line's text, stripped.
    """

    path: str
    line: int
    source: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.source}"


def locate(plugin: Any, trace: TracebackType | None) -> Location | None:
    """The innermost frame of `trace` that is in one of the plugin's own files.

    Args:
        plugin: a spec, or whatever holds the plugin's functions.
        trace: the error's traceback.
    """
    folders = {Path(function.__code__.co_filename).resolve().parent for function in functions_of(plugin)}
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(trace)
        if Path(frame.f_code.co_filename).resolve().parent in folders
    ]
    return _location(*frames[-1]) if frames else None


def definition(function: Callable[..., Any]) -> Location | None:
    """Where a function, or the function behind an object, is defined."""
    for own_function in functions_of(function):
        return _location(own_function.__code__.co_filename, _first_line(own_function))
    return None


def where_it_returns(function: Callable[..., Any]) -> Location | None:
    """The line of a function's only `return`; the line of its definition if it has several or none."""
    for candidate in functions_of(function):
        returns = _returns(candidate)
        first = candidate.__code__.co_firstlineno
        return (
            _location(candidate.__code__.co_filename, first + returns[0] - 1)
            if len(returns) == 1
            else definition(candidate)
        )
    return None


def literal(plugin: Any, text: str) -> Location | None:
    """The first line in the plugin's own files that holds this text as a string."""
    for path in dict.fromkeys(function.__code__.co_filename for function in functions_of(plugin)):
        for number, line in enumerate(linecache.getlines(path), start=1):
            if f'"{text}"' in line or f"'{text}'" in line:
                return _location(path, number)
    return None


def functions_of(plugin: Any) -> list[FunctionType]:
    """The functions outside of metaopt that a plugin consists of, reached through its fields and closures."""
    functions: dict[int, FunctionType] = {}
    visited: set[int] = set()
    pending = [plugin]
    while pending:
        value = pending.pop(0)
        if id(value) in visited or len(visited) > 10_000:
            continue
        visited.add(id(value))
        if isinstance(value, FunctionType) and not _is_foreign(value):
            functions[id(value)] = value
        pending += _parts(value)
    return list(functions.values())


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, FunctionType):
        yield from (cell.cell_contents for cell in value.__closure__ or () if _filled(cell))
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif inspect.isclass(value):
        if value.__module__ != "builtins":
            yield from (member for member in vars(value).values() if isinstance(member, FunctionType))
    elif isinstance(value, list | tuple):
        yield from value
    elif _is_plugins(value):
        if dataclasses.is_dataclass(value):
            yield from (getattr(value, field.name) for field in dataclasses.fields(value))
        yield type(value)


def _is_plugins(value: Any) -> bool:
    module = type(value).__module__
    return module.split(".")[0] not in ("builtins", "torch", "numpy") and not isinstance(value, type)


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _is_foreign(function: FunctionType) -> bool:
    name = function.__code__.co_filename
    parents = Path(name).resolve().parents
    standard = _STANDARD_LIBRARY in parents and "site-packages" not in name
    return standard or name.startswith("<") or any(folder in parents for folder in _FOREIGN)


def _first_line(function: FunctionType) -> int:
    # A decorator's line counts as a function's first; the reader wants the `def`.
    for line, text in enumerate(_lines(function), start=function.__code__.co_firstlineno):
        if text.lstrip().startswith(("def ", "async def ")):
            return line
    return function.__code__.co_firstlineno


def _returns(function: FunctionType) -> list[int]:
    """Lines of the function's own `return`s, from 1; none where its source is no statement, as with a lambda."""
    try:
        tree = ast.parse(textwrap.dedent("".join(_lines(function))))
    except SyntaxError:
        return []
    lines, pending = [], list(ast.iter_child_nodes(tree.body[0])) if tree.body else []
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Return):
            lines.append(node.lineno)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)
    return lines


def _lines(function: FunctionType) -> list[str]:
    try:
        return inspect.getsourcelines(function)[0]
    except (OSError, TypeError):
        return []


def _location(path: str, line: int) -> Location:
    displayed = Path(path)
    if displayed.is_absolute() and displayed.is_relative_to(Path.cwd()):
        displayed = displayed.relative_to(Path.cwd())
    return Location(str(displayed), line, linecache.getline(path, line).strip())
