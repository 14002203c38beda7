"""Reference runs that came with a corpus instead of being trained."""

import dataclasses

import numpy as np
import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.contracts import Corpus
from metaopt.plugin.registry import Registry, current_registry
from metaopt.report.headlines import price
from metaopt.report.tables import cost_table
from metaopt.tuning.judging.references import DEFAULT_BASELINE, POOL_SIZE, references
from metaopt.tuning.judging.shipped_references import read, write
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.seeds import REFERENCE_SEEDS

pytestmark = pytest.mark.thorough

REFERENCE_RUNS = POOL_SIZE + 2 * len(REFERENCE_SEEDS) - 1


def registry_with(path, tasks):
    """What is installed, and a corpus of these tasks that ships the file."""
    registry = Registry()
    for entry in current_registry():
        registry.register(entry.spec)
    registry.register(
        metaopt.CorpusSpec(name="lines", version="1", load=lambda: Corpus("lines", tasks), reference_runs=path)
    )
    return registry


@pytest.fixture
def tasks(make_tasks):
    return tuple(make_tasks(2))


@pytest.fixture
def made(evaluator, tasks):
    """Reference runs of both tasks."""
    references(evaluator, tasks, DEFAULT_BASELINE)
    return evaluator.evaluations(tasks)


@pytest.fixture
def path(made, tmp_path):
    write(tmp_path / "runs.npz", made)
    return tmp_path / "runs.npz"


@pytest.fixture
def shipped(path, tasks):
    announced = []
    evaluator = Evaluator(Ledger("sqlite://"), registry_with(path, tasks), announce=announced.append)
    evaluator.announced = announced
    yield evaluator
    evaluator.close()


def test_a_file_holds_the_runs_as_they_were(path, made):
    evaluations = read(path)
    assert [evaluation.key for evaluation in evaluations] == [evaluation.key for evaluation in made]
    for evaluation, other in zip(evaluations, made, strict=True):
        assert (evaluation.task, evaluation.family, evaluation.configuration) == (
            other.task,
            other.family,
            other.configuration,
        )
        assert evaluation.curve.to_json() == other.curve.to_json()
        assert evaluation.seconds == pytest.approx(other.seconds, rel=1e-6)


def test_what_runs_have_on_resampled_examples_is_kept_run_by_run(tmp_path, made):
    curve = metaopt.Curve([1], [0.5], 1, test=[0.25])
    draws = [{}, {"test": [1 / 3, 2.5, -1e-7]}, {"validation": [1.0, 2.0], "test": [0.1, 0.2]}, {}]
    runs = [
        dataclasses.replace(run, curve=dataclasses.replace(curve, resampled=resampled))
        for run, resampled in zip(made, draws, strict=False)
    ]
    write(tmp_path / "draws.npz", runs)
    for run, other in zip(read(tmp_path / "draws.npz"), runs, strict=True):
        assert run.curve.to_json() == other.curve.to_json()


def test_runs_that_diverged_or_have_no_test_values_stay_so(tmp_path, made):
    values = [0.5, float("nan")]
    bare = dataclasses.replace(made[0], curve=metaopt.Curve([1, 2], values, 2))
    write(tmp_path / "odd.npz", [bare, made[1]])
    curve = read(tmp_path / "odd.npz")[0].curve
    assert curve.test is None
    np.testing.assert_array_equal(curve.values, values)


def test_what_is_shipped_is_not_trained_and_scores_are_the_same(shipped, evaluator, tasks, path):
    expected = references(evaluator, tasks, DEFAULT_BASELINE)
    shipped_references = references(shipped, tasks, DEFAULT_BASELINE)
    assert shipped.spent.evaluations == 0
    assert {name: reference.scale for name, reference in shipped_references.items()} == {
        name: reference.scale for name, reference in expected.items()
    }
    assert shipped.announced == [
        "References of 2 tasks are shipped with corpus 'lines': "
        f"{2 * REFERENCE_RUNS} trainings, {sum(evaluation.seconds for evaluation in read(path)):.0f} s when made."
    ]
    assert len(shipped.ledger.shipped(task.fingerprint for task in tasks)) == 2 * REFERENCE_RUNS
    references(shipped, tasks, DEFAULT_BASELINE)
    assert len(shipped.announced) == 1  # the ledger has them now


def test_a_changed_task_gets_references_of_its_own(shipped, make_task):
    references(shipped, [make_task("line0", num_steps=21)], DEFAULT_BASELINE)
    assert shipped.spent.evaluations == REFERENCE_RUNS
    assert shipped.announced == []


def test_with_a_baseline_of_ones_own_only_that_is_trained(shipped, tasks):
    references(shipped, tasks, Configuration("sgd", hparams={"sgd.lr": 0.05}))
    assert shipped.spent.evaluations == len(tasks) * len(REFERENCE_SEEDS)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PK\x03\x04 no more")])
def test_a_damaged_file_is_named_and_its_runs_are_trained(shipped, tasks, path, damage):
    damage(path)
    references(shipped, tasks, DEFAULT_BASELINE)
    assert shipped.spent.evaluations == 2 * REFERENCE_RUNS
    assert "What corpus 'lines' ships is trained instead: Shipped references" in shipped.announced[0]
    assert str(path) in shipped.announced[0]


@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("filling", [b"", b"\x00" * 40, b"\xff" * 40], ids=["cut", "zeros", "ones"])
def test_whatever_is_wrong_with_a_file_is_one_sentence(path, filling, part):
    whole = path.read_bytes()
    place = len(whole) * part // 8
    path.write_bytes(whole[:place] + filling + (whole[place + len(filling) :] if filling else b""))
    with pytest.raises(metaopt.PluginError, match=r"Shipped references .* cannot be read") as caught:
        read(path)
    assert len(str(caught.value)) < 500


def test_nothing_is_written_where_there_is_nothing(tmp_path):
    with pytest.raises(metaopt.InputError, match=r"no reference runs to write .* run the references first"):
        write(tmp_path / "none.npz", [])


def test_a_study_counts_them_and_says_that_they_were_shipped(path, tasks, url):
    announced = []
    arguments = {"n_trials": 2, "storage": url, "optimizers": ["adamw"], "controllers": ["constant"], "wrappers": []}
    registry = registry_with(path, tasks)
    result = metaopt.tune(tasks, **arguments, against=["sgd"], registry=registry, announce=announced.append)
    cost = result.cost
    assert cost.reference_evaluations == cost.shipped_evaluations == 2 * REFERENCE_RUNS
    assert cost.shipped_seconds == pytest.approx(sum(evaluation.seconds for evaluation in read(path)))
    assert announced[0].startswith("References of 2 tasks are shipped with corpus 'lines'")
    assert ", 0 of references," in announced[1]
    shipped = f"{2 * REFERENCE_RUNS} of them, {cost.shipped_seconds:.0f} s when made, came with the corpus."
    assert shipped in price(result)
    assert any(row[0] == "of which came with the corpus" for row in cost_table(result).rows)
    again = metaopt.tune(tasks, **arguments, against=["sgd"], registry=registry, announce=announced.append, train=False)
    assert again.cost == cost
