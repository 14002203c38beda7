"""Which choices mattered: Optuna's own importances over the candidates of a study."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import optuna

from metaopt.tuning.ledger.evaluations import Proposal, RaceOutcome
from metaopt.tuning.result import TuneResult
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.trial_stand_ins import ReplayChooser, quietly

Judged = Sequence[tuple[Proposal, RaceOutcome]]

#: Fewer candidates than this say nothing.
FEWEST = 10
#: Of more candidates than this, so many are looked at, spread evenly over their ranking: the shares are the same, and
#: the time does not grow.
MOST = 500
#: Share of the candidates that count as the best, and how many of them make shares that can be relied upon (Optuna).
BEST_SHARE = 0.1
FEWEST_BEST = 5


@dataclass(frozen=True)
class Importance:
    """How much each choice mattered.

    Attributes:
        title: of what.
        shares: by parameter, adding up to 1, the largest first.
        candidates: that were looked at.
        best: how many of these count as the best.
    """

    title: str
    shares: dict[str, float]
    candidates: int
    best: int

    @property
    def is_rough(self) -> bool:
        """Whether the best are too few for more than a hint."""
        return self.best < FEWEST_BEST


def importances(result: TuneResult) -> dict[str, Importance]:
    """Shares by PED-ANOVA: how differently the best tenth of the candidates chose a parameter, next to all of them.

    The importance of a parameter is the Pearson divergence of its distribution among the best from that among all
    (Watanabe et al. 2023, PED-ANOVA, https://arxiv.org/abs/2304.10255). Every candidate is judged by its objective
    after the first block of tasks, which all of them have run on: later objectives are over other tasks.

    Returns:
        `importance` of the choices, among the candidates that had a controller to choose, and `importance_optimizer` of
        the hyperparameters of the recipe's optimizer, among its candidates.
    """
    chosen = result.recipe.configuration.optimizer
    controlled = [pair for pair in result.judged if "controller" in pair[0].params]
    own = [pair for pair in result.judged if pair[0].params and pair[0].configuration.optimizer == chosen]
    known = {
        "importance": _importance("Which choice mattered", controlled, result.space),
        "importance_optimizer": _importance(f"What mattered with {chosen}", own, result.space),
    }
    return {name: importance for name, importance in known.items() if len(importance.shares) > 1}


def _importance(title: str, judged: Judged, space: JointSpace) -> Importance:
    """Shares of the parameters that all of these candidates have; none where there is too little to tell."""
    ranked = sorted(judged, key=lambda pair: -_first_objective(pair[1]))
    if len(ranked) > MOST:
        ranked = [ranked[position * len(ranked) // MOST] for position in range(MOST)]
    best = math.ceil(BEST_SHARE * len(ranked))
    if len(ranked) < FEWEST or len({_first_objective(outcome) for _, outcome in ranked}) < 2:
        return Importance(title, {}, len(ranked), best)
    with quietly():
        study = optuna.create_study(direction="maximize")
        study.add_trials([_trial(proposal, outcome, space) for proposal, outcome in ranked])
        shared = optuna.search_space.intersection_search_space(study.get_trials(deepcopy=False))
        shares = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator(), params=list(shared)
        )
    return Importance(title, shares, len(ranked), best)


def _first_objective(outcome: RaceOutcome) -> float:
    return outcome.rungs[min(outcome.rungs)]


def _trial(proposal: Proposal, outcome: RaceOutcome, space: JointSpace) -> optuna.trial.FrozenTrial:
    recorder = ReplayChooser(proposal.params)
    space.suggest(recorder)
    params, distributions = dict(proposal.params), recorder.distributions
    return optuna.trial.create_trial(params=params, distributions=distributions, value=_first_objective(outcome))
