import contextlib
import signal
import subprocess
import sys

import numpy as np
import optuna
import pytest
import sqlalchemy as sa

import metaopt
from metaopt.tuning.judging.references import DEFAULT_BASELINE, references
from metaopt.tuning.judging.scores import Scale
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.study import BATCH, RACE_SEED, REMEMBERED, Study, remembered

pytestmark = pytest.mark.thorough

OPTIMIZERS = ["adamw", "prodigy", "sgd"]


@pytest.fixture
def begin(registry, make_tasks):
    """`begin(url, num_tasks=, seed=)`: a study with an evaluator of its own."""
    made = []

    def study(url="sqlite://", *, num_tasks=2, seed=0, name="mine", check=None, **choice):
        evaluator = Evaluator(Ledger(url), registry)
        made.append(evaluator)
        tasks = make_tasks(num_tasks, families=2, num_steps=6, num_validations=3)
        choice = {"optimizers": OPTIMIZERS, "controllers": ["constant", "cosine"], "wrappers": [], **choice}
        references_by_task = references(evaluator, tasks, DEFAULT_BASELINE)
        evaluator.check = check or (lambda: None)
        return Study(name, joint_space(registry, **choice), tasks, references_by_task, evaluator, seed)

    yield study
    for evaluator in made:
        evaluator.close()


@contextlib.contextmanager
def in_optuna(url):
    """The study as Optuna opens it."""
    storage = optuna.storages.RDBStorage(url)
    try:
        yield optuna.load_study(study_name="mine", storage=storage)
    finally:
        storage.engine.dispose()


def trials_in_optuna(url):
    with in_optuna(url) as study:
        return study.trials


def decided(study):
    """Everything that a study has decided."""
    ledger = study.evaluator.ledger
    return ledger.proposals(study.name), ledger.outcomes(study.name)


def test_every_optimizer_is_first_tried_at_its_defaults(begin):
    study = begin()
    study.run(6)
    first = [proposal.configuration for proposal in study.evaluator.ledger.proposals("mine")]
    assert [(configuration.optimizer, configuration.controller) for configuration in first] == [
        (optimizer, controller) for optimizer in OPTIMIZERS for controller in ("constant", "cosine")
    ]
    assert first[0].hparams["adamw.lr"] == 1e-3


def test_a_study_begun_with_few_trials_tries_the_other_defaults_when_it_continues(begin):
    short = begin()
    short.run(2)
    short.run(6)
    whole = begin()
    whole.run(6)
    assert [proposal.configuration for proposal in decided(short)[0]] == [
        proposal.configuration for proposal in decided(whole)[0]
    ]


def test_all_candidates_of_a_heat_see_the_same_tasks_and_seeds_and_the_best_share_goes_on(begin):
    study = begin(num_tasks=6)
    study.run(9)
    outcomes = decided(study)[1]
    assert sorted(outcome.tasks_done for outcome in outcomes) == [5] * 6 + [6] * 3
    assert all(outcome.complete == (outcome.tasks_done == 6) for outcome in outcomes)
    runs = study.evaluator.evaluations(study.tasks)
    proposed = {proposal.configuration.key for proposal in decided(study)[0]}
    assert {evaluation.key.seed for evaluation in runs if evaluation.key.configuration_key in proposed} == {RACE_SEED}


def test_the_objective_is_that_of_the_scores(begin):
    study = begin()
    study.run(3)
    for proposal, outcome in study.judged():
        curves = study.evaluator.curves([proposal.configuration], study.tasks, [RACE_SEED])
        scores = {
            task.name: study.references.scale(task, RACE_SEED).score(
                curves[proposal.configuration.key, task.name, RACE_SEED]
            )
            for task in study.tasks
        }
        assert study.objective(scores) == pytest.approx(outcome.objective)
    judged = [outcome.objective for _, outcome in study.judged() if outcome.complete]
    assert judged == sorted(judged, reverse=True)


def test_the_same_seed_decides_the_same_and_another_seed_does_not(begin):
    first, same, other = begin(), begin(), begin(seed=1)
    for study in (first, same, other):
        study.run(BATCH + 4)
    assert decided(first) == decided(same)
    assert decided(first) != decided(other)
    assert len(decided(first)[0]) == BATCH + 4


class KilledError(Exception):
    pass


@pytest.mark.parametrize(("num_tasks", "count"), [(2, BATCH + 3), (6, 2 * BATCH + 5)])
def test_an_interrupted_study_goes_on_to_what_an_uninterrupted_one_decides(begin, url, num_tasks, count):
    whole = begin(num_tasks=num_tasks)
    whole.run(count)
    total = len(whole.evaluator.evaluations(whole.tasks))

    spent, interruptions = 0, 0
    for survived in range(40):
        study = begin(url, num_tasks=num_tasks, check=killed_after(survived % 3))
        try:
            study.run(count)
        except KilledError:
            interruptions += 1
        spent += study.evaluator.spent.evaluations
        if len(decided(study)[1]) == count:
            break
    assert interruptions >= 3
    assert decided(study) == decided(whole)
    assert spent == len(study.evaluator.evaluations(study.tasks)) == total


def killed_after(checks):
    left = iter(range(checks))

    def check():
        if next(left, None) is None:
            raise KilledError

    return check


def test_more_trials_continue_and_fewer_change_nothing(begin, url):
    study = begin(url)
    study.run(4)
    first = decided(study)
    study.run(2)
    assert decided(study) == first
    study.run(7)
    proposals, outcomes = decided(study)
    assert proposals[:4] == first[0]
    assert outcomes[:4] == first[1]
    assert len(outcomes) == 7


def test_optuna_opens_the_study_with_every_trial_and_its_state(begin, url):
    study = begin(url, num_tasks=6)
    study.run(7)
    with in_optuna(url) as loaded:
        trials, best = loaded.trials, loaded.best_trial
    proposals, outcomes = decided(study)
    assert len(trials) == len(proposals) == 7
    for trial, proposal, outcome in zip(trials, proposals, outcomes, strict=True):
        state = optuna.trial.TrialState.COMPLETE if outcome.complete else optuna.trial.TrialState.PRUNED
        assert trial.state == state
        assert trial.params == proposal.params
        assert trial.value == pytest.approx(outcome.objective)
        assert trial.intermediate_values == pytest.approx(dict(outcome.rungs))
    assert {trial.state for trial in trials} == {
        optuna.trial.TrialState.COMPLETE,
        optuna.trial.TrialState.PRUNED,
    }
    assert best.value == max(outcome.objective for outcome in outcomes if outcome.complete)
    study.run(9)
    assert len(trials_in_optuna(url)) == 9


def test_an_optuna_study_of_someone_else_is_left_alone(begin, url):
    storage = optuna.storages.RDBStorage(url)
    theirs = optuna.create_study(storage=storage, study_name="mine")
    theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    storage.engine.dispose()
    study = begin(url)
    with pytest.raises(metaopt.StorageError, match="an Optuna study 'mine' that metaopt did not make; use another"):
        study.run(3)
    assert len(trials_in_optuna(url)) == 2
    assert decided(study) == ([], [])


KILLED_AT_AN_INDEX = """
import os, signal, sys
import sqlalchemy as sa
from metaopt.tuning.ledger import dashboard, ledger

def killed(connection, cursor, statement, *more):
    if statement.startswith("CREATE") and sys.argv[2] in statement:
        os.kill(os.getpid(), signal.SIGKILL)

sa.event.listen(sa.Engine, "before_cursor_execute", killed)
ledger.Ledger(sys.argv[1]).close()
with dashboard.opened(sys.argv[1], "mine"):
    pass
"""


@pytest.mark.parametrize("index", ["ix_studies_study_name", "ix_metaopt_evaluations_task_fingerprint"])
def test_a_process_killed_between_a_table_and_its_index_leaves_nothing_undone(begin, url, index):
    ended = subprocess.run([sys.executable, "-c", KILLED_AT_AN_INDEX, url, index], check=False)
    assert ended.returncode == -signal.SIGKILL
    for count in (3, 5):  # without the index Optuna makes a second study of the name, and then finds two
        begin(url).run(count)
    assert len(trials_in_optuna(url)) == 5
    engine = sa.create_engine(url)
    tables = sa.inspect(engine)
    assert index in {entry["name"] for table in tables.get_table_names() for entry in tables.get_indexes(table)}
    engine.dispose()


def test_optunas_own_messages_stay_out_and_its_verbosity_stays(begin, url, capfd):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    study = begin(url)
    study.run(3)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert capfd.readouterr().err == ""


def test_a_candidate_that_diverges_gets_the_worst_objective_and_the_study_goes_on(begin):
    study = begin(optimizers=["sgd"], controllers=["constant"], settings=["sgd.lr=1.0..10.0"])
    study.run(6)
    objectives = [outcome.objective for outcome in decided(study)[1]]
    assert len(objectives) == 6
    assert all(-1.25 <= value <= 2.5 for value in objectives)


def test_a_short_history_is_remembered_whole() -> None:
    assert remembered(np.zeros(2 * REMEMBERED)) == list(range(2 * REMEMBERED))


def test_of_a_long_history_the_best_are_remembered_and_others_from_its_whole_length() -> None:
    values = np.asarray([number * 7919 % 10_000 for number in range(10_000)], dtype=np.float64)
    positions = remembered(values)
    assert len(positions) == 2 * REMEMBERED
    assert positions == sorted(set(positions))
    assert set(np.argsort(-values)[:REMEMBERED].tolist()) <= set(positions)
    assert all(any(begin <= number < begin + 1_000 for number in positions) for begin in range(0, 10_000, 1_000))


def test_the_luckiest_of_many_promises_less_than_it_scored(begin, monkeypatch):
    """Where a task's score is noise, what candidates promise on it is what all have on average."""
    study = begin(num_tasks=2)
    study.run(12)
    outcomes = [outcome for _, outcome in study.judged() if outcome.complete]
    assert study.promises(outcomes).keys() == {outcome.number for outcome in outcomes}
    monkeypatch.setattr(Scale, "share_of_noise", 0.0)
    exact = study.promises(outcomes)
    assert [exact[outcome.number] for outcome in outcomes] == pytest.approx([one.objective for one in outcomes])
    monkeypatch.setattr(Scale, "share_of_noise", 9.0)
    alike = study.promises(outcomes)
    assert max(alike.values()) == pytest.approx(min(alike.values()))
