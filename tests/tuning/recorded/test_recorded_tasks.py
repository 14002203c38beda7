"""Curves for a replay: from the ledger of a study, from files, from folders of them."""

import numpy as np
import pandas as pd
import pytest
import torch

import metaopt
from metaopt.plugin.registry import current_registry
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.recorded.recorded_tasks import read_curves, read_recorded
from metaopt.tuning.stopping.replay import replay

pytestmark = pytest.mark.thorough


def negative_error(output, targets):
    return -torch.nn.functional.mse_loss(output, targets)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """URL of a ledger that a study of three tasks wrote."""
    return f"sqlite:///{tmp_path_factory.mktemp('study') / 'study.db'}"


@pytest.fixture
def tuned(study, make_task):
    """It, written once; the last task's metric is better when higher."""
    tasks = [make_task("one", seed=1), make_task("two", seed=2, num_validations=8)]
    tasks += [make_task("three", seed=3, metric=negative_error, mode="max")]
    return study, metaopt.tune(
        tasks, n_trials=6, optimizers=["adamw"], controllers=["constant"], wrappers=[], storage=study, against=[]
    )


def test_every_evaluation_of_a_study_is_read_with_its_signals(tuned):
    url, result = tuned
    tasks = {curve.name: curve for curve in read_recorded(url)}
    assert set(tasks) == {"one", "two", "three"}
    counts = result.evaluations_dataframe()["task"].value_counts()
    for name, task in tasks.items():
        assert len(task.curves) >= counts[name]
        assert all("train_loss" in curve.signals for curve in task.curves)
        firsts = [curve.values[0] for curve in task.curves if np.isfinite(curve.values[0])]
        assert task.chance == np.median(firsts)
    assert {len(curve.steps) for curve in tasks["two"].curves} == {8}
    assert all(curve.values.min() > 0 for curve in tasks["three"].curves if not curve.diverged), (
        "lower is better in a ledger"
    )


def test_policies_are_played_over_a_ledger_as_over_a_file_of_its_curves(tuned, tmp_path):
    url, _ = tuned
    rows = [
        {"candidate": number, "task": task.name, "step": step, "value": value, "horizon": curve.horizon}
        | {"signal:train_loss": loss}
        for task in read_recorded(url)
        for number, curve in enumerate(task.curves)
        for step, value, loss in zip(curve.steps, curve.values, curve.signals["train_loss"], strict=True)
    ]
    table = pd.DataFrame(rows)
    table["value"] = table["value"].fillna(np.inf)
    table.to_csv(tmp_path / "curves.csv", index=False)
    in_file = {recorded.name: recorded for recorded in read_curves(tmp_path / "curves.csv")}
    tasks = read_recorded(url)
    from_ledger = replay(tasks, current_registry(), policies=20)
    from_file = replay([in_file[task.name] for task in tasks], current_registry(), policies=20)
    assert from_ledger.num_learned == from_file.num_learned
    assert from_ledger.num_learned > 3
    for mine, other in zip(from_ledger.results, from_file.results, strict=True):
        assert (mine.stopper, mine.saved) == (other.stopper, other.saved)
        assert mine.regret == pytest.approx(other.regret)


def test_chance_and_mode_are_given_as_users_see_the_metric(tuned):
    url, _ = tuned
    assert {recorded.chance for recorded in read_recorded(url, chance=3.0)} == {3.0}
    assert {(recorded.chance, recorded.sign) for recorded in read_recorded(url, "max", -3.0)} == {(3.0, -1.0)}
    with pytest.raises(metaopt.InputError, match="--mode must be min or max, got 'up'"):
        read_recorded(url, "up")


def test_a_folder_and_a_pattern_are_all_their_files(tmp_path):
    for name in ("a", "b"):
        frame = pd.DataFrame({"candidate": "x", "task": name, "step": [1, 2], "value": [1.0, 0.5]})
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    for source, names in ((tmp_path, ["a", "b"]), (tmp_path / "*.csv", ["a", "b"]), (tmp_path / "a.csv", ["a"])):
        assert [recorded.name for recorded in read_recorded(str(source))] == names


def test_what_is_not_there_is_said_in_a_sentence(tmp_path, url):
    with pytest.raises(metaopt.InputError, match=r"No file of curves is at .*nothing\.csv"):
        read_recorded(str(tmp_path / "nothing.csv"))
    with pytest.raises(metaopt.InputError, match="No file of curves is at"):
        read_recorded(str(tmp_path))
    with pytest.raises(metaopt.StorageError, match=r"There is no study at 'sqlite:.*does not exist"):
        read_recorded(url)
    assert not list(tmp_path.iterdir()), "looking makes no file"
    Ledger(url).close()
    with pytest.raises(metaopt.InputError, match=r"The ledger 'sqlite:.*holds no curves; give the storage of a study"):
        read_recorded(url)
    with pytest.raises(metaopt.StorageError, match="cannot be opened") as caught:
        read_recorded("postgresql://user:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)
    (tmp_path / "other.db").write_text("no database")
    with pytest.raises(metaopt.StorageError, match="not a database"):
        read_recorded(f"sqlite:///{tmp_path / 'other.db'}")
