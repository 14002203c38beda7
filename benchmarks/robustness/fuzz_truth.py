"""Shared by all fuzzers: hostile values, damage to documents and bytes, and the error for a wrong reading."""

import random
from typing import Any


class WrongReadingError(AssertionError):
    """An input was read as something that it does not say."""


def require(holds: Any, message: str) -> None:
    """Raise WrongReadingError unless `holds`."""
    if not holds:
        raise WrongReadingError(message)


def deep(levels: int) -> list[Any]:
    """A list in a list in a list."""
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


#: Values that can stand in JSON.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 1.5, -0.0, 1e308, 1e-320, 10**400, -(10**400), 2**63, 2**64, float("nan"),
    float("inf"), "", " ", "x", "x" * 5_000, "x y " * 2_000, "\ud800", "\0", "\n", "💥", "../..", "/dev/zero", "adamw",
    "default", [], {}, [1], ["a", "a"], {"x" * 5_000: 1}, {"": {}}, [None], [[[1]]], deep(200), [0] * 1_000,
)  # fmt: skip


def hostile(rng: random.Random) -> Any:
    """One of VALUES."""
    return rng.choice(VALUES)


def changed(rng: random.Random, document: Any) -> Any:
    """A JSON document with one thing in it replaced, removed, added or doubled."""
    if isinstance(document, dict) and document and rng.random() < 0.85:
        key = rng.choice(list(document))
        act = rng.random()
        if act < 0.55:
            return {**document, key: changed(rng, document[key])}
        if act < 0.75:
            return {name: value for name, value in document.items() if name != key}
        if act < 0.85:
            return {**document, rng.choice(["x", "", "x" * 5_000, "\udfff", "schema"]): hostile(rng)}
        return {**document, key: hostile(rng)}
    if isinstance(document, list) and document and rng.random() < 0.7:
        place = rng.randrange(len(document))
        return [*document[:place], changed(rng, document[place]), *document[place + rng.randint(0, 1) :]]
    return hostile(rng)


def damaged(rng: random.Random, content: bytes) -> bytes:
    """Bytes cut off, changed, doubled, or with others in front."""
    place = rng.randrange(len(content) + 1)
    act = rng.randrange(6)
    if act == 0:
        return content[:place]
    if act == 1:
        return content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :]
    if act == 2:
        return content[:place] + content[place // 2 :]
    if act == 3:
        return rng.choice([b"\xff\xfe", b"\0", b"PK\3\4", b"\x1f\x8b"]) + content
    if act == 4:
        return b""
    return rng.randbytes(rng.randrange(200))
