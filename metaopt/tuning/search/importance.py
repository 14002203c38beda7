"""Which choices mattered: Optuna's own importances over the candidates of a study."""

from collections.abc import Sequence

import optuna

from metaopt.tuning.ledger.evaluations import Proposal, RaceOutcome
from metaopt.tuning.result import TuneResult
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.trial_stand_ins import ReplayChooser, quietly

Judged = Sequence[tuple[Proposal, RaceOutcome]]

#: Fewer candidates than this say nothing.
FEWEST = 10


def importances(result: TuneResult) -> dict[str, tuple[str, dict[str, float]]]:
    """Shares of the objective's variance, the largest first.

    Every candidate is judged by its objective after the first block of tasks, which all of them have run on: later
    objectives are over other tasks.

    Returns:
        `{name: (title, {parameter: share})}`: `importance` of the choices, among the candidates that had a controller
        to choose, and `importance_optimizer` of the hyperparameters of the recipe's optimizer, among its candidates.
    """
    chosen = result.recipe.configuration.optimizer
    controlled = [pair for pair in result.judged if "controller" in pair[0].params]
    own = [pair for pair in result.judged if pair[0].params and pair[0].configuration.optimizer == chosen]
    shares_of = {
        "importance": ("Which choice mattered", _importance(controlled, result.space)),
        "importance_optimizer": (f"What mattered with {chosen}", _importance(own, result.space)),
    }
    return {name: (title, shares) for name, (title, shares) in shares_of.items() if len(shares) > 1}


def _importance(judged: Judged, space: JointSpace) -> dict[str, float]:
    """Shares of the parameters that all of these candidates have; none where there is too little to tell."""
    with quietly():
        study = optuna.create_study(direction="maximize")
        study.add_trials([_trial(proposal, outcome, space) for proposal, outcome in judged])
        trials = study.get_trials(deepcopy=False)
        if len(trials) < FEWEST or len({trial.value for trial in trials}) < 2:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _trial(proposal: Proposal, outcome: RaceOutcome, space: JointSpace) -> optuna.trial.FrozenTrial:
    recorder = ReplayChooser(proposal.params)
    space.suggest(recorder)
    first = outcome.rungs[min(outcome.rungs)]
    return optuna.trial.create_trial(params=dict(proposal.params), distributions=recorder.distributions, value=first)
