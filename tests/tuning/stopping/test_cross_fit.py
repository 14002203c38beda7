"""Fitted stoppers are chosen on curves that they were not fitted to, and recipes carry what they learned."""

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.contracts import Curve, CurveBatch
from metaopt.deploy.stopping.configuration import StopperConfiguration, build_stopper
from metaopt.plugin.registry import Registry, current_registry
from metaopt.recipe import Recipe, load_recipe
from metaopt.tuning.judging.scores import Scale
from metaopt.tuning.recorded.recorded_tasks import RecordedTask, read_curves
from metaopt.tuning.stopping.cross_fit import CUTS, FOLDS, cross_fit, fitted
from metaopt.tuning.stopping.replay import replay
from metaopt.tuning.stopping.stopping import RecordedRun, replay_policies

CURVES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "curves"
SCALE = Scale(1.0, 0.2, -0.5, 0.5, 0.01, test_baseline=1.0, test_tuned=0.0, test_noise=0.01)


def last_values(batch):
    return batch.values[np.arange(len(batch.values)), np.isfinite(batch.values).sum(axis=1) - 1]


def lowest_seen(batch, hparams, theta):
    """Fires below what the population ever reached."""
    return (batch.values < theta["lowest"]) & (np.asarray(hparams["on"]) > 0)


def fit_lowest(batches, generator):
    return {"lowest": min(float(np.nanmin(batch.values)) for batch in batches)}


LOWEST = metaopt.StopperSpec(
    name="lowest",
    version="1",
    fires=lowest_seen,
    fit=fit_lowest,
    theta_shapes={"lowest": ()},
    space={"on": metaopt.Int(1, 1, default=1)},
)


def batch_of(finals):
    return CurveBatch.from_curves([Curve([1, 2, 3], [2.0, 1.0, final], 3) for final in finals])


def test_no_curve_is_played_with_what_it_taught():
    batches, seen = [batch_of([0.1, 0.2, 0.3]), batch_of([0.4, 0.5])], []

    def play(at, rows, theta):
        finals = last_values(batches[at])[rows]
        seen.append((at, rows.tolist()))
        return (np.stack([finals, np.full(len(rows), float(theta["lowest"]))]),)

    groups = np.split(np.arange(5), [3])
    fitted = cross_fit(LOWEST, batches, groups, seed=0)
    (played,) = fitted.play(play)
    assert played[0].tolist() == [0.1, 0.2, 0.3, 0.4, 0.5], "each curve once, in order"
    # Whoever holds the lowest value is played with what the others of other parts reached.
    assert played[1][0] > 0.1
    assert (played[1][1:] <= played[1][0]).all()
    assert fitted.theta["lowest"] == 0.1, "what is deployed learned from all"
    assert sum(len(rows) for _, rows in seen) == 5 * CUTS


def test_groups_stay_together():
    batches = [batch_of([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])]
    groups = [np.array([0, 0, 1, 1, 2, 2])]
    thetas = {}

    def play(at, rows, theta):
        thetas.update({int(row): float(theta["lowest"]) for row in rows})
        return (np.zeros((1, len(rows))),)

    cross_fit(LOWEST, batches, groups, seed=3).play(play)
    assert [thetas[row] for row in range(6)] == [0.3, 0.3, 0.1, 0.1, 0.1, 0.1]


def test_what_a_curve_gets_is_the_mean_over_cuts():
    batch = batch_of([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    each = {}

    def play(at, rows, theta):
        for row in rows:
            each.setdefault(int(row), []).append(float(theta["lowest"]))
        return (np.full((1, len(rows)), float(theta["lowest"])),)

    (played,) = cross_fit(LOWEST, [batch], [np.arange(8)], seed=0).play(play)
    assert all(len(thetas) == CUTS for thetas in each.values())
    assert len({tuple(thetas) for thetas in each.values()}) > 1
    np.testing.assert_allclose(played[0], [np.mean(each[row]) for row in range(8)])


def test_at_most_so_many_fits_and_none_with_a_single_group():
    fits = []

    def counting(batches, generator):
        fits.append(sum(len(one.values) for one in batches))
        return fit_lowest(batches, generator)

    spec = metaopt.StopperSpec(
        name="counted", version="1", fires=lowest_seen, fit=counting, theta_shapes={"lowest": ()}
    )
    batch = batch_of(np.linspace(0.1, 0.9, 9))

    cross_fit(spec, [batch], [np.arange(9)], seed=0)
    assert len(fits) == FOLDS * CUTS + 1
    assert fits[-1] == 9
    assert cross_fit(spec, [batch], [np.zeros(9, dtype=int)], seed=0) is None


def test_tuning_measures_a_fitted_stopper_on_tasks_it_was_not_fitted_to():
    registry = Registry()
    registry.register(LOWEST)
    finals = {"easy": 0.3, "hard": 0.6}
    runs = [
        RecordedRun(Curve([1, 2, 3, 4], [2.0, 1.0, final, final - 0.1], 4), SCALE, 1.0, task)
        for task, final in finals.items()
        for _ in range(3)
    ]
    result = replay_policies(runs, registry, 0, ["lowest"])[0]
    # `hard` ends at .5, so `easy` stops at its third value, .3, and saves a quarter; `easy` ends at .2: `hard` goes on.
    assert result.steps_saved == pytest.approx(0.125)
    assert result.stopper.theta == {"lowest": pytest.approx(0.2)}
    assert replay_policies(runs[:1], registry, 0, ["lowest"]) == [], "nothing to learn from and be measured on"


def test_tuning_proposes_none_of_the_fitted_stoppers_unasked(registry):
    runs = [
        RecordedRun(Curve(np.arange(1.0, 11), np.linspace(1, 0.2, 10) + seed / 100, 10), SCALE, 1.0, f"task {seed % 2}")
        for seed in range(6)
    ]
    names = {result.stopper.name for result in replay_policies(runs, registry, 0)}
    assert "patience" in names
    assert not names & {"median", "asha", "learned_stopper"}
    asked = replay_policies(runs, registry, 0, ["median", "asha", "learned_stopper"])
    assert {result.stopper.name for result in asked} == {"median", "asha", "learned_stopper"}
    assert all(result.stopper.theta for result in asked)


def overfitting(count=24):
    generator = np.random.default_rng(0)
    curves = []
    for _ in range(count):
        turn, time = generator.uniform(0.3, 0.6), np.arange(1, 31) / 30
        curves.append(Curve(np.arange(1.0, 31), np.where(time < turn, 1 - time / turn, time - turn), 30))
    return RecordedTask("bends", tuple(curves), 1.0)


def test_a_replayed_policy_is_what_its_configuration_does_in_a_loop():
    task = overfitting()
    replayed = replay([task], current_registry(), stoppers=["learned_stopper"], policies=5, seed=1)
    best = replayed.best(0.05)
    assert best.saved > 0.25
    other_half = np.random.default_rng(1).permutation(24)[1::2]
    regrets, saved = [], []
    for row in np.sort(other_half):
        curve = task.curves[row]
        stopper = build_stopper(best.stopper, mode="min")
        seen = [metaopt.Observation(step, value, 30) for step, value in enumerate(curve.values.tolist(), start=1)]
        stopped = [stopper.observe(observation).stop for observation in seen]
        at = stopped.index(True) if True in stopped else 29
        regrets.append((curve.values[: at + 1].min() - curve.values.min()) / (1 - curve.values.min()))
        saved.append(1 - (at + 1) / 30)
    assert best.saved == pytest.approx(np.mean(saved))
    assert best.regret == pytest.approx(np.mean(regrets))


def test_a_recipe_carries_what_was_learned_and_old_documents_still_load(tmp_path):
    spec = current_registry().get(metaopt.StopperSpec, "median")
    theta = fitted(spec, [CurveBatch.from_curves(overfitting().curves)], seed=0)
    stopper = StopperConfiguration("any", stoppers=(StopperConfiguration("median", theta=theta),))
    recipe = Recipe.create(Configuration("adamw", "constant"), stopper)
    recipe.save(tmp_path / "recipe")
    loaded = load_recipe(tmp_path / "recipe")
    assert loaded == recipe
    assert hash(loaded.stopper) == hash(recipe.stopper)
    np.testing.assert_array_equal(loaded.stopper.stoppers[0].theta["averages"], theta["averages"])
    old = {"name": "patience", "hparams": {"patience": 3}, "stoppers": []}
    assert StopperConfiguration.from_json(old).to_json() == old


def document(**changes):
    theta = {"averages": np.zeros((11, 20)).tolist(), **changes}
    return {"name": "median", "hparams": {}, "stoppers": [], "theta": theta}


@pytest.mark.parametrize(
    ("theta", "match"),
    [
        (document(averages=[1.0, 2.0])["theta"], r"must have the shape \(11, 20\), got \(2,\); fit it again"),
        (document(more=[1.0])["theta"], r"consists of \['averages'\], got \['averages', 'more'\]; fit it again"),
        ({"averages": np.full((11, 20), math.nan)}, r"theta\['averages'\] .* must be finite throughout"),
        ({"averages": [["a"] * 20] * 11}, "must hold numbers"),
        ({}, "'median' is fitted to recorded curves, and nothing ships with it"),
        (None, "nothing ships with it; take it from a recipe"),
        ([1.0], r"consists of \['averages'\], got \[1.0\]"),
    ],
)
def test_a_theta_that_does_not_fit_is_refused(theta, match):
    with pytest.raises(metaopt.InputError, match=match):
        metaopt.create_stopper("median", theta=theta)


def test_a_configuration_that_holds_no_arrays_is_refused():
    with pytest.raises(metaopt.InputError, match="must consist of arrays of numbers, got 'x'"):
        StopperConfiguration("median", theta={"averages": "x"})
    with pytest.raises(metaopt.InputError, match="theta must map names to arrays"):
        StopperConfiguration("median", theta=[1.0])
    with pytest.raises(metaopt.InputError, match="'patience' learns nothing from curves; leave out theta"):
        metaopt.create_stopper("patience", theta={"averages": [1.0]})


@pytest.mark.parametrize(
    "fields",
    [
        {"fit": fit_lowest},
        {"theta_shapes": {"lowest": ()}},
        {"shipped": dict},
    ],
)
def test_a_spec_declares_all_of_what_is_fitted_or_nothing(fields):
    with pytest.raises(metaopt.PluginError, match="fit=, fires= and theta_shapes= come together"):
        metaopt.StopperSpec(name="half", version="1", fires=lowest_seen, **fields)


def test_signals_to_use_are_for_stoppers_over_arrays():
    with pytest.raises(metaopt.PluginError, match="uses= is for policies with fires="):
        metaopt.StopperSpec(name="lone", version="1", factory=lambda mode: None, uses={"lr"})


def test_a_fitted_stopper_needs_the_planned_number_of_steps():
    recipe = Recipe.create(Configuration("adamw", "constant"), StopperConfiguration("learned_stopper"))
    with pytest.raises(metaopt.InputError, match="'learned_stopper' needs the planned number of steps"):
        recipe.bind(nn.Linear(1, 1))


@pytest.mark.slow
@pytest.mark.skipif(not CURVES.is_dir(), reason="the development data ../shared/data/curves is absent")
def test_on_real_runs_it_saves_steps_at_little_regret(tmp_path):
    with gzip.open(CURVES / "deberta-base_tuning.results.jsonl.gz", "rt") as lines:
        recorded = [json.loads(line) for line in lines][::3]
    rows = ["candidate,task,step,value,horizon"]
    rows += [
        f"{run['iteration']},mnli,{step},{value},{run['total_model_steps']}"
        for run in recorded
        for step, value in run["learning_curves"]["matched"]
    ]
    path = tmp_path / "mnli.csv"
    path.write_text("\n".join(rows))
    tasks = read_curves(path, "max", 1 / 3)
    replayed = replay(tasks, current_registry(), stoppers=["learned_stopper"], policies=50, better=0.5)
    best = replayed.best(0.005)
    assert best.regret < 0.01
    assert best.saved > 0.5 * replayed.clairvoyant
    assert best.given_up < 1 / 3
