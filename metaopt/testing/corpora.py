"""What every corpus must hold."""

from collections.abc import Callable
from typing import Any

CHECKS: tuple[Callable[[Any], None], ...] = ()
