import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.recipe import Recipe

accelerate = pytest.importorskip("accelerate")

ADAMW = {"adamw.lr": 0.01}
#: One for each kind of signal, and for each way to average.
KINDS = {
    "plan": Configuration("adamw", "cosine", hparams=ADAMW),
    "averages of a class": Configuration("schedulefree_adamw"),
    "averages of a rule": Configuration("adamw", wrappers=("averaged",), hparams=ADAMW),
    "loss of a wrapper": Configuration("nadamw", wrappers=("learned_schedule",)),
    "loss of a controller": Configuration("adamw", "greedy", hparams=ADAMW),
    "loss and gradients": Configuration("sgd", "polyak"),
    "metric": Configuration("adamw", "plateau", hparams=ADAMW),
    "gradients": Configuration("adamw", "hypergradient", hparams=ADAMW),
    "learned rule": Configuration("mlp_lopt"),
    "roles": Configuration("adamw", "cosine", roles={"matrix": metaopt.Role("muon")}),
}
INPUTS = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
TARGETS = 10 * INPUTS.sum(1, keepdim=True)
STEPS = 8


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1))


def weights(model):
    return torch.cat([param.detach().flatten() for param in model.parameters()])


def loss_of(model, inputs, targets):
    return nn.functional.mse_loss(model(inputs), targets)


def loader_of(batch_size=8):
    data = torch.utils.data.TensorDataset(INPUTS, TARGETS)
    return torch.utils.data.DataLoader(data, batch_size=batch_size)


def validate(model, run):
    with run.evaluating(), torch.no_grad():
        run.observe(loss_of(model, INPUTS, TARGETS))


def plain_loop(recipe, limit=1e9):
    """Four epochs of two steps, each of two halves."""
    model = network()
    run = recipe.bind(model, total_steps=STEPS)
    for _ in range(4):
        for start in (0, 16):
            halves = [slice(start, start + 8), slice(start + 8, start + 16)]
            run.optimizer.zero_grad()
            loss = sum(loss_of(model, INPUTS[half], TARGETS[half]) for half in halves) / 2
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), limit)
            run.step(loss)
        validate(model, run)
    return model, run


class Training:
    """The same under Accelerate, an epoch at a time."""

    def __init__(self, recipe, *, prepared_first=True, scaler=None, limit=None, by_host=False, **bind):
        self.accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
        self.accelerator.scaler = scaler
        self.limit, self.by_host = limit, by_host
        model = self.inner = network()
        if prepared_first:
            model = self.accelerator.prepare(model)
        self.run = recipe.bind(model, total_steps=STEPS, accelerator=self.accelerator, **bind)
        parts = (model, self.run.optimizer, self.run.scheduler, loader_of())
        self.model, self.optimizer, self.scheduler, self.loader = self.accelerator.prepare(*parts)
        self.accelerator.register_for_checkpointing(self.run)

    def epoch(self):
        for inputs, targets in self.loader:
            with self.accelerator.accumulate(self.model):
                loss = loss_of(self.model, inputs, targets)
                self.accelerator.backward(loss)
                if self.limit and self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(self.model.parameters(), self.limit)
                if self.by_host:
                    self.run.record_loss(loss)
                    self.optimizer.step()
                    self.scheduler.step()
                else:
                    self.run.step(loss)
                self.optimizer.zero_grad()
        validate(self.model, self.run)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"prepared_first": False}, {"by_host": True}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_accumulated_steps_are_those_of_a_plain_loop(kind, how):
    recipe = Recipe.create(KINDS[kind])
    model, plain = plain_loop(recipe)
    training = Training(recipe, **how)
    for _ in range(4):
        training.epoch()
    assert training.run.num_steps == training.run.scheduler.last_epoch == STEPS
    torch.testing.assert_close(weights(training.inner), weights(model), atol=1e-6, rtol=0)
    assert training.run.best_value == pytest.approx(plain.best_value, abs=1e-6)


def test_preparing_the_optimizer_again_changes_nothing():
    training = Training(Recipe.create(KINDS["plan"]))
    assert training.optimizer is training.run.optimizer
    assert isinstance(training.optimizer, accelerate.optimizer.AcceleratedOptimizer)
    assert len(training.accelerator._optimizers) == 1


@pytest.mark.parametrize("kind", ["plan", "loss and gradients", "averages of a rule"])
def test_gradients_are_clipped_unscaled_and_steps_that_the_scaler_skips_move_nothing(kind, monkeypatch):
    """As in float16, of which Accelerate has none on the CPU."""
    recipe = Recipe.create(KINDS[kind])
    model, _ = plain_loop(recipe, limit=0.5)
    # At 2¹²⁷ the first gradients overflow, and the scaler backs off.
    for init_scale, num_skipped in ((4.0, 0), (2.0**127, 1)):
        scaler = torch.amp.GradScaler("cpu", init_scale=init_scale, growth_interval=1000, backoff_factor=2.0**-60)
        training = Training(recipe, scaler=scaler, limit=0.5)
        monkeypatch.setattr(training.accelerator, "native_amp", True)
        monkeypatch.setattr(training.accelerator.state, "_mixed_precision", "fp16")
        for _ in range(4):
            training.epoch()
        assert training.run.num_steps == training.run.scheduler.last_epoch == STEPS - num_skipped
        if not num_skipped:
            torch.testing.assert_close(weights(training.inner), weights(model), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_state_carries_the_run(kind, tmp_path):
    recipe = Recipe.create(KINDS[kind])
    unbroken = Training(recipe)
    for _ in range(2):
        unbroken.epoch()
    unbroken.accelerator.save_state(tmp_path)
    resumed = Training(recipe)
    resumed.accelerator.load_state(tmp_path)
    assert resumed.run.best_value == unbroken.run.best_value
    for training in (unbroken, resumed):
        for _ in range(2):
            training.epoch()
        training.run.finish()
    assert torch.equal(weights(resumed.inner), weights(unbroken.inner))
    assert resumed.run.num_steps == STEPS


def test_what_is_no_accelerator_is_refused():
    with pytest.raises(metaopt.InputError, match=r"^accelerator must be an accelerate.Accelerator, got 'auto'\.$"):
        Recipe.create(KINDS["plan"]).bind(network(), total_steps=STEPS, accelerator="auto")


@pytest.mark.parametrize("kind", ["FSDP", "DEEPSPEED"])
def test_what_shards_the_model_is_refused_by_name(kind):
    accelerator = accelerate.Accelerator(cpu=True)
    before = accelerator.state.distributed_type
    accelerator.state.distributed_type = accelerate.DistributedType(kind)
    try:
        with pytest.raises(
            metaopt.InputError, match=f"for one process or DDP, and this accelerator is of the kind {kind}"
        ):
            Recipe.create(KINDS["plan"]).bind(network(), total_steps=STEPS, accelerator=accelerator)
    finally:
        accelerator.state.distributed_type = before
