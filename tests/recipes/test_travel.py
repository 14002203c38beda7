"""`benchmarks.recipes.travel`: rows that judge are not trained on, outcomes are kept, figures are what they say."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are not installed

import metaopt  # noqa: E402
from benchmarks.recipes.peers import ADAMW, SCHEDULE_FREE  # noqa: E402
from benchmarks.recipes.travel.__main__ import main  # noqa: E402
from benchmarks.recipes.travel.contenders import BEST, GRID, labels, peers  # noqa: E402
from benchmarks.recipes.travel.data import ratings  # noqa: E402
from benchmarks.recipes.travel.pretrained import LowRank, Pretraining, low_rank_with_new_head, with_new_head  # noqa: E402
from benchmarks.recipes.travel.store import Store, key_of  # noqa: E402
from benchmarks.recipes.travel.summary import best_of_grid, interval, summary, trials_worth  # noqa: E402
from benchmarks.recipes.travel.task import Data, Rows, TravelTask, Windows, classes  # noqa: E402
from benchmarks.recipes.travel.tasks import all_tasks, large_tasks  # noqa: E402
from benchmarks.recipes.travel.training import Contender, Outcome, train  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the development data ../shared/data is absent")
TASKS = {task.name: task for task in [*all_tasks(DATA, Path("unused")), *large_tasks(DATA)]}
#: One task for each way of loading data: many share one.
BY_DATA = {repr(task.load): task for task in TASKS.values()}


def small_data():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(400, 6, generator=generator)
    targets = (inputs[:, :2].sum(1) > 0).long()
    return Data(
        *(Rows(*part) for part in zip(inputs.split((200, 100, 100)), targets.split((200, 100, 100)), strict=True))
    )


def small_model():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))


SMALL = TravelTask("small", "mlp", small_model, small_data, classes, batch_size=16, num_steps=12, num_validations=3)


def outcome(test, validation=None, first=10.0):
    return Outcome([], first, first, test if validation is None else validation, test, 1, 1.0, 1.0)


# Tasks


@needs_data
def test_there_are_fourteen_tasks_of_seven_kinds_and_of_the_promised_sizes():
    tasks = all_tasks(DATA, Path("unused"))
    assert len(tasks) >= 14
    assert len({task.kind for task in tasks}) >= 7
    assert len({task.name for task in tasks}) == len(tasks)
    sizes = {task.name: task.parameters for task in tasks if task.kind not in ("finetune", "lora")}
    assert all(200_000 <= size <= 6_000_000 for size in sizes.values()), sizes
    assert all(task.parameters >= 10_000_000 for task in large_tasks(DATA))


def rows_of(part):
    """Rows as bytes: of a text every window, wherever it begins; of images under noise those without."""
    if isinstance(part, Windows):
        inputs = part.codes.unfold(0, part.context, 1)
    else:
        inputs = part.targets if part.targets.dim() == 4 else part.inputs
    flat = inputs.flatten(1)
    flat = flat.to(torch.int16 if not flat.is_floating_point() else torch.float32).numpy()
    return {row.tobytes() for row in flat}


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("name", sorted(task.name for task in BY_DATA.values()))
def test_no_row_that_is_trained_on_judges(name):
    task = replace(TASKS[name])  # a copy of its own, so that what it loads is let go
    training, validation, test = (rows_of(part) for part in (task.data.training, task.data.validation, task.data.test))
    assert len(test) > 50
    assert not training & (validation | test)
    assert not validation & test


@needs_data
def test_weights_are_trained_before_on_nothing_that_judges():
    judged = {}
    for task in all_tasks(DATA, Path("unused")):
        if task.kind in ("finetune", "lora"):
            pretraining = pretraining_of(task.model)
            judged.setdefault(pretraining.name, [pretraining, []])[1].extend((task.data.validation, task.data.test))
    assert len(judged) == 2
    for pretraining, parts in judged.values():
        training = rows_of(pretraining.load())
        assert not any(training & rows_of(part) for part in parts)


def pretraining_of(model):
    owner = model.__self__ if hasattr(model, "__self__") else model.args[0]
    assert isinstance(owner, Pretraining)
    return owner


def test_pairs_of_user_and_item_are_there_once():
    data = ratings(users=200, items=100)
    training, *judging = (part.inputs for part in (data.training, data.validation, data.test))
    pairs = torch.cat((training, *judging))
    assert len(pairs.unique(dim=0)) == len(pairs)


def test_a_fingerprint_changes_with_budget_and_data_and_not_with_the_object():
    assert SMALL.fingerprint == replace(SMALL).fingerprint
    other = replace(SMALL, load=lambda: replace(small_data(), test=small_data().validation))
    assert len({SMALL.fingerprint, replace(SMALL, num_steps=13).fingerprint, other.fingerprint}) == 3


# Pretraining


class Net(nn.Module):
    def __init__(self, num_classes=2):
        super().__init__()
        self.hidden, self.head = nn.Linear(6, 8), nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.hidden(x).relu())


def test_weights_are_trained_once_and_start_low_rank_terms_at_their_values(tmp_path):
    pretraining = Pretraining(tmp_path, "net", Net, lambda: small_data().training, classes, 16, 40)
    first = with_new_head(pretraining, 3)
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    torch.manual_seed(1)
    adapted = low_rank_with_new_head(pretraining, 3)
    assert file.stat().st_mtime_ns == written
    assert isinstance(adapted.hidden, LowRank)
    inputs = torch.randn(5, 6)
    assert torch.equal(adapted.hidden(inputs), first.hidden(inputs))
    trained = {name for name, param in adapted.named_parameters() if param.requires_grad}
    assert trained == {"hidden.a", "hidden.b", "head.weight", "head.bias"}
    assert classes(Net(), tuple(small_data().test.tensors())) > classes(
        pretraining.pretrained(), tuple(small_data().test.tensors())
    )


# Training and store


def test_a_training_lowers_the_loss_and_is_the_same_again():
    contender = peers()[0]
    first, again = train(SMALL, contender, 0), train(SMALL, contender, 0)
    assert first.loss < first.first_test
    assert (first.validations, first.test) == (again.validations, again.test)
    assert len(first.validations) == 3


def test_a_run_that_diverges_counts_as_the_loss_before_training():
    sgd = metaopt.Recipe.create(metaopt.Configuration("sgd", "constant", hparams={"sgd.lr": 1e25}))
    with pytest.warns(RuntimeWarning, match="the gradients are not finite"):
        diverged = train(SMALL, Contender("sgd", sgd), 0)
    assert diverged.loss == diverged.first_test
    assert outcome(11.0).loss == 10.0
    assert outcome(9.0).loss == 9.0


def test_a_store_keeps_what_was_trained_and_forgives_a_line_that_was_cut(tmp_path):
    file, (first, second) = tmp_path / "runs" / "store.jsonl", peers()[:2]
    store = Store.read(file)
    key = key_of(SMALL, first, 0)
    store.add(key, outcome(1.5))
    with file.open("a") as stream:
        stream.write('{"task": "sm')
    store = Store.read(file)
    assert store.outcomes == {key: outcome(1.5)}
    store.add(key_of(SMALL, second, 0), outcome(math.pi))
    assert len(Store.read(None, [file]).outcomes) == 2


def test_other_settings_and_another_law_are_other_contenders():
    recipe = metaopt.load_recipe("default")
    keys = {
        key_of(SMALL, Contender("mine", made, scale), 0)
        for made, scale in ((recipe, None), (recipe, False), (peers()[0].recipe, None))
    }
    assert len(keys) == 3


# Figures


def grid(*losses):
    return dict(zip(GRID, map(outcome, losses), strict=True))


def test_worth_is_the_expected_number_of_trials_in_random_order():
    assert trials_worth(1.0, [1, 2, 3, 4, 5, 6]) == 3.5
    assert trials_worth(6.0, [1, 2, 3, 4, 5, 6]) == 1
    assert trials_worth(0.5, [1, 2, 3, 4, 5, 6]) == 7


def test_the_best_of_a_grid_is_chosen_by_validation():
    trainings = grid(5.0, 4.0, 3.0, 2.0, 1.0, 6.0)
    trainings[GRID[1]] = outcome(4.0, validation=0.1)
    trainings[GRID[2]] = replace(outcome(3.0), validation=None, test=None)
    assert best_of_grid(trainings).loss == 4.0


def test_a_summary_over_two_tasks():
    others = {ADAMW: outcome(4.0), SCHEDULE_FREE: outcome(2.0)}
    results = {
        ("a", 0): {**grid(2, 3, 4, 5, 6, 7), **others, "mine": outcome(1.0)},
        ("b", 0): {**grid(2, 3, 4, 5, 6, 7), **others, "mine": outcome(8.0)},
    }
    row = summary("mine", results)
    assert row.ratio == pytest.approx(2**0.5)
    assert row.worst == ("b", pytest.approx(4.0))
    assert (row.wins, row.trainings, row.failed) == (1, 2, 0)
    assert row.worth == 4.0
    assert row.against_schedule_free.value == pytest.approx(2**0.5)
    assert summary(BEST, results).ratio == 1.0


def test_an_interval_over_tasks_is_students():
    row = interval([0.0, 0.1, 0.2])
    assert row.value == pytest.approx(math.exp(0.1))
    assert math.log(row.high) == pytest.approx(0.1 + 4.302653 * 0.1 / 3**0.5, rel=1e-6)


def test_folders_of_one_name_keep_apart():
    assert labels(["a/recipe", "b/a/recipe", "default"]) == {
        "recipe (a/recipe)": "a/recipe",
        "recipe (b/a/recipe)": "b/a/recipe",
        "recipe (default)": "default",
    }


# The command


def test_the_command_trains_once_and_goes_on_from_its_store(tmp_path):
    lines, again = [], []
    arguments = ["--tasks", "recommender", "--seeds", "1", "--steps", "3", "--store", str(tmp_path / "store.jsonl")]
    main([*arguments, "--recipe"], lines.append)
    assert sum("recommender, seed 0" in line for line in lines) == len(peers())
    main([*arguments, "--recipe", "default", "--json", str(tmp_path / "report.json")], again.append)
    assert sum("recommender, seed 0" in line for line in again) == 1
    report = json.loads((tmp_path / "report.json").read_text())
    assert {row["contender"] for row in report["summary"]} == {*(one.name for one in peers()), "recipe (default)", BEST}
    assert "worth" in again[-1]
    stored = []
    main([*arguments, "--recipe", "--stored", "--seeds", "2"], stored.append)
    assert not any("seed 1" in line for line in stored)


def test_a_recipe_with_the_kind_left_out_is_taken_by_kind(tmp_path):
    folder, report = tmp_path / "folds", tmp_path / "report.json"
    peers()[1].recipe.save(folder / "recommender")
    arguments = ["--seeds", "1", "--steps", "3", "--store", str(tmp_path / "store.jsonl"), "--left-out", str(folder)]
    main([*arguments, "--recipe", "--tasks", "recommender", "--json", str(report)], lambda line: None)
    outcomes = {row["contender"]: row["validations"] for row in json.loads(report.read_text())["outcomes"]}
    assert outcomes["recipe (folds), kind left out"] == outcomes[SCHEDULE_FREE]
    with pytest.raises(SystemExit, match="table"):
        main([*arguments, "--recipe", "--tasks", "recommender,table_deep"], lambda line: None)


def test_a_store_without_a_whole_task_is_said(tmp_path):
    with pytest.raises(SystemExit, match="holds no task with all of"):
        main(["--tasks", "recommender", "--stored", "--store", str(tmp_path / "none.jsonl")])


def test_unknown_tasks_and_missing_data_are_said(tmp_path):
    with pytest.raises(SystemExit, match="There is no name gru2"):
        main(["--tasks", "gru2"])
    with pytest.raises(SystemExit, match=r"lacks tinyshakespeare/input\.txt"):
        main(["--tasks", "gru", "--data", str(tmp_path)])
