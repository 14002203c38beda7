"""Racing against full evaluation, on synthetic corpora where a candidate's true quality is known.

    python -m benchmarks.tuning.racing [--corpora 80] [--candidates 200] [--tasks 20] [--seed 0] [--workers 2] [--json]

A corpus has 4 families of tasks; as many tasks again, of the same families, are held out. A candidate is a kind (of 3)
and 4 numbers in [0, 1]. Its score on a task, as tuning sees it (0 the baseline, 1 the long-tuned run, in [-1, 2]), is

    height(kind, family) + shift(kind, task) - sum_d w_d(kind, task) · (x_d - optimum_d(kind, task))² + noise,

    optimum(kind, task) = optimum(kind) + N(0, .08²) for the family + N(0, .06²) for the task,
    w(kind, task) = w(kind) · exp(N(0, .5²)),    w(kind) = 6, 3, 1 and .3 in an order of its own,

and where x_0, the learning rate, is more than .3 above the optimum the run diverges: -1. Heights differ by N(0, .15²)
between kinds and as much between families, shifts by N(0, .1²). A quarter of the tasks are noisy (.3), the others are
not (.1): noise is N(0, noise²), drawn from candidate, task and seed: all strategies see the same runs. No training.

Strategies ask in batches of 40 and choose, as a study does, among the five best that ran on all tasks, by two more
seeds each, which count. `racing` is metaopt's: its own heats, rungs, order of tasks and objective, and what it tells
TPE of candidates that it dropped: an estimate of what they would score on all tasks. `told PRUNED` and `told FAIL` are
the same race, told as Optuna's pruners do. `Wilcoxon` races a batch at a time, told PRUNED, and prunes what is worse
than the batch's best with p < .05, by a one-sided signed-rank test over the tasks done, with Holm's correction over all
tests of a batch. The held-out score is the chosen candidate's objective on the held-out
tasks, without noise. Intervals are 95 % bootstraps over corpora; differences are paired.
"""

import argparse
import hashlib
import json
import statistics
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from scipy.stats import wilcoxon

import metaopt
from metaopt.tuning.judging.scores import BEST, WORST, objective
from metaopt.tuning.judging.statistics import Interval, bootstrap
from metaopt.tuning.search.estimates import filled
from metaopt.tuning.search.final_rounds import FINALISTS
from metaopt.tuning.search.racing import Standing, Survivors, best_share, ends_heat, race, race_order, rungs
from metaopt.tuning.search.study import BATCH
from metaopt.tuning.seeds import RACE_SEED

KINDS, NUM_NUMBERS, NUM_FAMILIES = ("a", "b", "c"), 4, 4
WEIGHTS = (6.0, 3.0, 1.0, 0.3)
CLIFF = 0.3
#: Seeds on which the best run again.
FINAL_SEEDS = (1, 2)
LEVEL = 0.05
DISTRIBUTIONS: Mapping[str, BaseDistribution] = {
    "kind": CategoricalDistribution(KINDS),
    **{f"{kind}.{index}": FloatDistribution(0.0, 1.0) for kind in KINDS for index in range(NUM_NUMBERS)},
}
OURS, FULL = "racing", "full TPE"


@dataclass(frozen=True)
class Candidate:
    """A kind and its numbers in [0, 1]."""

    kind: str
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class Surface:
    """Quality of one kind on one task.

    Attributes:
        height: quality at the optimum.
        optimum: shape (numbers,).
        weights: curvature of each number, shape (numbers,).
    """

    height: float
    optimum: NDArray[np.float64]
    weights: NDArray[np.float64]

    def quality(self, numbers: Sequence[float]) -> float:
        away = np.asarray(numbers) - self.optimum
        if away[0] > CLIFF:
            return WORST
        return float(np.clip(self.height - self.weights @ away**2, WORST, BEST))


@dataclass(frozen=True)
class SyntheticTask:
    """A task of a synthetic corpus: a name, a family, a surface for each kind, and seed noise."""

    task: metaopt.BlackBoxTask
    surfaces: Mapping[str, Surface]
    noise: float

    def quality(self, candidate: Candidate) -> float:
        return self.surfaces[candidate.kind].quality(candidate.numbers)

    def score(self, candidate: Candidate, seed: int) -> float:
        quality = self.quality(candidate)
        if quality == WORST:
            return WORST
        digest = hashlib.sha256(f"{candidate}|{self.task.name}|{seed}".encode()).digest()
        drawn = np.random.default_rng(int.from_bytes(digest[:8], "little")).standard_normal()
        return float(np.clip(quality + self.noise * drawn, WORST, BEST))


@dataclass(frozen=True)
class SyntheticCorpus:
    """Tasks to tune on, in the order of a race, and tasks that only the verdict sees."""

    tuning: tuple[SyntheticTask, ...]
    held_out: tuple[SyntheticTask, ...]


@dataclass
class Candidates:
    """All candidates proposed so far, by number."""

    candidates: list[Candidate]
    params: list[dict[str, Any]]
    standings: list[Standing]


@dataclass(frozen=True)
class Strategy:
    """How candidates are proposed, judged and dropped.

    Attributes:
        sampler: makes Optuna's sampler from a seed.
        sizes: numbers of tasks after which candidates are judged, the last being all.
        survivors: chooses the candidates that go on, see `metaopt.tuning.search.racing.race`.
        ends_heat: whether the heat ends after this batch, so that its survivors go on.
        unfinished_state: the state of candidates that did not finish, as Optuna is told; None where it is told an
            estimate of their objective instead.
    """

    sampler: Callable[[int], optuna.samplers.BaseSampler]
    sizes: Callable[[int], list[int]]
    survivors: Survivors
    ends_heat: Callable[[int], bool]
    unfinished_state: TrialState | None = None


def synthetic_corpus(seed: int, num_tasks: int) -> SyntheticCorpus:
    """Tuning and held-out tasks of the same families."""
    generator = np.random.default_rng((7, seed))
    optima = {kind: generator.uniform(0.25, 0.75, NUM_NUMBERS) for kind in KINDS}
    weights = {kind: generator.permutation(WEIGHTS) for kind in KINDS}
    heights = {kind: 0.8 + 0.15 * generator.standard_normal() for kind in KINDS}
    families = []
    for _ in range(NUM_FAMILIES):
        centres = {kind: optima[kind] + 0.08 * generator.standard_normal(NUM_NUMBERS) for kind in KINDS}
        families.append((centres, {kind: heights[kind] + 0.15 * generator.standard_normal() for kind in KINDS}))

    def task(prefix: str, index: int) -> SyntheticTask:
        centres, levels = families[index % NUM_FAMILIES]
        surfaces = {
            kind: Surface(
                height=levels[kind] + 0.1 * generator.standard_normal(),
                optimum=centres[kind] + 0.06 * generator.standard_normal(NUM_NUMBERS),
                weights=weights[kind] * np.exp(0.5 * generator.standard_normal(NUM_NUMBERS)),
            )
            for kind in KINDS
        }
        noise = 0.3 if generator.random() < 0.25 else 0.1
        name = f"{prefix}{index:02d}"
        return SyntheticTask(metaopt.BlackBoxTask(name, f"family{index % NUM_FAMILIES}", _never), surfaces, noise)

    tuning = {synthetic.task.name: synthetic for synthetic in (task("tuning", index) for index in range(num_tasks))}
    order = [tuning[synthetic.name] for synthetic in race_order([synthetic.task for synthetic in tuning.values()])]
    return SyntheticCorpus(tuple(order), tuple(task("held", index) for index in range(num_tasks)))


def _never(recipe: metaopt.Recipe, seed: int) -> Iterator[tuple[float, ...]]:
    raise NotImplementedError("Synthetic tasks are not trained.")


def suggest(trial: optuna.Trial) -> Candidate:
    """A conditional space, as that of optimizers: each kind has numbers of its own."""
    kind = trial.suggest_categorical("kind", KINDS)
    return Candidate(kind, tuple(trial.suggest_float(f"{kind}.{index}", 0.0, 1.0) for index in range(NUM_NUMBERS)))


def weighed(scores: Mapping[str, float]) -> float:
    """The objective that tuning maximises, all tasks weighing the same."""
    return objective(scores, dict.fromkeys(scores, 1.0))


def run(strategy: Strategy, corpus: SyntheticCorpus, num_candidates: int, seed: int) -> tuple[float, int]:
    """Held-out objective of what a strategy chooses, and the evaluations that it took."""
    known, heat, used = Candidates([], [], []), [], 0
    sizes, batches = strategy.sizes(len(corpus.tuning)), -(-num_candidates // BATCH)

    def judge(running: Sequence[Standing], tasks: Sequence[SyntheticTask]) -> None:
        nonlocal used
        for standing in running:
            standing.scores |= {
                task.task.name: task.score(known.candidates[standing.number], RACE_SEED) for task in tasks
            }
            standing.rungs[len(standing.scores)] = weighed(standing.scores)
        used += len(running) * len(tasks)

    for batch in range(batches):
        study = optuna.create_study(direction="maximize", sampler=strategy.sampler(seed * batches + batch))
        study.add_trials(sampled_trials(strategy, corpus, known))
        for _ in range(min(BATCH, num_candidates - len(known.candidates))):
            trial = study.ask()
            heat.append(Standing(len(known.candidates)))
            known.candidates.append(suggest(trial))
            known.params.append(dict(trial.params))
            known.standings.append(heat[-1])
        judge([standing for standing in heat if not standing.scores], corpus.tuning[: sizes[0]])
        if strategy.ends_heat(batch) or batch == batches - 1:
            earlier = known.standings[: -len(heat)]
            race(heat, earlier, corpus.tuning, judge, sizes=sizes, survivors=strategy.survivors)
            heat = []
    winner, more = final(corpus, known)
    return weighed({task.task.name: task.quality(winner) for task in corpus.held_out}), used + more


def sampled_trials(strategy: Strategy, corpus: SyntheticCorpus, known: Candidates) -> list[optuna.trial.FrozenTrial]:
    """The candidates so far as trials that Optuna's sampler learns from."""
    names = [task.task.name for task in corpus.tuning]
    table = np.asarray([[standing.scores.get(name, np.nan) for name in names] for standing in known.standings])
    estimates = np.clip(filled(table), WORST, BEST) if len(table) else table
    trials = []
    for params, standing, scores in zip(known.params, known.standings, estimates, strict=True):
        last, state = standing.rungs[max(standing.rungs)], TrialState.COMPLETE
        if strategy.unfinished_state is None:
            last = weighed(dict(zip(names, scores.tolist(), strict=True)))
        elif not standing.complete:
            state = strategy.unfinished_state
        trials.append(
            create_trial(
                params=params,
                distributions={name: DISTRIBUTIONS[name] for name in params},
                value=None if state == TrialState.FAIL else last,
                intermediate_values=dict(standing.rungs),
                state=state,
            )
        )
    return trials


def final(corpus: SyntheticCorpus, known: Candidates) -> tuple[Candidate, int]:
    """The best of the finalists by more seeds, and the evaluations that took."""
    finished = [standing for standing in known.standings if standing.complete]
    best = sorted(finished, key=lambda standing: -standing.rungs[len(corpus.tuning)])[:FINALISTS]
    means = []
    for standing in best:
        scores = {
            task.task.name: statistics.fmean(
                task.score(known.candidates[standing.number], seed) for seed in FINAL_SEEDS
            )
            for task in corpus.tuning
        }
        means.append(weighed(scores))
    return known.candidates[best[int(np.argmax(means))].number], len(best) * len(FINAL_SEEDS) * len(corpus.tuning)


# Strategies


def tpe(seed: int) -> optuna.samplers.BaseSampler:
    """The sampler of a study."""
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def at_random(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def whole(num_tasks: int) -> list[int]:
    return [num_tasks]


def every_batch(batch: int) -> bool:
    return True


def not_proven_worse(
    running: Sequence[Standing], size: int, earlier: Sequence[float], num_judgements: int = 3
) -> list[Standing]:
    """Candidates that the signed-rank test does not prove worse than the best; Holm's correction over a batch."""
    table = np.asarray([list(standing.scores.values()) for standing in running])
    best = int(np.argmax([standing.rungs[size] for standing in running]))
    chances = {
        position: float(wilcoxon(table[best] - table[position], alternative="greater", zero_method="zsplit").pvalue)
        for position in range(len(running))
        if position != best and np.any(table[best] != table[position])
    }
    tests = num_judgements * max(len(running) - 1, 1)
    dropped: set[int] = set()
    for rank, position in enumerate(sorted(chances, key=lambda standing: chances[standing])):
        if chances[position] > LEVEL / (tests - rank):
            break
        dropped.add(position)
    return [standing for position, standing in enumerate(running) if position not in dropped]


STRATEGIES: Mapping[str, Strategy] = {
    "random": Strategy(at_random, whole, best_share, every_batch),
    FULL: Strategy(tpe, whole, best_share, every_batch),
    "Wilcoxon": Strategy(tpe, rungs, not_proven_worse, every_batch, TrialState.PRUNED),
    OURS: Strategy(tpe, rungs, best_share, ends_heat),
    "told PRUNED": Strategy(tpe, rungs, best_share, ends_heat, TrialState.PRUNED),
    "told FAIL": Strategy(tpe, rungs, best_share, ends_heat, TrialState.FAIL),
}


# The table


def one_corpus(index: int, seed: int, num_tasks: int, num_candidates: int) -> dict[str, tuple[float, int]]:
    """Held-out objective and evaluations of each strategy on one corpus."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    corpus = synthetic_corpus(1_000 * seed + index, num_tasks)
    return {name: run(strategy, corpus, num_candidates, 1_000 * seed + index) for name, strategy in STRATEGIES.items()}


def over_corpora(values: Sequence[float]) -> Interval:
    return bootstrap(
        np.asarray(values, dtype=np.float64), ["corpus"] * len(values), lambda drawn: float(np.mean(drawn))
    )


def table(results: Sequence[Mapping[str, tuple[float, int]]], full: int) -> list[str]:
    """A line a strategy: score, difference from full TPE, share of the evaluations of full TPE."""
    lines = [f"{'':20}{'held-out score':>24}{'minus full TPE':>27}{'evaluations':>24}{'of full':>9}"]
    for name in STRATEGIES:
        score = _shown(over_corpora([result[name][0] for result in results]), ".3f")
        gain = over_corpora([result[name][0] - result[FULL][0] for result in results])
        used = over_corpora([float(result[name][1]) for result in results])
        spent = _shown(used, ",.0f")
        difference = "" if name == FULL else _shown(gain, "+.3f")
        lines.append(f"{name:20}{score:>24}{difference:>27}{spent:>24}{used.value / full:9.0%}")
    return lines


def _shown(interval: Interval, form: str) -> str:
    ends = "" if np.isnan(interval.low) else f" [{interval.low:{form}}, {interval.high:{form}}]"
    return f"{interval.value:{form}}{ends}"


def verdict(results: Sequence[Mapping[str, tuple[float, int]]], full: int) -> str:
    gain = over_corpora([result[OURS][0] - result[FULL][0] for result in results])
    share = statistics.fmean(result[OURS][1] for result in results) / full
    if np.isnan(gain.low):
        return "Too few corpora for an interval: nothing is claimed."
    relation = (
        "not shown to differ from" if gain.low <= 0 <= gain.high else "better than" if gain.low > 0 else "worse than"
    )
    return (
        f"Held out, what racing finds with {share:.0%} of the evaluations is {relation} what full evaluation finds: "
        f"{_shown(gain, '+.3f')}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=int, default=80, help="repetitions, each with a corpus of its own")
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--tasks", type=int, default=20, help="to tune on; as many are held out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    job = partial(one_corpus, seed=options.seed, num_tasks=options.tasks, num_candidates=options.candidates)
    if options.workers > 1:
        with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
            results = list(pool.map(job, range(options.corpora)))
    else:
        results = [job(index) for index in range(options.corpora)]
    full = int(results[0][FULL][1])
    print(
        f"{options.corpora} corpora of {options.tasks} tasks and as many held out, {options.candidates} candidates in "
        f"batches of {BATCH}, seed {options.seed}; rungs {rungs(options.tasks)}"
    )
    print("\n".join([*table(results, full), verdict(results, full)]))
    if options.json:
        print(json.dumps(report(results, vars(options))))


def report(results: Sequence[Mapping[str, tuple[float, int]]], options: Mapping[str, Any]) -> dict[str, Any]:
    runs = {
        name: {
            "held_out": [result[name][0] for result in results],
            "evaluations": [result[name][1] for result in results],
        }
        for name in STRATEGIES
    }
    return {"options": {key: value for key, value in options.items() if key != "json"}, "runs": runs}


if __name__ == "__main__":
    main()
