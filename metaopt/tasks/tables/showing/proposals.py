"""`corpus.toml` as somebody would write it who has read all refusals."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from metaopt.tasks.tables.refusal import Refusal

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def merged(settings: Mapping[str, Any], refusals: Sequence[Refusal]) -> dict[str, Any]:
    """Settings, with what the refusals propose: lists and tables grow, all else is as the first refusal has it.

    Args:
        settings: keys of `corpus.toml`.
        refusals: in their order.
    """
    result = dict(settings)
    for refusal in refusals:
        for key, value in refusal.settings.items():
            known = result.get(key)
            if isinstance(value, list):
                result[key] = list(dict.fromkeys([*(known or []), *value]))
            elif isinstance(value, dict):
                result[key] = {**(known or {}), **value}
            elif known is None or key == "skip_lines" or isinstance(value, bool):
                result[key] = value
    return result


def applied(settings: Any, proposal: Mapping[str, Any]) -> Any:
    """Settings, a dataclass, as they are once a proposal is pasted."""
    changes: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in proposal.items() if value is not None
    }
    return replace(settings, **changes)


def toml_of(tables: Mapping[str, Mapping[str, Any]], choices: Mapping[str, Sequence[str]]) -> str:
    """The text of a `corpus.toml`.

    Args:
        tables: keys and values by the names of tables; under no name those at the top.
        choices: by table, what else might be said; becomes comments.
    """
    parts = []
    for name, keys in tables.items():
        head = [f"[{_key(name)}]"] if name else []
        lines = [*head, *(f"# {' '.join(choice.split())}" for choice in choices.get(name, ()))]
        lines += [f"{_key(key)} = {_value(value)}" for key, value in keys.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(name)} = {_value(item)}' for name, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)


def _text(text: str) -> str:
    """A basic string; JSON writes the same, but for what is beyond its planes and for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
