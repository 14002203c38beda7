"""How far a run is, in words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaopt.tuning import Progress


def details(progress: "Progress") -> list[str]:
    """The best objective and the time left, as far as they are known."""
    said = [] if progress.best is None else [f"best objective {progress.best:.3f}"]
    return said if progress.seconds_left is None else [*said, f"about {_duration(progress.seconds_left)} left"]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
