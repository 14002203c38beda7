"""Runs the finals of a study, round by round."""

from collections.abc import Mapping, Sequence

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask, BlackBoxTask, FewShotTask
from metaopt.tuning.judging.noise import overlap_of
from metaopt.tuning.judging.scores import examples_noise
from metaopt.tuning.running.progress import TimeUpError
from metaopt.tuning.search.baselines import AT_ITS_DEFAULTS, Baseline
from metaopt.tuning.search.finals import Final, Finalist
from metaopt.tuning.search.study import Study
from metaopt.tuning.seeds import BLACK_BOX_SEEDS, FINAL_DRAWS, FINAL_ROUNDS, RACE_SEED, final_seeds, is_redrawn

#: Candidates in the finals, where rows are plenty, where a race over few rows says little, and where each run is dear.
#: By `benchmarks.tuning.truth`, more candidates in the race are worth more than more finalists.
FINALISTS, FINALISTS_OF_FEW_ROWS, FINALISTS_OF_BLACK_BOXES = 4, 5, 3
#: At most so many rounds.
ROUNDS = max(len(FINAL_ROUNDS), len(FINAL_DRAWS))


def num_finalists(tasks: Sequence[AnyTask]) -> int:
    """Candidates that go to the finals."""
    if any(isinstance(task, BlackBoxTask) for task in tasks):
        return FINALISTS_OF_BLACK_BOXES
    return FINALISTS_OF_FEW_ROWS if any(is_redrawn(task) for task in tasks) else FINALISTS


def in_finals(study: Study, baselines: Sequence[Baseline], complete: Sequence[Configuration]) -> list[Baseline]:
    """Baselines that run in the finals.

    On black boxes the first alone, for nobody knows what a run costs. On few-shot tasks, where ordinary optimizers
    learn nothing beforehand, the learned ones at their defaults, as far as they have run on all tasks.

    Args:
        study: of the finals.
        baselines: what people use without tuning.
        complete: candidates that ran on all tasks.
    """
    if any(isinstance(task, FewShotTask) for task in study.tasks):
        ran = {configuration.key for configuration in complete}
        return [
            Baseline(f"{name} {AT_ITS_DEFAULTS}", configuration)
            for name, configuration in study.defaults().items()
            if configuration.key in ran
        ]
    return list(baselines[:1] if any(isinstance(task, BlackBoxTask) for task in study.tasks) else baselines)


def play(
    study: Study,
    candidates: Sequence[Configuration],
    baselines: Sequence[Baseline],
    *,
    repeats: int = BLACK_BOX_SEEDS,
) -> tuple[Final, bool]:
    """Run the finals.

    Args:
        study: whose tasks and references.
        candidates: those of the race that did best, the best first.
        baselines: what they are held against.
        repeats: seeds of a black box.

    Returns:
        The finals, and whether the time was up before they were over. Then a round that was not finished does not
        count; without any, candidates have the scores of the race.
    """
    configurations = {candidate.key: candidate for candidate in candidates}
    finalists = [Finalist(key) for key in configurations]
    for baseline in baselines:
        key = baseline.configuration.key
        finalists = [finalist for finalist in finalists if finalist.key != key]  # it needed no tuning
        configurations[key] = baseline.configuration
        finalists.append(Finalist(key, is_baseline=True, may_be_handed_over=baseline.excluded is None))
    weights = {task.name: study.references[task.name].scale.weight for task in study.tasks}
    final, seeds = Final(finalists, weights, dict.fromkeys(weights, 0.0)), dict[str, tuple[int, ...]]()
    for stage in range(ROUNDS):
        following = {task.name: final_seeds(task, stage, len(study.tasks), repeats) for task in study.tasks}
        if following == seeds:
            break
        seeds = following
        try:
            _run_round(study, final, configurations, seeds)
        except TimeUpError:
            if stage == 0:
                _fall_back(study, final, configurations, seeds)
            return final, True
        if not final.close_round():
            break
    return final, False


def _run_round(
    study: Study, final: Final, configurations: Mapping[str, Configuration], seeds: Mapping[str, Sequence[int]]
) -> None:
    running = [finalist for finalist in final.finalists if finalist.is_running]
    wanted = [configurations[finalist.key] for finalist in running]
    curves = study.evaluator.answer(study.references.requests(wanted, study.tasks, seeds))
    for task in study.tasks:
        final.overlaps[task.name] = overlap_of(task, seeds[task.name][-1])
        scales = {seed: study.references.scale(task, seed) for seed in seeds[task.name]}
        for finalist in running:
            mine = {seed: curves[finalist.key, task.name, seed] for seed in seeds[task.name]}
            finalist.scores[task.name] = {seed: scales[seed].final_score(curve) for seed, curve in mine.items()}
            finalist.has_finite |= not all(curve.diverged for curve in mine.values())
            examples = examples_noise([(curve, scales[seed]) for seed, curve in mine.items()], "validation")
            if examples is not None and not is_redrawn(task):
                finalist.examples[task.name] = examples


def _fall_back(
    study: Study, final: Final, configurations: Mapping[str, Configuration], seeds: Mapping[str, Sequence[int]]
) -> None:
    """Whoever has run on the seeds of the first round, as in a study that knew no baselines; else the race's scores."""
    for wanted in (seeds, dict.fromkeys(seeds, (RACE_SEED,))):
        ran = [finalist for finalist in final.finalists if _has_run(study, configurations[finalist.key], wanted)]
        if any(not finalist.is_baseline for finalist in ran) or wanted is not seeds:
            break
    for finalist in final.finalists:
        finalist.is_running = finalist in ran
    if ran:
        _run_round(study, final, configurations, wanted)


def _has_run(study: Study, configuration: Configuration, seeds: Mapping[str, Sequence[int]]) -> bool:
    try:
        study.evaluator.answer(study.references.requests([configuration], study.tasks, seeds))
    except TimeUpError:
        return False
    return True
