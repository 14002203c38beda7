"""Models that were trained before, on other classes or another text, and what of them is trained further."""

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import metaopt
from benchmarks.recipes.peers import adamw_cosine
from benchmarks.recipes.travel.task import Loss, Training

#: Peak rate of a training before.
RATE = 2e-3


@dataclass(frozen=True)
class Pretraining:
    """A training whose weights others start from; made where its file is missing.

    Attributes:
        folder: where the weights are kept.
        name: how the file's name begins.
        model: makes the model.
        load: makes the training data.
        loss: mean loss of a model over a batch.
        batch_size: examples a step.
        num_steps: training steps.
    """

    folder: Path
    name: str
    model: Callable[[], nn.Module]
    load: Callable[[], Training]
    loss: Loss
    batch_size: int = 32
    num_steps: int = 600

    def pretrained(self) -> nn.Module:
        """The model with its trained weights; torch's generator is left as it was."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = self.model()
            file = self.file_for(model)
            if not file.exists():
                self.train(model, file)
        model.load_state_dict(torch.load(file, weights_only=True))
        return model

    def file_for(self, model: nn.Module) -> Path:
        """Its name changes with shapes and budget: weights of another training are not taken for these."""
        shapes = [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
        settings = repr((shapes, self.batch_size, self.num_steps, RATE))
        return self.folder / f"{self.name}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}.pt"

    def train(self, model: nn.Module, file: Path) -> None:
        run = metaopt.Recipe.create(adamw_cosine(RATE)).bind(model, total_steps=self.num_steps)
        batches = self.load().batches(self.batch_size, torch.Generator().manual_seed(0))
        for _ in range(self.num_steps):
            run.optimizer.zero_grad()
            loss = self.loss(model, next(batches))
            loss.backward()
            run.step(loss)
        file.parent.mkdir(parents=True, exist_ok=True)
        begun = file.with_suffix(f".{os.getpid()}")
        torch.save(model.state_dict(), begun)
        begun.replace(file)


def with_new_head(pretraining: Pretraining, num_classes: int) -> nn.Module:
    """All of it, with a last layer for other classes."""
    model = pretraining.pretrained()
    model.head = nn.Linear(model.head.in_features, num_classes)
    return model


class LowRank(nn.Module):
    """y = base(x) + (α/r)·B·A·x with a frozen base; B begins at 0 (Hu et al., 2021, arXiv:2106.09685).

    Args:
        base: the linear layer.
        rank: r, rows of A.
        alpha: α.
    """

    def __init__(self, base: nn.Linear, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base, self.scale = base, alpha / rank
        self.a = nn.Parameter(torch.empty(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.scale * (x @ self.a.T @ self.b.T)


def low_rank(model: nn.Module, *, head_is_trained: bool) -> nn.Module:
    """Freeze a model but for low-rank terms beside its linear layers and, if asked for, its head."""
    for param in model.parameters():
        param.requires_grad_(False)
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and name != "head"]
    for name in linears:
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, LowRank(model.get_submodule(name)))
    for param in model.head.parameters():
        param.requires_grad_(head_is_trained)
    return model


def low_rank_with_new_head(pretraining: Pretraining, num_classes: int) -> nn.Module:
    return low_rank(with_new_head(pretraining, num_classes), head_is_trained=True)


def low_rank_alone(pretraining: Pretraining) -> nn.Module:
    return low_rank(pretraining.pretrained(), head_is_trained=False)
