"""Optuna tunes the hyperparameters of a stopper by replay, for little regret and many steps saved at once.

The sampler is multi-objective TPE (https://doi.org/10.1145/3377930.3389817): at equal trials
`benchmarks/stopping/policy_search.py` finds it ahead of NSGA-II and of random settings.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import optuna

from metaopt.plugin import StopperSpec
from metaopt.space import Value
from metaopt.tuning.search.trial_stand_ins import quietly
from metaopt.tuning.stopping.stopping import suggest

#: Policies that are asked for, played side by side, and told together.
BATCH = 25

#: From a seed to a sampler.
NewSampler: TypeAlias = Callable[[int], optuna.samplers.BaseSampler]


def new_sampler(seed: int) -> optuna.samplers.BaseSampler:
    """The sampler of choice, seeded; hyperparameters that others depend on are modelled in groups."""
    with quietly():
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)


def search_policies(
    spec: StopperSpec,
    play: Callable[[Sequence[Mapping[str, Value]]], Sequence[tuple[float, float]]],
    signals: frozenset[str],
    trials: int,
    sampler: optuna.samplers.BaseSampler,
) -> list[dict[str, Value]]:
    """Settings that the sampler proposes, in the order in which it does.

    Args:
        spec: a stopper with a pure form.
        play: regret and share of steps saved of each setting.
        signals: what the curves have; settings that require others are not played, and left out.
        trials: how many to propose.
        sampler: multi-objective, and new: a used one proposes other settings.
    """
    with quietly():
        study = optuna.create_study(directions=("minimize", "maximize"), sampler=sampler)
    playable: list[dict[str, Value]] = []
    for begin in range(0, trials if spec.space else 0, BATCH):
        asked = [study.ask() for _ in range(min(BATCH, trials - begin))]
        settings = [suggest(spec, trial) for trial in asked]
        able = [row for row, setting in enumerate(settings) if spec.required(setting) <= signals]
        results = dict(zip(able, play([settings[row] for row in able]) if able else (), strict=True))
        for row, trial in enumerate(asked):
            unable = row not in results
            state = optuna.trial.TrialState.FAIL if unable else optuna.trial.TrialState.COMPLETE
            study.tell(trial, None if unable else results[row], state=state)
        playable += [settings[row] for row in able]
    return playable
