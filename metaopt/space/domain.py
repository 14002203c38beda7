"""The values that a person may give, as an interval of the real line."""

from dataclasses import dataclass
from functools import lru_cache

from metaopt.errors import InputError, quoted


@dataclass(frozen=True, slots=True)
class Domain:
    """An interval of the real line, written as in mathematics: `[0, 1)`, `(0, inf)`."""

    low: float
    high: float
    closed_low: bool = True
    closed_high: bool = True

    @classmethod
    @lru_cache(maxsize=256)  # every check of a value reads its interval
    def parse(cls, text: str) -> "Domain":
        """Read `"[0, 1)"`; a square bracket includes the end, a round one does not."""
        stripped = text.strip()
        try:
            low, high = (float(part) for part in stripped[1:-1].split(","))
            if stripped[0] not in "[(" or stripped[-1] not in "])" or not low <= high:
                raise ValueError
        except (ValueError, IndexError):
            raise InputError(f"An interval looks like '[0, 1)', got {quoted(text)}.") from None
        return cls(low, high, stripped[0] == "[", stripped[-1] == "]")

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.closed_low else value > self.low
        below = value <= self.high if self.closed_high else value < self.high
        return above and below

    def __str__(self) -> str:
        left, right = "[" if self.closed_low else "(", "]" if self.closed_high else ")"
        return f"{left}{self.low:g}, {self.high:g}{right}"
