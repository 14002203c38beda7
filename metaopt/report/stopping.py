"""What the recipe's stopping policy costs, and what it saves."""

from metaopt.report.tables import describe
from metaopt.tuning import TOLERATED_REGRET, TuneResult


def stopping(result: TuneResult) -> str:
    """Steps saved and quality given up by the recipe's stopping policy; empty where no policy was looked for."""
    if not result.front:
        return ""
    chosen = result.stopping
    if chosen is None:
        return (
            f"No stopping policy saved steps and gave up at most {TOLERATED_REGRET:g} of the distance between a task's "
            "references: the recipe trains to the end."
        )
    return (
        f"The recipe stops by {describe(chosen.stopper)}: replayed over the finalists' curves it saves "
        f"{chosen.steps_saved:.0%} of the steps and gives up {chosen.regret:.4f} of the distance between a task's "
        f"references; {TOLERATED_REGRET:g} is tolerated."
    )
