"""Two ranks that train one model on different batches hold the same weights, and stop at the same step."""

import io
import math
import warnings

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import metaopt
from metaopt import Configuration, StopperConfiguration
from tests.ranks import fully_shards, on_ranks

STEPS = 30
#: Where one rank's batch has a value that no gradient survives, and where another's is far from the others.
BAD, SPIKE = 12, 17


def made(optimizer="adamw", controller="cosine", stopper=None, **keywords):
    return metaopt.Recipe.create(Configuration(optimizer, controller, **keywords), stopper)


def stopping(name, hparams=None, stoppers=(), theta=None):
    children = tuple(StopperConfiguration(child) for child in stoppers)
    return made(stopper=StopperConfiguration(name, hparams or {}, children, theta or {}))


RECIPES = {
    "greedy": lambda: made("sgd", "greedy", hparams={"sgd.lr": 0.02}),
    "polyak": lambda: made("sgd", "polyak"),
    "plateau": lambda: made("adamw", "plateau", hparams={"plateau.patience": 1, "adamw.lr": 0.03}),
    "hypergradient": lambda: made("adamw", "hypergradient"),
    "adagrad_norm": lambda: made("sgd", "adagrad_norm"),
    "learned_schedule": lambda: metaopt.load_recipe("learned_schedule"),
    "hyper_controller": lambda: metaopt.load_recipe("hyper_controller"),
    "mlp_lopt": lambda: metaopt.load_recipe("mlp_lopt"),
    "default": lambda: metaopt.load_recipe("default"),
    "clip": lambda: made("adamw", "cosine", wrappers=("clip",)),
    "patience": lambda: stopping("patience", {"patience": 0.2}),
    "seconds": lambda: stopping("patience", {"patience": 0.001, "unit": "seconds"}),
    "epochs": lambda: stopping("patience", {"patience": 2, "unit": "epochs"}),
    "prechelt": lambda: stopping("prechelt", {"criterion": "pq"}),
    "divergence": lambda: stopping("divergence", {"factor": 0.01, "patience": 1}),
    "target": lambda: stopping("target", {"target": 1.5}),
    "evidence": lambda: stopping("evidence"),
    "median": lambda: stopping("median", theta={"averages": torch.full((11, 20), -10.0).tolist()}),
    "asha": lambda: stopping("asha", theta={"limits": torch.full((3, 5), -10.0).tolist()}),
    "extrapolate": lambda: stopping("extrapolate", {"probability": 0.9, "min_points": 6}),
    "learned_stopper": lambda: stopping("learned_stopper"),
    "any": lambda: stopping("any", stoppers=("patience", "divergence")),
    "all": lambda: stopping("all", stoppers=("patience", "prechelt")),
    "stop_signal": lambda: metaopt.load_recipe("learned_schedule").with_stopper(StopperConfiguration("stop_signal")),
}


class Training:
    """One rank's part of a training: its own batches, and its own validation data, of which rank 1 has less."""

    def __init__(self, rank, recipe, wrap=DistributedDataParallel, total_steps=STEPS, **keywords):
        torch.manual_seed(0)
        self.rank, self.model = rank, wrap(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)))
        self.run = recipe.bind(self.model, total_steps=total_steps, **keywords)
        self.decisions = []

    def batch(self, step, seed=0):
        generator = torch.Generator().manual_seed(1000 * seed + 10 * step + self.rank)
        inputs = torch.randn(8, 4, generator=generator)
        targets = inputs.sum(1, keepdim=True).sin()
        if step == BAD and self.rank == 1 and not seed:
            inputs[0, 0] = math.nan
        if step == SPIKE and self.rank == 0 and not seed:
            targets *= 100
        return inputs, targets

    def step(self, step):
        inputs, targets = self.batch(step)
        self.run.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.model(inputs), targets)
        loss.backward()
        self.run.step(loss)

    def observe(self, step):
        inputs, targets = self.batch(step, seed=1)
        inputs, targets = inputs[: 8 - 3 * self.rank], targets[: 8 - 3 * self.rank]
        with self.run.evaluating(), torch.no_grad():
            value = nn.functional.mse_loss(self.model(inputs), targets)
        decision = self.run.observe(value, len(inputs), epoch=step / 5 + self.rank, evidence=2 * self.rank - 0.6)
        self.decisions.append(decision)
        return decision

    def train(self, first=0, last=STEPS):
        for step in range(first, last):
            self.step(step)
            if step % 3 == 2 and self.observe(step).stop:
                break
        return self

    @property
    def weights(self):
        return torch.cat([param.detach().flatten() for param in self.model.parameters()])

    def state(self):
        file = io.BytesIO()
        torch.save({"run": self.run.state_dict(), "model": self.model.state_dict()}, file)
        return file.getvalue()

    def load(self, state):
        loaded = torch.load(io.BytesIO(state), weights_only=True)
        self.model.load_state_dict(loaded["model"])
        self.run.load_state_dict(loaded["run"])
        return self


def ended(training):
    """What the test compares: how it went, and the weights in training, as best ones and in the end."""
    run, weights = training.run, [training.weights]
    taken = run.optimizer.param_groups[0].get("handed_over")
    went = {"decisions": training.decisions, "skipped": run.skipped, "steps": run.num_steps, "handed_over": taken}
    if run.best_value is not None:
        run.restore_best()
        weights.append(training.weights)
    run.finish()
    return {**went, "weights": [*weights, training.weights], "best": (run.best_step, run.best_value)}


def trained(rank, names, **keywords):
    warnings.simplefilter("ignore")
    return {name: ended(Training(rank, RECIPES[name](), **keywords).train()) for name in names}


def continued(rank, names):
    """Half of each training, which the first rank saves, and the rest in runs that are bound anew."""
    warnings.simplefilter("ignore")
    ends = {}
    for name in names:
        half = Training(rank, RECIPES[name]()).train(last=15)
        state = [half.state() if rank == 0 else None]
        dist.broadcast_object_list(state, src=0)
        rest = Training(rank, RECIPES[name]()).load(state[0])
        rest.decisions += half.decisions
        ends[name] = ended(rest if half.decisions[-1].stop else rest.train(first=15))
    return ends


def apart(rank, names):
    """The same where each rank is a run of its own: what differs when nothing is agreed."""
    warnings.simplefilter("ignore")
    trainings = [Training(rank, RECIPES[name](), distributed=None) for name in names]
    for training in trainings:
        for step in range(STEPS):
            training.step(step)
            if step % 3 == 2:
                training.observe(step)
    return {name: training.weights for name, training in zip(names, trainings, strict=True)}


def sharded(model):
    """Each rank holds a part of each parameter, of uneven size; the sums of what they hold are one number on both."""
    fully_shard(model)
    return model


def in_parts(rank, names):
    warnings.simplefilter("ignore")
    ends = {}
    for name in names:
        training = Training(rank, RECIPES[name](), wrap=sharded).train()
        group = training.run.optimizer.param_groups[0]
        sums = [float(param.detach().full_tensor().sum()) for param in group["params"]]
        ends[name] = training.decisions, training.run.skipped, group["lr"], sums
    training = Training(rank, RECIPES["patience"](), wrap=sharded)
    training.step(0)
    if rank == 1:
        training.run.optimizer.param_groups[0]["params"][0].detach().to_local().fill_(math.nan)
    return ends, training.run.observe(math.nan)


def same(one, other):
    one, other = dict(one), dict(other)
    return all(map(torch.equal, one.pop("weights"), other.pop("weights"))) and one == other


@pytest.fixture(scope="module")
def ends():
    return on_ranks(trained, list(RECIPES))


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_ranks_hold_the_same_weights_and_decide_alike(ends, name):
    first, second = (of_rank[name] for of_rank in ends)
    assert first["weights"][0].isfinite().all()
    assert same(first, second), (first, second)


def test_the_cases_stop_skip_and_hand_over(ends):
    stopped = {name for name, end in ends[0].items() if end["decisions"][-1].stop}
    assert stopped == {name for name in RECIPES if RECIPES[name]().stopper is not None}
    assert all(end["skipped"].by_guard == 1 for end in ends[0].values() if end["steps"] > BAD)
    assert ends[0]["mlp_lopt"]["handed_over"] == SPIKE


def test_without_agreement_ranks_differ():
    names = ["greedy", "polyak", "plateau", "learned_schedule", "hyper_controller", "mlp_lopt"]
    first, second = on_ranks(apart, names)
    assert [name for name in names if torch.equal(first[name], second[name])] == []


@pytest.mark.slow
def test_a_run_continues_from_what_the_first_rank_saved(ends):
    rest = on_ranks(continued, list(RECIPES))
    assert [name for name in RECIPES if not same(rest[0][name], rest[1][name])] == []
    assert [name for name in RECIPES if name != "seconds" and not same(rest[0][name], ends[0][name])] == []


@fully_shards
def test_ranks_that_hold_parts_of_the_parameters_decide_alike():
    names = ["greedy", "hypergradient", "adagrad_norm", "plateau", "patience", "clip"]
    (first, lost), second = on_ranks(in_parts, names)
    assert (first, lost) == second
    assert "the weights are no longer finite" in lost.reason
    assert first["greedy"][1].by_guard == 1
