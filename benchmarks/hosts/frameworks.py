"""Frameworks that own the loop: transformers' `Trainer`, Lightning with its two kinds of optimisation, and skorch."""

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.hosts.checkpoints import ended, folder_of
from benchmarks.hosts.job import BATCH, EPOCHS, VALIDATION_ROWS, Job, Trained, loss_of, trained


def trainer(job: Job) -> Trained:
    """`RecipeTrainer`: one line is the recipe's."""
    from accelerate.state import AcceleratorState
    from transformers import PrinterCallback, TrainerCallback, TrainingArguments

    from metaopt.integrations.transformers import RecipeTrainer

    class InOrder(RecipeTrainer):
        """Every rank has rows of its own, in their order."""

        def get_train_dataloader(self) -> DataLoader:
            return _loader(job.training_rows(), BATCH, _as_dict)

        def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
            return _loader(job.validation_rows(), VALIDATION_ROWS, _as_dict)

    class BreakOff(TrainerCallback):
        def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if job.stop_after is not None:
                control.should_training_stop = True

    AcceleratorState._reset_state(reset_partial_state=True)  # of the case before, in this process
    folder = folder_of(job)
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        ddp_backend="gloo" if job.world > 1 else None,
        per_device_train_batch_size=BATCH,
        gradient_accumulation_steps=job.case.accumulation,
        num_train_epochs=EPOCHS,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=None,
        load_best_model_at_end=True,
        max_grad_norm=0.0,
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
    )
    model = job.model()
    host = InOrder(
        model=model,
        args=arguments,
        recipe=job.recipe,
        bind={"implementation": job.case.implementation},
        train_dataset=job.training_rows(),
        eval_dataset=job.validation_rows(),
        callbacks=[BreakOff()],
    )
    host.remove_callback(PrinterCallback)
    last = None if job.state is None else str(job.state["checkpoint"])
    host.train(resume_from_checkpoint=last)
    if job.stop_after is not None:
        return _broken_off(job, model, host.run, folder / f"checkpoint-{host.state.global_step}")
    saved, best = None, host.state.best_model_checkpoint
    if best is not None and host.run.best_step:
        from safetensors.torch import load_file

        saved = _validated(job, load_file(Path(best) / "model.safetensors"))
    return ended(job, trained(job, model, host.run, saved), folder)


def lightning(job: Job) -> Trained:
    """`RecipeCallback` with automatic optimisation: two lines are the recipe's."""
    return _lightning(job, is_automatic=True)


def lightning_manual(job: Job) -> Trained:
    """`RecipeCallback` in a module that steps by itself."""
    return _lightning(job, is_automatic=False)


def skorch(job: Job) -> Trained:
    """`RecipeCallback` in a net: one line is the recipe's."""
    from skorch import NeuralNet
    from skorch.helper import predefined_split

    from metaopt.integrations.skorch import RecipeCallback

    callback = RecipeCallback(job.recipe, bind={"implementation": job.case.implementation})
    model = job.model()
    net = NeuralNet(
        model,
        criterion=torch.nn.MSELoss,
        max_epochs=EPOCHS,
        batch_size=BATCH,
        iterator_train__shuffle=False,
        iterator_valid__batch_size=VALIDATION_ROWS,
        train_split=predefined_split(job.validation_rows()),
        callbacks=[("recipe", callback)],
        verbose=0,
    )
    net.fit(job.training_rows(), y=None)
    run = dict(net.callbacks_)["recipe"].run
    saved = _validated(job, net.module_.state_dict()) if run.best_step else None
    return trained(job, net.module_, run, saved)


def _lightning(job: Job, *, is_automatic: bool) -> Trained:
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import Callback, ModelCheckpoint
    from lightning.pytorch.strategies import DDPStrategy

    from metaopt.integrations.lightning import RecipeCallback

    callback = RecipeCallback(job.recipe, implementation=job.case.implementation)

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = job.model()
            self.automatic_optimization = is_automatic

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor | None:
            loss = loss_of(self.net(batch[0]), batch[1])
            if is_automatic:
                return loss
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            return None

        def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
            self.log("val_loss", loss_of(self.net(batch[0]), batch[1]), sync_dist=job.world > 1)

        def configure_optimizers(self) -> Any:
            return callback.optimizers(self)

    class BreakOff(Callback):
        def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if job.stop_after is not None and not trainer.sanity_checking:
                trainer.should_stop = True

    folder = folder_of(job)
    best = ModelCheckpoint(dirpath=folder, monitor="val_loss", save_last=True)
    host = Trainer(
        max_epochs=EPOCHS,
        accumulate_grad_batches=job.case.accumulation if is_automatic else 1,
        accelerator="cpu",
        devices=job.world,
        strategy=DDPStrategy(process_group_backend="gloo") if job.world > 1 else "auto",
        use_distributed_sampler=False,
        logger=False,
        callbacks=[callback, best, BreakOff()],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Module()
    last = None if job.state is None else str(job.state["checkpoint"])
    loaders = _loader(job.training_rows(), BATCH), _loader(job.validation_rows(), VALIDATION_ROWS)
    host.fit(module, *loaders, ckpt_path=last, weights_only=False)
    if job.stop_after is not None:
        return _broken_off(job, module.net, callback.run, best.last_model_path)
    saved = None
    if best.best_model_path and callback.run.best_step:
        state = torch.load(best.best_model_path, weights_only=False)["state_dict"]
        saved = _validated(job, {name.removeprefix("net."): tensor for name, tensor in state.items()})
    return ended(job, trained(job, module.net, callback.run, saved), folder)


def _loader(rows: Any, batch_size: int, collate: Any = None) -> DataLoader:
    return DataLoader(rows, batch_size=batch_size, collate_fn=collate)


def _as_dict(rows: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    inputs, labels = (torch.stack(parts) for parts in zip(*rows, strict=True))
    return {"inputs": inputs, "labels": labels}


def _validated(job: Job, state: dict[str, Tensor]) -> float:
    """The loss of saved weights on the validation rows of all ranks."""
    model = job.model()
    model.load_state_dict(state)
    total = torch.tensor(job.validate(model), dtype=torch.float64)
    if job.world > 1:
        dist.all_reduce(total)
    return float(total) / job.world


def _broken_off(job: Job, model: torch.nn.Module, run: Any, checkpoint: str | Path) -> Trained:
    half = trained(job, model, run)
    half.state = {"checkpoint": str(checkpoint)}
    return half
