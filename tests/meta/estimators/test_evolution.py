"""Evolution strategies where the gradient is known: a quadratic, a learned rate and momentum."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.contracts import Episodes
from metaopt.meta import Trainer
from metaopt.meta.estimators.evolution import Evolution
from metaopt.meta.estimators.parallel_trainings import MOST, Trainings
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.ranks import Ranks
from metaopt.plugin.registry import Registry

ROOT = Path(__file__).parents[3]
TRUNCATION, TRAINING = 4, 12
CURVATURE = torch.tensor([1.0, 0.3, 0.1])


def update(grad, state, param, hparams, theta, info):
    average = torch.sigmoid(theta["decay"]) * state["average"] + grad
    return -torch.exp(theta["rate"]) * average, {"average": average}


def spec(estimator="pes", name="momentum_by_heart"):
    return metaopt.OptimizerSpec(
        name=name,
        version="1",
        summary="A learned rate and a learned momentum.",
        rule=metaopt.per_tensor(
            lambda param, hparams, theta, horizon: {"average": torch.zeros_like(param)},
            update,
            granularity="coordinate",
        ),
        meta=metaopt.MetaTraining(
            init_theta=lambda params, generator, hparams: {"rate": torch.tensor(-2.0), "decay": torch.tensor(0.0)},
            estimator=estimator,
            objective="trajectory",
            orders=("first",),
            truncation=TRUNCATION,
        ),
    )


class Bowl(nn.Module):
    """Three numbers, whose squares are weighed."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.ones(3))

    def forward(self, inputs):
        return (inputs * self.place.square()).sum(-1)


class Curvatures:
    fingerprint = "curvatures"

    def sample(self, partition, count, generator):
        inputs = CURVATURE.expand(count, 1, 3).clone()
        return Episodes(inputs, torch.zeros(count, 1), inputs, torch.zeros(count, 1))


def bowl(**changes):
    settings = {"num_steps": TRAINING, "num_iterations": 200, "num_validations": 2, "num_evaluated": 1, **changes}
    return metaopt.FewShotTask(
        name="bowl",
        family="bowls",
        model=Bowl,
        episodes=Curvatures(),
        loss=lambda output, targets: (output - targets).mean(),
        **settings,
    )


THETA = {"rate": torch.tensor(-1.5), "decay": torch.tensor(0.3)}


def known(steps, late=0.0):
    """Gradient of the mean relative loss over a training, late steps weighing more."""
    theta = {name: one.clone().requires_grad_(True) for name, one in THETA.items()}
    place, average, losses = torch.ones(3), torch.zeros(3), []
    for _ in range(steps):
        losses.append((CURVATURE * place.square()).sum())
        average = torch.sigmoid(theta["decay"]) * average + 2 * CURVATURE * place
        place = place - torch.exp(theta["rate"]) * average
    weights = (1 + late) * ((torch.arange(steps) + 0.5) / steps) ** late
    value = (weights * torch.stack(losses)).mean() / losses[0].detach()
    return dict(zip(theta, torch.autograd.grad(value, list(theta.values())), strict=True))


def strategy(pairs=200, task=None, **changes):
    registry = Registry.discover()
    registry.register(spec())
    assembly = assemble(Configuration("momentum_by_heart"), registry)
    settings = {"longest": TRAINING, "truncation": TRUNCATION, "deviation": 0.02, "shortest": TRAINING, **changes}
    inner_loop = InnerLoop(task or bowl(episodes_per_iteration=pairs), assembly)
    own = {key: settings.pop(key) for key in ("deviation", "persistent", "logarithmic", "late") if key in settings}
    return Evolution(Trainings(inner_loop, THETA, **settings), **own)


def estimates(evolution, calls, skipped=TRAINING // TRUNCATION):
    """Mean and standard error of each entry; the first trainings, which are cut short, are left out."""
    generator, state, found = torch.Generator().manual_seed(1), {}, []
    for call in range(calls + skipped):
        estimate, state = evolution.estimate(THETA, state, generator)
        if call >= skipped:
            found.append(estimate.gradient)
    values = {name: torch.stack([one[name] for one in found]) for name in THETA}
    return {name: (one.mean(), one.std() / len(found) ** 0.5) for name, one in values.items()}


def test_persistent_evolution_is_unbiased_over_whole_trainings():
    expected = known(TRAINING)
    for name, (mean, error) in estimates(strategy(), 150).items():
        assert abs(mean - expected[name]) < 4 * error, name
        assert error < 0.2 * abs(expected[name]), name  # or the line above would say nothing


def test_late_losses_may_count_more():
    expected = known(TRAINING, late=2.0)
    for name, (mean, error) in estimates(strategy(late=2.0), 150).items():
        assert abs(mean - expected[name]) < 4 * error, name
        assert abs(mean - known(TRAINING)[name]) > 6 * error, name


def test_without_persistence_it_sees_no_further_than_a_truncation():
    whole = estimates(strategy(truncation=TRAINING, persistent=False), 40)
    short = estimates(strategy(persistent=False), 60)
    for name, expected in known(TRAINING).items():
        assert abs(whole[name][0] - expected) < 4 * whole[name][1], name
    mean, error = short["decay"]
    assert abs(mean - known(TRAINING)["decay"]) > 6 * error


@pytest.mark.parametrize("mode", ["replayed", "eager"])
def test_trainings_end_and_begin_anew_at_different_times(mode):
    evolution = strategy(pairs=64, shortest=None, mode=mode)
    generator, state, ends = torch.Generator().manual_seed(0), {}, []
    for _ in range(30):
        _, state = evolution.estimate(THETA, state, generator)
        ends.append(int((state["step"] >= state["end"]).sum()))
        assert int(state["step"].max()) <= TRAINING
    assert 10 < sum(ends[5:]) / len(ends[5:]) < 60
    assert set(state["horizon"].tolist()) == {4.0, 8.0, 12.0}


def test_a_training_that_diverges_counts_as_much_as_the_worst_and_begins_anew():
    evolution = strategy(pairs=8)
    wild = {"rate": torch.tensor(80.0), "decay": torch.tensor(5.0)}
    estimate, state = evolution.estimate(wild, {}, torch.Generator().manual_seed(0))
    assert all(bool(one.isfinite().all()) for one in estimate.gradient.values())
    assert 1.0 < float(estimate.objective) <= MOST
    _, state = evolution.estimate(THETA, state, torch.Generator().manual_seed(0))
    assert bool(torch.isfinite(state["params"]["place"]).all())


def test_rescaled_parameters_are_the_same_model():
    """From the model's point of view nothing changes but how large its parameters look to the rule."""
    evolution = strategy(pairs=16, rescaled=1000.0)
    _, state = evolution.estimate(THETA, {}, torch.Generator().manual_seed(0))
    seen = [float(one) for one in state["scale"]]
    assert min(seen) < 0.1
    assert max(seen) > 10
    torch.testing.assert_close(state["level"], torch.full((16,), float(CURVATURE.sum())))


@pytest.mark.slow
def test_meta_training_by_evolution_improves_and_resumes(tmp_path, monkeypatch):
    registry = Registry.discover()
    registry.register(spec())
    assembly = assemble(Configuration("momentum_by_heart", hparams={"momentum_by_heart.outer_lr": 0.02}), registry)
    task = bowl(episodes_per_iteration=32, num_iterations=150)
    trainer = Trainer(assembly, [task], compile="off")
    before = float(trainer.evaluate(trainer._first_theta, "test").mean())
    whole = trainer.train()
    assert whole.curves["bowl"].test[-1] < 0.5 * before

    monkeypatch.setattr("metaopt.meta.trainer.PERIOD", 0.0)
    calls = iter(range(60))

    def stop():
        if next(calls, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(assembly, [task], compile="off").train(tmp_path, check=stop)
    resumed = Trainer(assembly, [task], compile="off").train(tmp_path)
    assert all(torch.equal(one, resumed.theta[name]) for name, one in whole.theta.items())


def work(rank, world, folder):
    """One of several processes, which meets the others by a file."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=world
    )
    registry = Registry.discover()
    registry.register(spec())
    assembly = assemble(Configuration("momentum_by_heart", hparams={"momentum_by_heart.outer_lr": 0.02}), registry)
    trainer = Trainer(assembly, [bowl(episodes_per_iteration=8, num_iterations=30)], compile="off")
    torch.save(trainer.train(folder / "ck").theta, folder / f"theta{world}_{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_several_processes_find_what_one_finds(tmp_path):
    for world in (1, 2):
        folder = tmp_path / str(world)
        folder.mkdir()
        call = "import sys, pathlib, tests.meta.estimators.test_evolution as m; "
        call += "m.work(int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]))"
        commands = [[sys.executable, "-c", call, str(rank), str(world), str(folder)] for rank in range(world)]
        processes = [subprocess.Popen(command, cwd=ROOT) for command in commands]
        assert [process.wait(timeout=120) for process in processes] == [0] * world
    alone = torch.load(tmp_path / "1" / "theta1_0.pt")
    for rank in range(2):
        together = torch.load(tmp_path / "2" / f"theta2_{rank}.pt")
        for name, one in alone.items():
            torch.testing.assert_close(together[name], one, rtol=1e-5, atol=1e-7)
    assert (tmp_path / "2" / "ck" / "checkpoint.pt").exists()


def test_pairs_that_cannot_be_shared_are_refused():
    with pytest.raises(metaopt.InputError, match="7 pairs of trainings cannot be shared by 2 processes"):
        Ranks(0, 2).share(7)
