"""Portfolios: which recipes, in which order, and which one for a new task."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.plugin.registry import current_registry
from metaopt.tuning.portfolio import FEATURES, Portfolio, greedy_order, load_portfolio, task_features


def table(**scores: list[float]) -> dict[str, tuple[Configuration, dict[str, float]]]:
    return {
        key: (Configuration("adamw"), {str(task): score for task, score in enumerate(row)})
        for key, row in scores.items()
    }


def test_each_next_recipe_is_the_one_that_helps_most_where_the_earlier_ones_fail() -> None:
    scores = table(
        good=[0.9, 0.9, 0.0, 0.0], twin=[0.8, 0.8, 0.1, 0.0], third=[0.0, 0.0, 0.9, 0.0], last=[0, 0, 0, 0.3]
    )
    assert greedy_order(scores, "good", 3) == ["good", "third", "last"]


def test_a_portfolio_ends_where_no_recipe_adds_anything() -> None:
    assert greedy_order(table(good=[0.9, 0.9], worse=[0.8, 0.9]), "good", 5) == ["good"]


def recipes() -> tuple[metaopt.Recipe, ...]:
    return tuple(metaopt.Recipe.create(Configuration("adamw", hparams={"adamw.lr": lr})) for lr in (1e-3, 1e-2))


def features(size: float) -> list[float]:
    return [size] + [1.0] * (len(FEATURES) - 1)


def two_kinds(first_on_large: float) -> Portfolio:
    """Small tasks, where the first recipe is better, and large ones."""
    sizes = [2.0, 2.1, 2.2, 2.3, 2.4, 5.0, 5.1, 5.2, 5.3, 5.4]
    first = [1.0] * 5 + [first_on_large] * 5
    return Portfolio(recipes(), np.asarray([features(size) for size in sizes]), np.asarray([first, [0.5] * 10]))


def test_choosing_by_features_is_used_where_it_beats_the_fixed_order_on_left_out_tasks() -> None:
    assert two_kinds(first_on_large=0.0).selection_gain == pytest.approx(0.25)
    assert two_kinds(first_on_large=1.0).selection_gain == 0


def test_a_large_task_gets_the_recipe_of_large_tasks(make_task) -> None:
    tiny_task = make_task()
    mine = task_features(tiny_task, recipes()[0], current_registry())
    known = np.stack(
        [mine + offset * np.eye(len(FEATURES))[0] for offset in (0, 0.1, 0.2, 0.3, 0.4, 4, 4.1, 4.2, 4.3, 4.4)]
    )
    near = Portfolio(recipes(), known, np.asarray([[0.0] * 5 + [1.0] * 5, [0.5] * 10]))
    assert near.select(tiny_task) == near[1]
    never = Portfolio(recipes(), known, np.asarray([[1.0] * 10, [0.5] * 10]))
    assert never.select(tiny_task) == never[0]


def test_features_are_sizes_and_what_a_probe_does(make_task) -> None:
    tiny_task = make_task()
    features_by_name = dict(zip(FEATURES, task_features(tiny_task, recipes()[1], current_registry()), strict=True))
    assert features_by_name["examples"] == pytest.approx(np.log10(len(tiny_task.splits.train)))
    assert features_by_name["steps"] == pytest.approx(np.log10(tiny_task.num_steps))
    assert features_by_name["probe_loss_ratio"] < 0


def test_a_learned_wrapper_probes_with_the_weights_that_ship(make_task) -> None:
    recipe = metaopt.Recipe.create(Configuration("adamw", wrappers=("learned_schedule",)))
    assert recipe.theta is None
    features_by_name = dict(zip(FEATURES, task_features(make_task("line"), recipe, current_registry()), strict=True))
    assert features_by_name[FEATURES[-1]] < 0


def test_a_saved_portfolio_comes_back(tmp_path: Path) -> None:
    portfolio = two_kinds(first_on_large=0.0)
    portfolio.save(tmp_path / "portfolio")
    again = load_portfolio(tmp_path / "portfolio")
    assert again == portfolio
    np.testing.assert_array_equal(again.scores, portfolio.scores)


def test_a_folder_without_a_portfolio_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(metaopt.RecipeError, match="There is no portfolio in"):
        load_portfolio(tmp_path)


KILLED = """
import os, sys
from pathlib import Path
from metaopt.tuning.portfolio import load_portfolio

def counted(real):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), 9)
        return real(*arguments, **options)
    return call

before, after = (load_portfolio(path) for path in sys.argv[1:3])
for fatal in range(1, 100):
    home, calls = Path(sys.argv[3], str(fatal)), 0
    before.save(home)
    if not (child := os.fork()):
        for owner, name in ((os, "replace"), (os, "rmdir"), (os, "unlink")):
            setattr(owner, name, counted(getattr(owner, name)))
        after.save(home)
        os._exit(0)
    survived = os.waitpid(child, 0)[1] == 0
    found = load_portfolio(home)
    assert found in (before, after)
    assert (found.scores == (before if found == before else after).scores).all()
    if survived:
        break
    before.save(home)  # tidies up
    assert {path.name for path in home.iterdir()} == {"1", "2", "portfolio.json"}
assert load_portfolio(home) == after
print(fatal - 1, "kills")
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_of_a_save_leaves_the_old_portfolio_or_the_new_one(tmp_path: Path) -> None:
    before = two_kinds(first_on_large=0.0)
    before.save(tmp_path / "before")
    Portfolio(before.recipes[::-1], before.features, before.scores[::-1]).save(tmp_path / "after")
    command = [sys.executable, "-c", KILLED, *(str(tmp_path / name) for name in ("before", "after", "homes"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[0]) > 5


def test_a_portfolio_without_hashes_is_read_as_it_is(tmp_path: Path) -> None:
    portfolio = two_kinds(first_on_large=0.0)
    portfolio.save(tmp_path)
    document = json.loads((tmp_path / "portfolio.json").read_text())
    (tmp_path / "portfolio.json").write_text(json.dumps({key: document[key] for key in document if key != "sha256"}))
    assert load_portfolio(tmp_path) == portfolio


@pytest.mark.parametrize(
    "change",
    [
        {"recipes": 3},
        {"recipes": []},
        {"recipes": [1, 2]},
        {"recipes": ["1"]},
        {"recipes": ["1", "x" * 5000]},
        {"sha256": ["0"]},
        {"scores": [[1.0]]},
        {"scores": "x" * 5000},
        {"features": 10**400},
        {"features": [[10**400]]},
        {"features": {}},
    ],
)
def test_a_damaged_portfolio_is_refused_in_one_sentence(tmp_path: Path, change: dict[str, object]) -> None:
    two_kinds(first_on_large=0.0).save(tmp_path)
    document = json.loads((tmp_path / "portfolio.json").read_text())
    (tmp_path / "portfolio.json").write_text(json.dumps({**document, **change}))
    with pytest.raises(metaopt.RecipeError) as caught:
        load_portfolio(tmp_path)
    assert len(str(caught.value)) < 500


def test_a_portfolio_prints_the_names_of_its_recipes() -> None:
    assert repr(two_kinds(0.0)) == "Portfolio(recipes=['adamw+constant', 'adamw+constant'], tasks=10)"
