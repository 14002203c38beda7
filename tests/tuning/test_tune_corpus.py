import re
import threading
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.search.study import BATCH
from metaopt.tuning.seeds import REPORT_SEEDS

pytestmark = pytest.mark.thorough

CHOICE = {"optimizers": ["adamw", "sgd"], "controllers": ["constant", "cosine"], "wrappers": [], "against": ["sgd"]}


@pytest.fixture
def small(make_tasks):
    """Tasks of a few steps."""

    def tasks(count=2, **fields):
        return make_tasks(count, **{"num_steps": 6, "num_validations": 3, **fields})

    return tasks


class Picky(torch.nn.Module):
    """Takes batches whose size divides by four, and says about others whatever it is told to."""

    def __init__(self, error):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.error = error

    def forward(self, inputs):
        if inputs.shape[0] % 4:
            raise self.error
        return self.layer(inputs)


def decisions(result):
    """What a result has decided, its date left out."""
    return (
        result.recipe.configuration,
        result.recipe.stopper,
        [recipe.configuration for recipe in result.portfolio],
        [(proposal, outcome) for proposal, outcome in result.judged],
        {**result.recipe.provenance, "created": ""},
    )


def test_a_few_lines_give_a_recipe_that_trains_a_model_that_tuning_never_saw(small, url, tmp_path):
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    corpus = metaopt.load_corpus(small())
    result = metaopt.tune(corpus, n_trials=6, storage=url, study_name="mine", seed=0, **CHOICE)
    assert torch.equal(torch.random.get_rng_state(), before)
    result.recipe.save(tmp_path / "recipe")
    recipe = metaopt.load_recipe(tmp_path / "recipe")
    assert recipe == result.recipe
    assert recipe.provenance["corpus"]["fingerprint"] == corpus.fingerprint
    assert recipe.provenance["study"] == {"name": "mine", "candidates": 6}
    scores = recipe.provenance["scores"]
    assert set(scores["by_task"]) == {"line0", "line1"}
    value = result.tuning_comparison.interval("recipe").value
    assert scores["tuning"]["mean"]["recipe"] == [round(value, 4), None, None]  # two tasks are too few for an interval
    assert "held_out" not in scores

    model = torch.nn.Linear(5, 1)
    inputs = torch.randn(64, 5)
    targets = inputs.sum(1, keepdim=True)
    with pytest.warns(UserWarning, match="300"):  # steps, far more than those of the tasks that it was made on
        run = recipe.bind(model, total_steps=300)
    start = F.mse_loss(model(inputs), targets).item()
    for _ in range(300):
        run.optimizer.zero_grad()
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        run.step(loss)
        run.observe(loss)
    assert loss.item() < start

    assert result.portfolio[0] == result.recipe
    assert len({member.configuration.key for member in result.portfolio}) == len(result.portfolio) <= 5
    assert not result.interrupted
    assert result.comparison is None
    assert result.held_out_by is None
    assert result.tuning_comparison is not None
    baselines = ["adamw", "adamw+cosine", "schedulefree_adamw", "prodigy", "default"]
    assert result.tuning_comparison.contenders == ["recipe", *baselines, "sgd"]
    assert recipe.provenance["verdict"] == result.verdict.to_json()


@pytest.mark.parametrize("error", [AssertionError(), ValueError("\n \n"), KeyError("x"), RuntimeError("\nlater")])
def test_a_model_that_takes_only_whole_batches_is_tuned_whatever_it_raises_at_two_rows(small, error):
    result = metaopt.tune(small(1, model=lambda: Picky(error)), n_trials=2, **CHOICE)
    assert result.recipe is not None
    assert len(result.portfolio.features) == 1


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (AssertionError(), "AssertionError"),
        (ValueError("\n\ncannot.\nmore"), "ValueError: cannot"),
    ],
)
def test_a_model_that_takes_nothing_is_named_with_what_it_raised(small, error, raised):
    def model():
        net = Picky(error)
        net.register_forward_pre_hook(lambda module, inputs: (inputs[0][:3],))
        return net

    with pytest.raises(metaopt.InputError) as caught:
        metaopt.tune(small(1, model=model), n_trials=2, **CHOICE)
    assert str(caught.value) == (
        "Task 'line0': the model, the loss or the metric fails on a batch, inputs of shape (16, 3) with targets "
        f"of shape (16, 1): {raised}. Try loss(model(inputs), targets) by itself."
    )


def test_the_evaluations_are_a_table_with_a_row_for_each(small, url):
    result = metaopt.tune(small(), n_trials=3, storage=url, **CHOICE)
    frame = result.evaluations_dataframe()
    cost = result.cost
    total = cost.evaluations + cost.reference_evaluations + cost.comparison_evaluations
    ledger = Ledger(url)
    assert len(frame) == total == len(ledger.evaluations(task.fingerprint for task in small()))
    ledger.close()
    assert {"task", "family", "seed", "validation", "test", "score", "diverged", "seconds", "optimizer"} <= set(frame)
    assert (frame.loc[frame["optimizer"] == "adamw", "adamw.lr"].notna()).sum() > 30
    assert frame["seconds"].sum() == pytest.approx(cost.seconds)
    trials = result.trials_dataframe()
    assert len(trials) == 3
    assert trials["objective"].is_monotonic_decreasing


def test_other_studies_of_the_same_ledger_are_reused_but_not_counted(small, url):
    first = metaopt.tune(small(), n_trials=3, storage=url, study_name="first", **CHOICE)
    second = metaopt.tune(small(), n_trials=3, storage=url, study_name="second", seed=0, **CHOICE)
    assert decisions(second)[:3] == decisions(first)[:3]
    assert second.cost == first.cost
    other = metaopt.tune(small(), n_trials=2, storage=url, study_name="third", **{**CHOICE, "optimizers": ["sgd"]})
    assert other.cost.evaluations < first.cost.evaluations
    assert set(other.trials_dataframe()["optimizer"]) == {"sgd"}
    mine = other.evaluations_dataframe()
    assert not ((mine["optimizer"] == "sgd") & (mine["configuration_key"] == "")).any()


def test_the_same_seed_gives_the_same_result_and_another_seed_another(small):
    first, same = (metaopt.tune(small(), n_trials=9, seed=1, **CHOICE) for _ in range(2))
    assert decisions(first) == decisions(same)
    assert first.tuning_comparison.summary() == same.tuning_comparison.summary()
    other = metaopt.tune(small(), n_trials=9, seed=2, **CHOICE)
    assert decisions(other)[3] != decisions(first)[3]


def test_more_trials_continue_the_study(small, url):
    first = metaopt.tune(small(), n_trials=3, storage=url, **CHOICE)
    more = metaopt.tune(small(), n_trials=6, storage=url, **CHOICE)
    kept = {proposal.number: (proposal, outcome) for proposal, outcome in more.judged}
    assert len(kept) == 6
    for proposal, outcome in first.judged:
        assert kept[proposal.number] == (proposal, outcome)
    assert more.cost.evaluations > first.cost.evaluations


def test_a_metric_that_is_better_when_higher_is_shown_as_users_measure_it(small):
    result = metaopt.tune(small(metric=share_close, mode="max"), n_trials=3, **CHOICE)
    frame = result.evaluations_dataframe()
    assert frame["test"].between(0, 1).all()
    assert frame["validation"].between(0, 1).all()
    runs = result.tuning_comparison.runs
    assert runs["test"].between(0, 1).all()
    best = frame.loc[frame["task"] == "line0"].sort_values("score").iloc[-1]
    assert best["validation"] >= frame.loc[frame["task"] == "line0", "validation"].median()


def share_close(output, targets):
    return ((output - targets).abs() < 1.0).float().mean()


def test_the_cost_comes_first_then_what_runs_then_the_best_so_far(small):
    lines = []
    metaopt.tune(small(), n_trials=2, announce=lines.append, **CHOICE)
    assert re.match(r"About to run at most \d+ trainings: \d+ of candidates, \d+ of references, ", lines[0])
    assert "References of each task" in lines[1]
    assert lines[2].startswith("At the pace of the first task, ")
    assert re.match(r"2 of 2 candidates, best objective -?\d", lines[3])


def test_folds_hold_out_every_task_once_and_each_fold_tunes_without_its_own(small, url):
    tasks = small(4)
    result = metaopt.tune(tasks, n_trials=3, folds=2, storage=url, **CHOICE)
    assert result.held_out_by == "folds"
    assert sorted(result.comparison.tasks) == sorted(task.name for task in tasks)
    ledger = Ledger(url)
    for fold in ("fold1of2", "fold2of2"):
        assert len(ledger.proposals(f"metaopt/{fold}")) == 3
    cross_validated = {
        proposal.configuration.key
        for fold in ("fold1of2", "fold2of2")
        for proposal in ledger.proposals(f"metaopt/{fold}")
    }
    main = {proposal.configuration.key for proposal in ledger.proposals("metaopt")}
    ledger.close()
    runs = result.comparison.runs
    assert set(runs["seed"]) == set(REPORT_SEEDS)
    assert result.cost.comparison_evaluations > len(runs) or cross_validated <= main


def test_families_that_are_held_out_take_no_part_in_tuning(small, url):
    tasks = small(4, families=2)
    result = metaopt.tune(tasks, n_trials=3, held_out=["lines1"], storage=url, **CHOICE)
    held = {task.name for task in tasks if task.family == "lines1"}
    assert result.held_out_by == "families"
    assert result.comparison.over == "tasks of these families"
    assert result.recipe.provenance["scores"]["held_out"]["intervals_over"] == "tasks of these families"
    assert result.tuning_comparison.over == "tasks"
    assert set(result.comparison.tasks) == held
    assert set(result.tuning_comparison.tasks) == {task.name for task in tasks} - held
    assert set(result.recipe.provenance["corpus"]["tasks"]) == {task.name for task in tasks} - held
    ledger = Ledger(url)
    proposed = {one.configuration.key for one in ledger.proposals("metaopt")}
    seeds = {
        one.key.seed
        for one in ledger.evaluations(task.fingerprint for task in tasks if task.name in held)
        if one.key.configuration_key in proposed
    }
    ledger.close()
    assert seeds <= set(REPORT_SEEDS)


def test_five_families_that_are_held_out_stand_for_other_kinds_of_task(small):
    tasks = small(6, families=6)
    held = [task.family for task in tasks[1:]]
    result = metaopt.tune(tasks, n_trials=2, held_out=held, **CHOICE)
    assert result.comparison.over == "kinds of task"
    assert "on 5 tasks, with intervals over kinds of task" in result.comparison.summary()
    assert np.isfinite(result.comparison.interval("recipe").low)


def test_a_baseline_of_ones_own_scores_0(small, tmp_path):
    baseline = metaopt.Recipe.create(Configuration("sgd", hparams={"sgd.lr": 0.005}))
    baseline.save(tmp_path / "mine")
    tasks = small()
    given, loaded = (
        metaopt.tune(tasks, n_trials=2, baseline=one, **CHOICE) for one in (baseline, str(tmp_path / "mine"))
    )
    assert given.scales == loaded.scales
    assert given.scales != metaopt.tune(tasks, n_trials=2, **CHOICE).scales
    frame = given.evaluations_dataframe()
    mine = frame[(frame["configuration_key"] == baseline.configuration.key) & (frame["seed"] < 3)]
    assert mine.groupby("task")["score"].mean().abs().max() < 1e-6


def test_settings_narrow_what_is_tuned(small):
    result = metaopt.tune(small(1), n_trials=7, settings=["sgd.lr=0.01..0.02", "adamw.lr=0.003"], **CHOICE)
    trials = result.trials_dataframe()
    assert trials["sgd.lr"].dropna().between(0.01, 0.02).all()
    assert (trials["adamw.lr"].dropna() == 0.003).all()


def test_a_corpus_of_one_task_will_do(small):
    result = metaopt.tune(small(1), n_trials=4, **CHOICE)
    assert result.recipe.provenance["corpus"]["tasks"] == {"line0": result.corpus["line0"].fingerprint}
    assert "of further ones nothing is claimed" in result.tuning_comparison.summary()


def nan_loss(output, targets):
    return (output - targets).mean() * float("nan")


def test_a_task_whose_loss_is_nan_from_the_start_is_named_and_poisons_nothing(small, make_task):
    lines = []
    tasks = small()
    broken = make_task("broken", loss=nan_loss, num_steps=6, num_validations=3)
    result = metaopt.tune([*tasks, broken], n_trials=4, announce=lines.append, **CHOICE)
    assert any(line.startswith("broken: no reference run stayed finite") for line in lines)
    alone = metaopt.tune(tasks, n_trials=4, **CHOICE)
    assert result.recipe.configuration == alone.recipe.configuration
    objectives = [[outcome.objective for _, outcome in each.judged] for each in (result, alone)]
    assert objectives[0] == pytest.approx(objectives[1])
    assert np.isfinite(result.tuning_comparison.table().drop(columns="contender").dropna(axis=1)).all(axis=None)
    assert '"broken": -1.0' in result.recipe.text


def test_tasks_none_of_which_ever_has_a_finite_loss_make_no_recipe(make_task):
    broken = make_task("broken", loss=nan_loss, num_steps=6, num_validations=3)
    with pytest.raises(
        metaopt.InputError, match=r"No reference run stayed finite on 'broken', so nothing can be judged"
    ):
        metaopt.tune([broken], n_trials=4, **CHOICE)
    with pytest.raises(metaopt.InputError, match=r"No reference run stayed finite on 'broken'"):
        metaopt.evaluate(metaopt.Recipe.create(Configuration("sgd")), [broken], against=[])


def test_a_time_limit_gives_the_best_recipe_so_far_and_loses_nothing(url):
    runs, hurry = [], threading.Event()

    def slow(recipe, seed):
        runs.append((recipe.configuration.key, seed))
        if len(runs) > BATCH + 1 and not hurry.is_set():  # the baseline and one batch are quick
            time.sleep(0.5)
        yield 1, 1.0 / (1 + recipe.configuration.hparams.get("sgd.lr", 0.01))

    limited = metaopt.tune([slow], n_trials=BATCH + 20, timeout=4.0, storage=url, **CHOICE)
    assert limited.interrupted
    assert len(limited.judged) == BATCH
    assert limited.recipe.configuration == limited.judged[0][0].configuration
    assert len(runs) < BATCH + 20
    hurry.set()
    whole = metaopt.tune([slow], n_trials=BATCH + 20, storage=url, **CHOICE)
    assert not whole.interrupted
    assert len(runs) == len(set(runs))
    assert decisions(whole) == decisions(metaopt.tune([slow], n_trials=BATCH + 20, **CHOICE))


def test_functions_of_recipe_and_seed_are_tuned_too():
    seen = set()

    def job(recipe, seed):
        seen.add(recipe.configuration.optimizer)
        rate = recipe.configuration.hparams.get(f"{recipe.configuration.optimizer}.lr", 1e-3)
        for step in range(1, 6):
            yield step, abs(np.log10(rate) + 2) + 1.0 / step + 0.01 * seed, abs(np.log10(rate) + 2) + 0.5

    result = metaopt.tune([job], n_trials=45, **CHOICE)
    assert seen == {"adamw", "sgd"}
    chosen = result.recipe.configuration
    assert 3e-3 < chosen.hparams[f"{chosen.optimizer}.lr"] < 3e-2
    assert result.tuning_comparison.runs["test"].notna().all()
    assert result.tuning_comparison.trials_worth() is None


def test_a_function_that_raises_ends_in_a_sentence_and_keeps_what_is_finished(url, small):
    def fragile(recipe, seed):
        if recipe.configuration.optimizer == "sgd":
            raise MemoryError("no room")
        yield 1, 0.5

    tasks = [*small(1), fragile]
    with pytest.raises(
        metaopt.InputError, match=r"'fragile' failed in its train function: MemoryError: no room"
    ) as raised:
        metaopt.tune(tasks, n_trials=4, storage=url, **CHOICE)
    assert raised.value.exit_code == 2
    ledger = Ledger(url)
    stored = ledger.evaluations(task.fingerprint for task in metaopt.load_corpus(tasks))
    assert {evaluation.task for evaluation in stored} == {"line0", "fragile"}
    assert {evaluation.configuration.optimizer for evaluation in stored if evaluation.task == "fragile"} == {"adamw"}
    ledger.close()
    choice = {**CHOICE, "optimizers": ["adamw"], "against": []}
    assert len(metaopt.tune(tasks, n_trials=4, storage=url, study_name="b", **choice).judged) == 4


def test_a_changed_corpus_is_refused_by_the_task_that_changed(small, make_task, url):
    metaopt.tune(small(), n_trials=2, storage=url, **CHOICE)
    changed = [small()[0], make_task("line1", seed=99, num_steps=6, num_validations=3)]
    with pytest.raises(metaopt.StorageError, match=r"'metaopt' .* begun with other settings: tasks → line1 was '\w+'"):
        metaopt.tune(changed, n_trials=2, storage=url, **CHOICE)
    with pytest.raises(metaopt.StorageError, match="tasks → line2 is new"):
        metaopt.tune(small(3), n_trials=2, storage=url, **CHOICE)
    with pytest.raises(metaopt.StorageError, match="seed was 0, is 1"):
        metaopt.tune(small(), n_trials=2, seed=1, storage=url, **CHOICE)
    with pytest.raises(metaopt.StorageError, match=r"space → .*lion.* is new"):
        metaopt.tune(small(), n_trials=2, storage=url, **{**CHOICE, "optimizers": ["adamw", "lion", "sgd"]})
    assert len(metaopt.tune(small(), n_trials=2, storage=url, **CHOICE).judged) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_trials": 0}, "n_trials must be at least 1, got 0"),
        ({"n_trials": "5"}, "n_trials must be a whole number, got '5'"),
        ({"workers": 2.0}, "workers must be a whole number, got 2.0"),
        ({"timeout": "9"}, "timeout must be a positive number of seconds, got '9'"),
        ({"folds": "2"}, "folds must be a whole number, got '2'"),
        ({"folds": 1}, "--folds must be between 2 and the number of tasks, 2"),
        ({"folds": 0}, "--folds must be between 2"),
        ({"folds": 2, "held_out": ["lines"]}, "--held-out and --folds exclude each other"),
        ({"held_out": ["curves"]}, r"unknown families \['curves'\]"),
        ({"optimizers": ["adamx"]}, "There is no optimizer 'adamx'; did you mean"),
        ({"against": ["adamw+cosin"]}, "There is no controller 'cosin'; did you mean"),
        ({"stoppers": ["patients"]}, "There is no stopper 'patients'"),
        ({"settings": ["adamw.lr=fast"]}, "must be a number"),
        ({"baseline": "nowhere"}, "nowhere"),
        ({"storage": "study.db"}, "The storage 'study.db' cannot be opened"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(small, arguments, message):
    lines = []
    with pytest.raises(metaopt.InputError, match=message) as caught:
        metaopt.tune(small(), **{"n_trials": 2, **CHOICE, **arguments}, announce=lines.append)
    assert caught.value.exit_code == 2
    assert lines == []


def test_a_stopper_that_needs_evidence_is_replayed_once_it_is_asked_for_by_name(make_tasks, url):
    tasks = make_tasks(2, num_steps=20, num_validations=10)
    asked = {"n_trials": 3, "storage": url, "seed": 0, **CHOICE}
    result = metaopt.tune(tasks, study_name="asked", stoppers=["evidence"], **asked)
    assert {one.stopper.name for one in result.front} == {"evidence"}
    kept = Ledger(url).evaluations(task.fingerprint for task in tasks)
    recorded = [one.key.plugins.endswith("recording evidence") for one in kept]
    assert 0 < sum(recorded) < len(kept) / 2
    assert recorded == ["evidence" in one.curve.signals for one in kept]
    # What it trained serves whoever asks again, and nobody else pays.
    again = metaopt.tune(tasks, study_name="asked", stoppers=["evidence"], train=False, **asked)
    assert [one.stopper for one in again.front] == [one.stopper for one in result.front]
    plain = metaopt.tune(tasks, study_name="plain", stoppers=["patience"], **{**asked, "storage": None})
    assert {one.stopper.name for one in plain.front} == {"patience"}


def test_a_recipe_that_stops_by_evidence_can_be_compared(make_tasks):
    stopper = metaopt.StopperConfiguration("evidence", {"window": 1})
    recipe = metaopt.Recipe.create(Configuration("sgd", hparams={"sgd.lr": 0.1}), stopper)
    tasks = make_tasks(2, num_steps=60, num_validations=20)
    runs = metaopt.evaluate(recipe, tasks, against=["sgd"]).runs
    used = runs[runs["contender"] == "recipe"]
    assert (used["steps"] < used["horizon"]).any()


def test_a_recipe_whose_stopper_asks_for_what_runs_do_not_record_cannot_be_compared(make_tasks):
    stopper = metaopt.StopperConfiguration("patience", {"unit": "seconds", "patience": 60})
    recipe = metaopt.Recipe.create(Configuration("sgd"), stopper)
    with pytest.raises(metaopt.InputError, match=r"'patience' requires seconds, which recorded runs do not have"):
        metaopt.evaluate(recipe, make_tasks(1, num_steps=6, num_validations=3), against=["adamw"])
