"""Chooses a stopper by replay: thousands of policies played over recorded curves, for quality against steps saved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metaopt.contracts import Curve, CurveBatch, Observation, StopperTheta, first_stop
from metaopt.deploy import StopperConfiguration, build_stopper, stopper_requires
from metaopt.errors import InputError, PluginError
from metaopt.plugin import Registry, StopperSpec
from metaopt.space import Value, defaults, encode, is_active, ordered
from metaopt.tuning.chooser import Chooser, ask
from metaopt.tuning.judging.noise import best_so_far
from metaopt.tuning.judging.scores import AnyScale, RatioScale
from metaopt.tuning.search.trial_stand_ins import RandomChooser
from metaopt.tuning.stopping.cross_fit import cross_fit

#: Random settings tried for each stopper plugin, besides its defaults.
POLICIES_PER_PLUGIN = 100
#: Answers that are asked for at once: policies × runs × validations; what belongs to one validation stays in cache.
AT_ONCE = 4_000_000
#: The default policy is the one that saves most steps among those that give up at most this much, in units of the
#: distance between a task's references.
TOLERATED_REGRET = 0.005


@dataclass(frozen=True)
class PolicyResult:
    """What a policy would have done to the recorded runs.

    Attributes:
        stopper: the policy.
        regret: mean loss of quality, in units of the distance between each task's references.
        steps_saved: mean fraction of the planned steps that were not taken.
    """

    stopper: StopperConfiguration
    regret: float
    steps_saved: float


@dataclass(frozen=True)
class RecordedRun:
    """A curve, how its task is scored, the task's sign (-1 where the metric is better when higher), and its name."""

    curve: Curve
    scale: AnyScale
    sign: float = 1.0
    task: str = ""


def replayable(registry: Registry, names: Sequence[str] | None = None) -> list[StopperSpec]:
    """The stopper plugins that can be tuned by replay: those with a pure form.

    Args:
        registry: where plugins are.
        names: of the plugins to choose from; None for all.

    Raises:
        PluginError: a name is unknown, or its stopper has no pure form.
    """
    named = [registry.get(StopperSpec, name) for name in (registry.names(StopperSpec) if names is None else names)]
    able = [spec for spec in named if spec.fires is not None]
    unable = [spec.name for spec in named if spec.fires is None]
    if names is not None and unable:
        known = [spec.name for spec in replayable(registry)]
        raise PluginError(f"Stopper {unable[0]!r} has no pure form to tune by replay; choose from {known}.")
    return able


def replay_policies(
    runs: Sequence[RecordedRun], registry: Registry, seed: int, names: Sequence[str] | None = None
) -> list[PolicyResult]:
    """Play every replayable stopper over the runs, at its defaults and many random settings; errors as there.

    Where no names are given, only stoppers that plugins propose. A fitted one is measured on tasks that it was not
    fitted to (on runs, where there is one task), and holds what all of them taught; it is left out where a population
    is too small to be cut in two.
    """
    useful = [run for run in runs if not run.curve.diverged and len(run.curve.values) > 1]
    if not useful:
        return []
    recordings = [
        _Recording.of([run for run in useful if run.sign == sign]) for sign in sorted({run.sign for run in useful})
    ]
    specs = [spec for spec in replayable(registry, names) if spec.proposed or names is not None]
    return [result for spec in specs for result in _replay_plugin(spec, recordings, seed)]


def pareto_front(results: Sequence[PolicyResult]) -> list[PolicyResult]:
    """Policies that no other one beats in both respects, from the most careful to the most thrifty."""
    front: list[PolicyResult] = []
    for result in sorted(results, key=lambda policy: (policy.regret, -policy.steps_saved)):
        if not front or result.steps_saved > front[-1].steps_saved:
            front.append(result)
    return front


def default_policy(results: Sequence[PolicyResult], tolerated: float = TOLERATED_REGRET) -> PolicyResult | None:
    """The policy of a recipe: most steps saved at a tolerated regret; None if none saves anything there."""
    fair = [result for result in results if result.regret <= tolerated and result.steps_saved > 0]
    return max(fair, key=lambda policy: (policy.steps_saved, -policy.regret), default=None)


def with_guard(policy: PolicyResult | None, registry: Registry) -> StopperConfiguration | None:
    """The policy, or a stop on divergence, whichever comes first; just one of them where the other is missing."""
    known = registry.names(StopperSpec)
    guard = StopperConfiguration("divergence") if "divergence" in known else None
    if policy is None or guard is None or "any" not in known:
        return policy.stopper if policy is not None else guard
    return StopperConfiguration("any", stoppers=(policy.stopper, guard))


def is_chosen(policy: PolicyResult, chosen: StopperConfiguration | None) -> bool:
    """Whether the recipe stops by this policy, with or without the guard against divergence beside it."""
    return chosen is not None and policy.stopper in (chosen, *chosen.stoppers)


@dataclass(frozen=True)
class _Recording:
    """Runs of one sign side by side, their quality at each validation, shape (n, T), and their tasks."""

    batch: CurveBatch
    quality: NDArray[np.float64]
    tasks: tuple[str, ...]

    @classmethod
    def of(cls, runs: Sequence[RecordedRun]) -> "_Recording":
        batch = CurveBatch.from_curves([run.curve for run in runs], runs[0].sign)
        quality = np.stack([_quality(run, batch.values.shape[1]) for run in runs])
        return cls(batch, quality, tuple(run.task for run in runs))

    def play(
        self, spec: StopperSpec, settings: Sequence[Mapping[str, Value]], rows: NDArray[np.int64], theta: StopperTheta
    ) -> tuple[NDArray[np.float64], ...]:
        """Regret and share of steps saved of each policy on the runs at these rows, shape (settings, rows)."""
        batch = self.batch.rows(rows)
        stops = np.minimum(stops_of(spec, settings, batch, theta), self.quality.shape[1] - 1)
        regret = self.quality[rows, -1] - self.quality[rows, stops]
        return regret, 1 - batch.steps[np.arange(len(rows)), stops] / batch.horizon[:, 0]


def _replay_plugin(spec: StopperSpec, recordings: Sequence[_Recording], seed: int) -> list[PolicyResult]:
    batches = [recording.batch for recording in recordings]
    settings = playable(spec, batches, seed)
    if not settings:
        return []

    def play(batch: int, rows: NDArray[np.int64], theta: StopperTheta) -> tuple[NDArray[np.float64], ...]:
        return recordings[batch].play(spec, settings, rows, theta)

    theta: StopperTheta = {}
    if spec.fit is None:
        parts = [play(batch, np.arange(len(curves.values)), theta) for batch, curves in enumerate(batches)]
        played = tuple(np.concatenate(quantities, axis=1) for quantities in zip(*parts, strict=True))
    else:
        fit = cross_fit(spec, batches, _groups(recordings), seed)
        if fit is None:
            return []
        theta, played = fit.theta, fit.play(play)
    regret, saved = (quantity.mean(axis=1) for quantity in played)
    return [
        PolicyResult(StopperConfiguration(spec.name, setting, theta=theta), float(regret[row]), float(saved[row]))
        for row, setting in enumerate(settings)
    ]


def _groups(recordings: Sequence[_Recording]) -> list[NDArray[np.int64]]:
    """What a fitted stopper must not see parts of: a task, or where there is one task alone, a run."""
    tasks = [np.asarray(recording.tasks) for recording in recordings]
    _, groups = np.unique(np.concatenate(tasks), return_inverse=True)
    if groups.max() == 0:
        groups = np.arange(len(groups))
    return np.split(groups, np.cumsum([len(names) for names in tasks])[:-1])


def playable(
    spec: StopperSpec, batches: Sequence[CurveBatch], seed: int, count: int = POLICIES_PER_PLUGIN
) -> list[dict[str, Value]]:
    """A stopper's defaults and so many random settings, without those that require signals which curves lack."""
    known = signals_of(batches)
    return [setting for setting in _settings(spec, seed, count) if spec.required(setting) <= known]


def signals_of(batches: Sequence[CurveBatch]) -> frozenset[str]:
    """What a stopper may require of curves: the signals that all of them have, and their horizon."""
    return frozenset.intersection(*(frozenset(batch.signals) for batch in batches)) | {"horizon"}


def stops_of(
    spec: StopperSpec, settings: Sequence[Mapping[str, Value]], batch: CurveBatch, theta: StopperTheta | None = None
) -> NDArray[np.int64]:
    """Index of the validation at which each policy stops each run, shape (settings, n); T where it never does.

    Args:
        spec: a stopper with a pure form.
        settings: one or more, as people write them.
        batch: n curves of T validations.
        theta: of a fitted one.
    """
    fires = spec.pure(theta or {})
    size, stops = max(1, AT_ONCE // max(batch.values.size, 1)), []
    for begin in range(0, len(settings), size):
        numbers = [encode(spec.space, setting) for setting in settings[begin : begin + size]]
        hparams = {name: np.asarray([number[name] for number in numbers]).reshape(-1, 1, 1) for name in spec.space}
        stops.append(first_stop(np.broadcast_to(fires(batch, hparams), (len(numbers), *batch.values.shape))))
    return np.concatenate(stops)


def _settings(spec: StopperSpec, seed: int, count: int) -> Iterator[dict[str, Value]]:
    yield defaults(spec.space)
    chooser = RandomChooser(np.random.default_rng(seed))
    for _ in range(count):
        yield suggest(spec, chooser)


def suggest(spec: StopperSpec, chooser: Chooser) -> dict[str, Value]:
    """Ask for one setting; hyperparameters whose condition does not hold keep their defaults."""
    values = defaults(spec.space)
    for name in ordered(spec.space):
        if is_active(spec.space, name, values):
            values[name] = ask(chooser, name, spec.space[name])
    return values


def _quality(run: RecordedRun, length: int) -> NDArray[np.float64]:
    """Best quality so far at each validation, in units of the references' distance, padded with its last value."""
    best = best_so_far(run.curve)
    if isinstance(run.scale, RatioScale):
        relative = -best / max(abs(run.scale.baseline), 1e-12)
    else:
        relative = run.scale.relative(best)
    return np.concatenate([relative, np.full(length - len(relative), relative[-1])])


def stop_index(curve: Curve, stopper: StopperConfiguration | None, registry: Registry, sign: float) -> int:
    """Index of the validation at which the stopper ends this run; the last one where it never says stop.

    The deployed stopper observes the curve one validation after the other, as it would in a loop.

    Raises:
        InputError: the stopper requires a signal that the curve lacks.
    """
    last = len(curve.steps) - 1
    if stopper is None:
        return last
    missing = sorted(stopper_requires(stopper, registry) - set(curve.signals) - {"horizon"})
    if missing:
        raise InputError(
            f"The stopper {stopper.name!r} requires {', '.join(missing)}, which recorded runs do not have "
            f"(they have {sorted(curve.signals)}); compare the recipe with another stopper or with none."
        )
    live = build_stopper(stopper, mode="min" if sign > 0 else "max", registry=registry)
    for index in range(last + 1):
        observation = Observation(
            step=int(curve.steps[index]),
            value=sign * float(curve.values[index]),
            horizon=curve.horizon,
            signals={name: float(series[index]) for name, series in curve.signals.items()},
        )
        if live.observe(observation).stop:
            return index
    return last
