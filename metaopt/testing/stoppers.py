"""What every early-stopping policy must do."""

from collections.abc import Callable
from typing import Any

CHECKS: tuple[Callable[[Any], None], ...] = ()
