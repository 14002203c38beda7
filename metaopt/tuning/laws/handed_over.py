"""The law of the recipe that a study hands over."""

from collections.abc import Sequence
from dataclasses import replace

from metaopt.contracts import AnyTask
from metaopt.tuning.laws.fit import FittedLaw
from metaopt.tuning.laws.sweep import sweep_variants, with_fitted_law
from metaopt.tuning.running.cost import SWEPT
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.progress import TimeUpError
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.search import SearchResult


def with_law(result: SearchResult, tasks: Sequence[AnyTask], space: JointSpace, evaluator: Evaluator) -> SearchResult:
    """What a search found, its recipe with the law that sweeps over a ladder gave.

    Nothing changes where the corpus has no ladder, the recipe was not tuned, its exponents were fixed, or time is up.

    Args:
        result: of the study's main search.
        tasks: of that search.
        space: of the study.
        evaluator: runs what is missing.
    """
    if not space.has_laws or space.states_laws or not result.outcome.is_tuned or result.interrupted:
        return result
    configuration = result.recipe.configuration
    evaluator.tracker.begin(SWEPT)
    try:
        changed, found = with_fitted_law(configuration, tasks, evaluator)
    except TimeUpError:
        evaluator.announce("Time was up before rates were swept: the recipe keeps the priors of its law.")
        return result
    for name, own in found.items():
        evaluator.announce(_line(name, own))
    record = {name: {"octaves, prior and fit": list(own.errors), "wins": own.wins} for name, own in found.items()}
    provenance = {**result.recipe.provenance, **({"rate_law": record} if record else {})}
    recipe = replace(result.recipe, configuration=changed, provenance=provenance)
    swept = tuple(variant for name in found for variant in sweep_variants(configuration, name, evaluator.registry))
    return replace(result, recipe=recipe, portfolio=(recipe, *result.portfolio[1:]), swept=swept)


def _line(name: str, own: FittedLaw) -> str:
    before, after = own.errors
    if not own.wins and after < before:
        return f"The rate of {name} keeps its law: a fit takes a ladder of three families or more, to leave one out."
    if not own.wins:
        return (
            f"The rate of {name} keeps its law: fitted exponents predict families that were left out no better "
            f"({after:.2f} octaves, {before:.2f} as it is)."
        )
    exponents = ", ".join(f"{axis} {value:.2f}" for axis, value in own.law.exponents.items())
    kept = [axis for axis in own.law.exponents if axis not in own.law.measured]
    priors = f"; {', '.join(kept)} vary too little here, and keep their priors" if kept else ""
    return (
        f"The rate of {name} follows a fitted law: {exponents}{priors}; in families that were left out it is "
        f"{after:.2f} octaves off, {before:.2f} before."
    )
