"""How far a run is, in words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaopt.tuning import Progress


def details(progress: "Progress") -> list[str]:
    """The best objective and the time left, as far as they are known."""
    from metaopt.tuning import duration  # loads Optuna, which whoever has progress to tell has loaded

    parts = [] if progress.best is None else [f"best objective {progress.best:.3f}"]
    return parts if progress.seconds_left is None else [*parts, f"about {duration(progress.seconds_left)} left"]
