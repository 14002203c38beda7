"""The source of a function as a syntax tree: comments, layout, quotes, docstrings and type hints do not count.

Trees say the same on every Python from 3.11 on, where tokens (f-strings from 3.12) and bytecode do not.
"""

import ast
import linecache
import symtable
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any, TypeAlias

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

#: Fields of a syntax tree without a meaning of their own, or that only some versions of Python have.
_SKIPPED = frozenset({"annotation", "returns", "type_comment", "type_params", "kind", "ctx"})
_LAMBDA = "<lambda>"
#: `exec` and `python -c` give this name to everything; what lies there may belong to somebody else's text.
_NO_FILE = "<string>"
#: Methods that change the object they belong to.
_MUTATORS = frozenset(
    {
        "add",
        "append",
        "appendleft",
        "clear",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "pop",
        "popitem",
        "popleft",
        "put",
        "remove",
        "send",
        "setdefault",
        "update",
        "write",
    }
)


def definition(code: CodeType, namespace: Mapping[str, Any]) -> Definition | None:
    """Where a function was written; None where its source cannot be had, or does not tell it from others.

    Args:
        code: of the function.
        namespace: its globals, by which zipped modules are read.
    """
    if code.co_filename == _NO_FILE:
        return None
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, dict(namespace)))
    definitions = _definitions(text).get((code.co_firstlineno, code.co_name), ())
    return _among(code, definitions) if len(definitions) > 1 else next(iter(definitions), None)


@lru_cache(maxsize=4096)
def canonical(node: Definition) -> str:
    """The tree as text that says the same wherever and however it was written down."""
    return _text(node)


@lru_cache(maxsize=4096)
def global_names(node: Definition) -> tuple[str, ...]:
    """Names that a function takes from outside, the variables of an enclosing function among them."""
    try:
        table = symtable.symtable(ast.unparse(_bare(node)), "<source>", "exec")
    except (SyntaxError, ValueError, RecursionError):  # a nested f-string may be more than `unparse` can quote
        return tuple(sorted({part.id for part in ast.walk(node) if isinstance(part, ast.Name)}))
    symbols = (symbol for scope in _inside(table) for symbol in scope.get_symbols())
    return tuple(sorted({symbol.get_name() for symbol in symbols if symbol.is_global()}))


@lru_cache(maxsize=4096)
def imports(node: Definition) -> tuple[tuple[str, str, str], ...]:
    """What a function imports itself: the name it gives it, the module with its leading dots, the attribute or `""`."""
    imported: list[tuple[str, str, str]] = []
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            imported += [(alias.asname or alias.name, alias.name, "") for alias in part.names]
        elif isinstance(part, ast.ImportFrom):
            module = "." * part.level + (part.module or "")
            imported += [(alias.asname or alias.name, module, alias.name) for alias in part.names]
    return tuple(imported)


def attributes_of(node: Definition, name: str) -> list[tuple[str, ...]]:
    """The attributes that a function asks a name for: `("functional", "relu")` for `nn.functional.relu`."""
    chains = (_chain(part) for part in ast.walk(node) if isinstance(part, ast.Attribute))
    return sorted({attributes for root, attributes in chains if root == name})


@lru_cache(maxsize=4096)
def written_names(node: Definition) -> frozenset[str]:
    """Names whose objects a function changes itself: counters and caches, which are no part of what it computes.

    `calls` for `calls.append(1)`, `.count` for `self.count += 1`.
    """
    names: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Global | ast.Nonlocal):
            names.update(part.names)
        elif isinstance(part, ast.Assign | ast.Delete):
            names.update(_roots(part.targets))
        elif isinstance(part, ast.AugAssign | ast.AnnAssign):
            names.update(_roots([part.target]))
        elif isinstance(part, ast.Call):
            names.update(_changed_by(part))
    return frozenset(names)


@lru_cache(maxsize=64)
def _definitions(text: str) -> dict[tuple[int, str], list[Definition]]:
    definitions: defaultdict[tuple[int, str], list[Definition]] = defaultdict(list)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            definitions[node.lineno, _LAMBDA].append(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            definitions[first, node.name].append(node)
    return dict(definitions)


def _among(code: CodeType, nodes: Iterable[Definition]) -> Definition | None:
    """Which of the lambdas on a line the code was compiled from, by the columns of its instructions."""
    lambdas = [node for node in nodes if isinstance(node, ast.Lambda)]
    known = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()
        if line is not None and end_line is not None and column is not None and end_column is not None
        if (line, column) != (end_line, end_column)
    ]
    if not known:  # a constant in Python 3.12, everything under -X no_debug_ranges
        alike = [node for node in lambdas if _compiled(node) == _content(code)]
        return alike[0] if len(set(map(canonical, alike))) == 1 else None
    first, last = min(begin for begin, _ in known), max(end for _, end in known)
    around = [node for node in lambdas if _begin(node.body) <= first and last <= _end(node.body)]
    return max(around, key=_begin, default=None)  # of those inside each other, the innermost


def _begin(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


def _compiled(node: ast.Lambda) -> tuple[bytes, str, tuple[str, ...]]:
    whole = compile(ast.Expression(node), "<source>", "eval", dont_inherit=True)
    return next(_content(inner) for inner in whole.co_consts if isinstance(inner, CodeType))


def _content(code: CodeType) -> tuple[bytes, str, tuple[str, ...]]:
    constants = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
    return code.co_code, ascii(constants), code.co_names


def _text(node: Any) -> str:
    if isinstance(node, ast.JoinedStr):  # some versions end a format with an empty string
        return f"JoinedStr({','.join(_text(part) for part in node.values if getattr(part, 'value', None) != '')})"
    if isinstance(node, ast.AST):
        fields = ((name, _without_docstring(node, name, child)) for name, child in ast.iter_fields(node))
        parts = (f"{name}={_text(child)}" for name, child in fields if name not in _SKIPPED and child not in (None, []))
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    return f"{type(node).__name__} {node!a}"


def _without_docstring(node: ast.AST, name: str, child: Any) -> Any:
    if name != "body" or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or not child:
        return child
    first = child[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return child[1:] if is_docstring and isinstance(first.value.value, str) else child


def _bare(node: Definition) -> Definition:
    """The function without its decorators, whose names are no names inside it."""
    if isinstance(node, ast.Lambda):
        return node
    return type(node)(**{**dict(ast.iter_fields(node)), "decorator_list": []}, lineno=1, col_offset=0)


def _inside(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _inside(child)


def _chain(node: ast.AST) -> tuple[str | None, tuple[str, ...]]:
    """`a.b.c` as `a` and `("b", "c")`; no root where it does not begin with a name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    return (node.id, tuple(attributes)) if isinstance(node, ast.Name) else (None, ())


def _roots(targets: Iterable[ast.AST]) -> Iterator[str]:
    """What an assignment to `a[0]`, `a.b` or `self.a` changes: `a`, `a`, `.a`."""
    for target in targets:
        if isinstance(target, ast.Tuple | ast.List):
            yield from _roots(target.elts)
        elif isinstance(target, ast.Subscript | ast.Attribute):
            yield from _owner(target)


def _owner(node: ast.AST) -> Iterator[str]:
    while isinstance(node, ast.Subscript):
        node = node.value
    root, attributes = _chain(node)
    if root is not None:
        yield f".{attributes[0]}" if root in ("self", "cls") and attributes else root


def _changed_by(call: ast.Call) -> Iterator[str]:
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr in _MUTATORS:
        yield from _owner(function.value)
    elif isinstance(function, ast.Name) and function.id in ("next", "setattr", "delattr") and call.args:
        yield from _owner(call.args[0])
