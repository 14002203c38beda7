"""Loops that a user writes: `run.step(loss)`, a `GradScaler` by the documentation's own lines, and Accelerate."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from benchmarks.hosts.checkpoints import ended, folder_of
from benchmarks.hosts.job import EPOCHS, Job, Trained, loss_of, trained
from metaopt.deploy import Run


def plain(job: Job) -> Trained:
    """`run.step(loss)`; the reference of all others."""
    model = _placed(job)
    run = _bound(job, model)
    return _loop(job, model, run, model, lambda loss: loss.backward(), run.step)


def scaler(job: Job) -> Trained:
    """`scaler.step(run.optimizer)`, with the loss recorded before it."""
    model = _placed(job)
    run = _bound(job, model)
    scales = torch.amp.GradScaler("cpu", init_scale=2.0**10)

    def step(loss: Tensor) -> None:
        run.record_loss(loss)
        scales.step(run.optimizer)
        scales.update()
        run.scheduler.step()

    return _loop(job, model, run, model, lambda loss: scales.scale(loss).backward(), step)


def accelerate(job: Job) -> Trained:
    """Accelerate's loop: two lines are the recipe's, `bind` and `run.step`."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState
    from accelerate.utils import GradientAccumulationPlugin

    AcceleratorState._reset_state(reset_partial_state=True)  # of the case before, in this process
    GradientState._reset_state()
    plugin = GradientAccumulationPlugin(num_steps=job.case.accumulation, sync_with_dataloader=False)
    accelerator = Accelerator(cpu=True, gradient_accumulation_plugin=plugin)
    folder, bare = folder_of(job), job.model()
    model = accelerator.prepare(bare)
    run = job.recipe.bind(
        model,
        total_steps=job.total_steps,
        batch_size=job.batch_size,
        implementation=job.case.implementation,
        accelerator=accelerator,
    )
    accelerator.register_for_checkpointing(run)
    if job.state is None:
        run.observe(job.validate(model))
    else:
        accelerator.load_state(str(folder))
    for _ in range(run.num_steps // job.steps_an_epoch, EPOCHS):
        for inputs, targets in job.batches():
            with accelerator.accumulate(model):
                loss = loss_of(model(inputs), targets)
                accelerator.backward(loss)
                run.step(loss)
                run.optimizer.zero_grad()
        with run.evaluating():
            value = job.validate(model)
        if run.observe(value).stop:
            break
        if job.stop_after is not None:
            accelerator.save_state(str(folder))
            half = trained(job, bare, run)
            half.state = {"checkpoint": str(folder)}
            return half
    run.finish()
    return ended(job, trained(job, bare, run), folder)


def _placed(job: Job) -> nn.Module:
    model = job.model()
    if job.world > 1 and (job.case.ranks == "ddp" or job.is_whole):
        return DistributedDataParallel(model)
    if job.case.ranks in ("even", "uneven"):
        for layer in model.layers:
            if isinstance(layer, nn.Linear):
                fully_shard(layer)
        fully_shard(model)
    return model


def _bound(job: Job, model: nn.Module) -> Run:
    return job.recipe.bind(
        model,
        total_steps=job.total_steps,
        batch_size=job.batch_size,
        implementation=job.case.implementation,
    )


def _loop(
    job: Job,
    model: nn.Module,
    run: Run,
    bare: nn.Module,
    backward: Callable[[Tensor], None],
    step: Callable[[Tensor], None],
) -> Trained:
    if job.state is not None:
        bare.load_state_dict(job.state["model"])
        run.load_state_dict(job.state["run"])
    else:
        run.observe(job.validate(model))
    for epoch in range(run.num_steps // job.steps_an_epoch, EPOCHS):
        for losses in _of_steps(job, model, backward):
            step(losses.mean())
            run.optimizer.zero_grad()
        with run.evaluating():
            value = job.validate(model)
        if run.observe(value).stop:
            break
        if job.stop_after is not None and run.num_steps >= job.stop_after and epoch + 1 < EPOCHS:
            state = {"model": {name: tensor.clone() for name, tensor in bare.state_dict().items()}}
            half = trained(job, bare, run)
            half.state = {**state, "run": run.state_dict()}
            return half
    run.finish()
    return trained(job, bare, run)


def _of_steps(job: Job, model: nn.Module, backward: Callable[[Tensor], None]) -> Iterator[Tensor]:
    """The losses of each step's micro-batches, once their gradients are there."""
    batches, count = job.batches(), job.case.accumulation
    for begin in range(0, len(batches), count):
        losses = []
        for place, (inputs, targets) in enumerate(batches[begin : begin + count], start=1):
            waits = place < count and isinstance(model, DistributedDataParallel)
            with model.no_sync() if waits else nullcontext():
                losses.append(loss_of(model(inputs), targets))
                backward(losses[-1] / count)
        yield torch.stack(losses).detach()
