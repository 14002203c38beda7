"""The finals are run round by round, on fresh seeds, for as long as they are open."""

import dataclasses

import numpy as np
import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.contracts import REDRAWN
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.table import task_from_frame
from metaopt.tuning.judging.noise import overlap_of
from metaopt.tuning.judging.references import DEFAULT_BASELINE, references
from metaopt.tuning.running.progress import TimeUpError
from metaopt.tuning.search.baselines import Baseline
from metaopt.tuning.search.final_rounds import in_finals, num_finalists, play
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.study import Study
from metaopt.tuning.seeds import RACE_SEED, final_seeds
from metaopt_corpora.sinusoid_episodes import sinusoid_task

ADAMW = Baseline("adamw", DEFAULT_BASELINE)


def sgd(rate):
    return Configuration("sgd", hparams={"sgd.lr": rate, "sgd.momentum": 0.0})


def study_of(evaluator, tasks):
    space = joint_space(evaluator.registry, optimizers=["adamw", "sgd"], controllers=["constant"], wrappers=[])
    return Study("mine", space, tasks, references(evaluator, tasks, DEFAULT_BASELINE), evaluator, seed=0)


@pytest.fixture
def study(evaluator, make_tasks):
    return study_of(evaluator, make_tasks(2, num_steps=8, num_validations=2))


def box(name="job"):
    return metaopt.BlackBoxTask(name, "jobs", train=job)


def job(recipe, seed):
    rate = recipe.configuration.hparams.get(f"{recipe.configuration.optimizer}.lr", 1e-3)
    yield 1, 1.0
    yield 2, 1.0 / (1 + rate) + 0.001 * seed


def few_rows(num_rows=60):
    import pandas as pd

    rows = np.arange(num_rows)
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"x": generator.normal(size=num_rows), "y": rows % 7, "target": np.sin(rows) * 3})
    return task_from_frame(frame, "rows", TableSettings(num_steps=4, num_validations=2, batch_size=8), "rows.csv")


# Who comes


def test_how_many_candidates_come(make_task):
    assert num_finalists([make_task()]) == 4
    assert num_finalists([make_task(), few_rows()]) == 5
    assert num_finalists([make_task(), box()]) == 3
    assert num_finalists([few_rows(), box()]) == 3


def test_which_baselines_come(study, make_task):
    others = [ADAMW, Baseline("sgd", sgd(0.1))]

    def of(tasks, baselines, complete=()):
        return in_finals(dataclasses.replace(study, tasks=tasks), baselines, complete)

    assert of([make_task()], others) == others
    assert of([make_task(), box()], others) == [ADAMW]
    assert of([box()], []) == []


def test_few_shot_studies_have_their_own_baselines(registry, study):
    space = joint_space(registry, optimizers=["maml", "reptile"], controllers=["constant"], wrappers=[])
    few_shots = dataclasses.replace(study, space=space, tasks=[sinusoid_task(10)])
    assert in_finals(few_shots, [ADAMW], []) == []
    maml = few_shots.defaults()["maml"]
    assert in_finals(few_shots, [ADAMW], [maml, sgd(0.1)]) == [Baseline("maml at its defaults", maml)]


# Rounds


def test_scores_are_those_of_fresh_seeds(study):
    candidates = [sgd(0.1), sgd(0.01)]
    final, late = play(study, candidates, [ADAMW])
    assert not late
    for finalist, configuration in zip(final.finalists, [*candidates, DEFAULT_BASELINE], strict=True):
        assert finalist.key == configuration.key
        assert finalist.has_finite
        for task in study.tasks:
            seeds = finalist.seeds[task.name]
            assert seeds in [final_seeds(task, stage, 2) for stage in range(3)]
            assert RACE_SEED not in seeds
            curves = study.evaluator.curves([configuration], [task], seeds)
            scale = study.references[task.name].scale
            assert finalist.scores[task.name] == {
                seed: scale.final_score(curves[configuration.key, task.name, seed]) for seed in seeds
            }
            resampled = [curves[configuration.key, task.name, seed].resampled["validation"] for seed in seeds]
            draws = np.mean([np.clip((scale.baseline - draws) / scale.unit, -1, 2) for draws in resampled], axis=0)
            np.testing.assert_allclose(finalist.examples[task.name], draws - draws.mean())
    assert final.overlaps == {"line0": 0.0, "line1": 0.0}


def test_rounds_stop_when_it_is_decided(study):
    """The rate of one candidate is far too small for anything to happen, that of the other is right."""
    spent = study.evaluator.spent.evaluations
    final, _ = play(study, [sgd(0.1), sgd(1e-7)], [ADAMW])
    assert final.outcome().is_tuned
    assert study.evaluator.spent.evaluations - spent == 2 * (2 * 2) + 0  # AdamW's are those of the references
    assert {seeds for finalist in final.finalists for seeds in finalist.seeds.values()} == {(1, 2)}


def adamw(rate):
    return Configuration("adamw", hparams={"adamw.lr": rate})


@pytest.fixture
def level(evaluator, make_tasks):
    """A study on which rates of .2 and about end alike but for the noise of their batches."""
    return study_of(evaluator, make_tasks(2, num_steps=60, num_validations=3))


NEAR = Baseline("near", adamw(0.2))


def test_rounds_go_on_for_those_that_cannot_be_told_apart(level):
    like = [adamw(0.22), adamw(0.18)]
    final, _ = play(level, [*like, sgd(1e-7), sgd(1e-8)], [NEAR])
    by_key = {finalist.key: finalist for finalist in final.finalists}
    assert by_key[NEAR.configuration.key].seeds["line0"] == (1, 2, 3, 4)
    assert any(by_key[one.key].seeds["line0"] == (1, 2, 3, 4) for one in like)
    assert all(by_key[sgd(rate).key].seeds["line0"] == (1, 2) for rate in (1e-7, 1e-8))


def test_a_candidate_that_is_a_baseline_comes_as_one(study):
    final, _ = play(study, [DEFAULT_BASELINE, sgd(0.1)], [ADAMW])
    assert [(finalist.key, finalist.is_baseline) for finalist in final.finalists] == [
        (sgd(0.1).key, False),
        (DEFAULT_BASELINE.key, True),
    ]


def test_a_baseline_that_an_option_excludes_is_played_and_may_not_be_handed_over(study):
    final, _ = play(study, [sgd(1e-7)], [dataclasses.replace(ADAMW, excluded="--optimizers")])
    (_, baseline) = final.finalists
    assert not baseline.may_be_handed_over
    assert final.outcome().incumbent == DEFAULT_BASELINE.key
    assert final.outcome().chosen == sgd(1e-7).key


def test_a_black_box_is_run_as_often_as_the_user_says(evaluator):
    study = study_of(evaluator, [box()])
    for repeats in (2, 4):
        final, _ = play(study, [sgd(0.1)], [ADAMW], repeats=repeats)
        for finalist in final.finalists:
            assert finalist.seeds == {"job": tuple(range(1, 1 + repeats))}
            assert finalist.examples == {}
    assert evaluator.spent.evaluations == 1 + 2 * 4  # the reference, and each run once


def test_few_rows_are_divided_anew_and_scored_against_the_baseline_on_the_same_rows(evaluator):
    task = few_rows()
    study = study_of(evaluator, [task])
    final, _ = play(study, [sgd(0.1)], [ADAMW])
    mine, baseline = final.finalists
    seeds = tuple(range(REDRAWN, REDRAWN + 8))  # of a single task as many at once as there are
    assert mine.seeds == baseline.seeds == {"rows": seeds}
    assert baseline.scores["rows"] == pytest.approx(dict.fromkeys(seeds, 0.0), abs=1e-12)
    assert final.overlaps == {"rows": overlap_of(task, REDRAWN)}
    assert mine.examples == {}  # each draw has examples of its own
    curves = evaluator.curves([sgd(0.1), DEFAULT_BASELINE], [task], seeds)
    unit = study.references["rows"].scale.unit
    for seed in seeds:
        mine_there, adamw_there = (curves[one.key, "rows", seed].values.min() for one in (sgd(0.1), DEFAULT_BASELINE))
        expected = float(np.clip((adamw_there - mine_there) / unit, -1, 2))
        assert mine.scores["rows"][seed] == pytest.approx(expected)


# When the time is up


def up():
    raise TimeUpError


def test_without_time_for_a_round_scores_are_those_of_the_race(study):
    candidates = [sgd(0.1), sgd(0.01)]
    study.evaluator.curves(candidates, study.tasks, [RACE_SEED])
    study.evaluator.check = up
    final, late = play(study, candidates, [ADAMW, Baseline("never run", sgd(0.5))])
    assert late
    mine, other, baseline, never_run = final.finalists
    for finalist in (mine, other, baseline):
        assert finalist.seeds == {"line0": (RACE_SEED,), "line1": (RACE_SEED,)}
        assert finalist.has_finite
    assert never_run.scores == {}
    assert not never_run.is_running
    assert final.outcome().chosen in {one.key for one in (*candidates, DEFAULT_BASELINE)}


def test_a_round_that_was_not_finished_does_not_count(level):
    """The ledger holds the first round, after which another one is due."""
    like = [adamw(0.22), adamw(0.18)]
    level.evaluator.curves([*like, NEAR.configuration], level.tasks, (1, 2))
    level.evaluator.check = up
    final, late = play(level, like, [NEAR])
    assert late
    assert {seeds for finalist in final.finalists for seeds in finalist.seeds.values()} == {(1, 2)}
    assert final.outcome().lead is not None


def test_finals_that_are_played_again_train_nothing_and_decide_the_same(study):
    candidates = [sgd(0.1), sgd(0.05), sgd(0.01)]
    first, _ = play(study, candidates, [ADAMW])
    spent = study.evaluator.spent.evaluations
    again, _ = play(study, candidates, [ADAMW])
    assert study.evaluator.spent.evaluations == spent
    assert again.outcome() == first.outcome()
