"""A recipe at other batch sizes, longer runs and wider models."""

import numpy as np
import pytest
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.judging.comparison import Contender
from metaopt.tuning.judging.references import DEFAULT_BASELINE
from metaopt.tuning.judging.scaled import MOST_TASKS, UNSCALED, compare_scaled, scaled_evaluations, scaled_tasks
from metaopt.tuning.seeds import REPORT_SEEDS

RECIPE = Contender("recipe", Configuration("adamw", hparams={"adamw.lr": 0.1}))


def narrow(width=1.0):
    hidden = round(4 * width)
    return nn.Sequential(nn.Linear(3, hidden), nn.Tanh(), nn.Linear(hidden, 1))


def size(task):
    return sum(parameter.numel() for parameter in task.build(0).parameters())


@pytest.fixture
def task(make_task):
    return make_task(model=narrow, widened=narrow, num_steps=10)


def test_batch_steps_and_parameters_are_scaled_one_at_a_time(task):
    scaled = {name: scaled_task for name, (scaled_task,) in scaled_tasks([task]).items()}
    assert list(scaled) == ["batch × ¼", "batch × 4", "steps × 10", "parameters × 10"]
    assert [scaled_task.batch_size for scaled_task in scaled.values()] == [4, 64, 16, 16]
    assert [scaled_task.num_steps for scaled_task in scaled.values()] == [10, 10, 100, 10]
    assert 10 <= size(scaled["parameters × 10"]) / size(task) < 11.5
    assert {size(scaled[name]) for name in list(scaled)[:3]} == {size(task)}
    assert len({scaled_task.fingerprint for scaled_task in scaled.values()} | {task.fingerprint}) == 5


def test_what_cannot_be_scaled_is_left_out(make_task):
    def job(recipe, seed):
        yield 1, 1.0

    box = metaopt.BlackBoxTask(name="job", family="jobs", train=job)
    assert set(scaled_tasks([make_task(batch_size=2), box])) == {"batch × 4", "steps × 10"}
    assert set(scaled_tasks([make_task(batch_size=32)])) == {"batch × ¼", "steps × 10"}


def test_no_more_tasks_are_scaled_than_is_said(make_tasks):
    assert {len(some) for some in scaled_tasks(make_tasks(MOST_TASKS + 3)).values()} == {MOST_TASKS}


def test_how_wide_a_task_can_be_says_nothing_about_which_task_it_is(make_task):
    assert make_task(model=narrow).fingerprint == make_task(model=narrow, widened=narrow).fingerprint


def test_scores_are_log_ratios_to_the_baseline_on_the_scaled_task(evaluator, task):
    scaled = scaled_tasks([task])
    before = evaluator.spent.evaluations
    comparisons = compare_scaled(evaluator, scaled, RECIPE, DEFAULT_BASELINE)
    assert evaluator.spent.evaluations - before == 4 * scaled_evaluations(RECIPE)
    for name, (scaled_task,) in scaled.items():
        curves = evaluator.curves([DEFAULT_BASELINE], [scaled_task], (0, 1, 2))
        baseline = np.mean([curve.test_at_best() for curve in curves.values()])
        runs = comparisons[name].runs
        assert set(runs["seed"]) == set(REPORT_SEEDS)
        expected = np.clip(np.log(baseline / runs["test"]), -1, 2)
        np.testing.assert_allclose(runs["test_score"], expected)


def test_a_recipe_with_a_law_runs_without_it_too(evaluator, task):
    law = {"adamw": metaopt.RateLaw(0.5, 0.5, 0.5)}
    lawful = Contender("recipe", Configuration("adamw", hparams={"adamw.lr": 0.1}, rate_law=law))
    before = evaluator.spent.evaluations
    comparisons = compare_scaled(evaluator, scaled_tasks([task]), lawful, DEFAULT_BASELINE)
    assert evaluator.spent.evaluations - before == 4 * scaled_evaluations(lawful)
    for part in comparisons.values():
        assert part.contenders == ["recipe", UNSCALED]
        first, second = (part.runs[part.runs["contender"] == name]["test"].to_numpy() for name in part.contenders)
        assert (first != second).all()


def test_the_starter_corpus_widens_its_perceptrons():
    wide = {task.name for task in metaopt.load_corpus("starter") if task.widened is not None}
    assert {"digits_mlp", "sinusoid_tanh", "iris_mlp"} <= wide
    assert "digits_cnn" not in wide


def test_the_model_of_a_table_widens(tmp_path):
    rows = [f"{index % 7},{index % 5},{index % 2}" for index in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,y", *rows]))
    (task,) = metaopt.load_corpus(str(tmp_path))
    (wide,) = scaled_tasks([task])["parameters × 10"]
    assert size(wide) >= 10 * size(task)
    assert task.widened(1.0)[0].out_features == 64


def slowly(width=1.0):
    return nn.Sequential(nn.Linear(3, round(4 * width)), nn.Linear(round(4 * width), 1), nn.Linear(1, 500))


@pytest.mark.parametrize(
    ("model", "widened", "sizes"),
    [
        (narrow, lambda width: narrow(), "21 parameters, and 10 times 21 "),
        (narrow, lambda width: narrow(max(1 / width, 0.25)), "6 parameters, and 10 times 21 "),
        (narrow, lambda width: narrow(min(width, 3.0)), "61 parameters, and 10 times 21 "),
        (slowly, slowly, "1,611 parameters, and 10 times 1,021 "),
    ],
    ids=["not at all", "shrinks", "to an end", "slowly"],
)
def test_a_model_that_does_not_grow_is_refused_by_name(make_task, model, widened, sizes):
    with pytest.raises(
        metaopt.InputError, match=r"Task 'line': widened\(width\) must make a model that grows"
    ) as caught:
        scaled_tasks([make_task(model=model, widened=widened)])
    assert sizes in str(caught.value)
