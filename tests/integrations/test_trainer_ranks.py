"""Two real ranks under Trainer and Accelerate: the same weights and decisions, and what one process makes of it."""

import os
import warnings

import pytest
import torch
from torch import nn

from metaopt.configuration import Configuration
from metaopt.deploy import StopperConfiguration
from metaopt.recipe import Recipe
from tests.ranks import on_ranks

pytest.importorskip("transformers")

# Some rates here are too high for a model as small as this.
pytestmark = pytest.mark.filterwarnings("ignore:.*planned steps brought no validation better:UserWarning")

KINDS = {
    "averages": Configuration("schedulefree_adamw", hparams={"schedulefree_adamw.lr": 0.01}),
    "loss": Configuration("nadamw", wrappers=("learned_schedule",)),
    "metric": Configuration("adamw", "plateau", hparams={"adamw.lr": 0.1}),
}
#: Examples of a step over all ranks, and steps an epoch.
BATCH, STEPS = 8, 4


def as_launched(rank):
    """What `accelerate launch` and torchrun put into the environment."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 29555}
    os.environ.update({name: str(value) for name, value in place.items()}, ACCELERATE_USE_CPU="true")
    warnings.simplefilter("ignore")


def weights(model):
    return torch.cat([param.detach().flatten() for param in model.parameters()])


def recipe_of(kind):
    return Recipe.create(KINDS[kind], StopperConfiguration("patience", {"patience": 4}))


def trained(recipe, folder, per_device, **changes):
    import transformers

    from metaopt.integrations.transformers import RecipeTrainer
    from tests.integrations.conftest import lines

    class InOrder(RecipeTrainer):
        def _get_train_sampler(self, *dataset):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    sizes = {"n_embd": 8, "n_layer": 1, "n_head": 2, "vocab_size": 12, "n_positions": 8}
    dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    config = transformers.GPT2Config(**sizes, **dropout, bos_token_id=0, eos_token_id=0)
    quiet = {"use_cpu": True, "report_to": [], "disable_tqdm": True, "logging_strategy": "no"}
    plan = {"num_train_epochs": 3, "per_device_train_batch_size": per_device, "max_grad_norm": 0.0}
    when = {"eval_strategy": "epoch", "save_strategy": "no"}
    trainer = InOrder(
        model=transformers.GPT2LMHeadModel(config).double(),
        args=transformers.TrainingArguments(output_dir=str(folder), **{**quiet, **plan, **when, **changes}),
        recipe=recipe,
        train_dataset=lines(BATCH * STEPS, seed=1),
        eval_dataset=lines(16, seed=2),
    )
    trainer.train()
    return trainer


def by_trainer(rank, folder):
    as_launched(rank)
    ends = {}
    for kind in KINDS:
        trainer = trained(recipe_of(kind), folder, BATCH // 2, ddp_backend="gloo")
        assert trainer.accelerator.num_processes == 2
        ends[kind] = weights(trainer.model), trainer.run.best_value, trainer.run.scheduler.horizon
    return ends


@pytest.mark.slow
def test_ranks_of_a_trainer_end_as_one_process_with_both_their_batches(tmp_path):
    first, second = on_ranks(by_trainer, str(tmp_path))
    for kind in KINDS:
        assert torch.equal(first[kind][0], second[kind][0])
        assert first[kind][1:] == second[kind][1:]
        assert first[kind][2] == 3 * STEPS
        alone = trained(recipe_of(kind), tmp_path, BATCH)
        torch.testing.assert_close(first[kind][0], weights(alone.model), atol=1e-5, rtol=0)
        assert first[kind][1] == pytest.approx(alone.run.best_value, abs=1e-5)


INPUTS = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
TARGETS = INPUTS.sum(1, keepdim=True)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))


def by_accelerate(rank, kind, saved_in, prepared_first):
    """Four epochs of two steps of two micro-batches on each rank, the last two again from a saved state."""
    as_launched(rank)
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    data = torch.utils.data.TensorDataset(INPUTS, TARGETS)
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    ends = []
    for epochs in (4, 2):
        model = network()
        if prepared_first:
            model = accelerator.prepare(model)
        run = recipe_of(kind).bind(model, total_steps=8, batch_size=16, accelerator=accelerator)
        model, optimizer, scheduler, batches = accelerator.prepare(model, run.optimizer, run.scheduler, loader)
        accelerator.register_for_checkpointing(run)
        if epochs == 2:
            accelerator.load_state(saved_in)
        for epoch in range(4 - epochs, 4):
            for inputs, targets in batches:
                with accelerator.accumulate(model):
                    loss = nn.functional.mse_loss(model(inputs), targets)
                    accelerator.backward(loss)
                    run.step(loss)
                    scheduler.step()
                    optimizer.zero_grad()
            with run.evaluating(), torch.no_grad():
                run.observe(nn.functional.mse_loss(model(INPUTS[rank::2]), TARGETS[rank::2]))
            if epoch == 1 and epochs == 4:
                accelerator.save_state(saved_in)
        ends.append((weights(accelerator.unwrap_model(model)), run.best_value, run.num_steps))
        accelerator.free_memory()
        accelerator._custom_objects.clear()
    return ends


def alone(kind):
    model = network()
    run = recipe_of(kind).bind(model, total_steps=8, batch_size=16)
    for _ in range(4):
        for start in (0, 16):
            run.optimizer.zero_grad()
            rows = slice(start, start + 16)
            loss = nn.functional.mse_loss(model(INPUTS[rows]), TARGETS[rows])
            loss.backward()
            run.step(loss)
        with run.evaluating(), torch.no_grad():
            run.observe(nn.functional.mse_loss(model(INPUTS), TARGETS))
    return model, run


@pytest.mark.slow
@pytest.mark.parametrize("prepared_first", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_ranks_under_accelerate_end_as_one_process_with_both_their_batches(kind, prepared_first, tmp_path):
    first, second = on_ranks(by_accelerate, kind, str(tmp_path), prepared_first)
    for (unbroken, *others), (resumed, *resumed_others) in (first, second):
        assert torch.equal(unbroken, resumed)
        assert others == resumed_others
    assert torch.equal(first[0][0], second[0][0])
    model, run = alone(kind)
    torch.testing.assert_close(first[0][0], weights(model), atol=1e-5, rtol=0)
    assert first[0][1] == pytest.approx(run.best_value, abs=1e-5)
    assert first[0][2] == run.num_steps == 8
