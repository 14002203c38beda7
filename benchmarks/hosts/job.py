"""The training that every host is given: a small regression, its data in a fixed order, and what is asked of it."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from benchmarks.hosts.design import Case
from benchmarks.hosts.recipes import recipes
from metaopt import Recipe
from metaopt.deploy import Run

ROWS, VALIDATION_ROWS, BATCH, EPOCHS = 64, 32, 8, 3
INPUTS = 6
#: Hidden widths by sharding: over two processes, matrices of odd widths have uneven shards.
WIDTHS = {"even": 8, "uneven": 7}
#: The batch whose targets are far off, and by how much.
SPIKE_AT, SPIKE = 5, 1e4


class Regressor(nn.Module):
    """A perceptron with two hidden layers; given labels, it returns its loss too, as transformers' models do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(INPUTS, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
        )

    def forward(self, inputs: Tensor, labels: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        outputs = self.layers(inputs.to(self.layers[0].weight.dtype)).float()
        return outputs if labels is None else {"loss": loss_of(outputs, labels), "logits": outputs}


def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of all hosts."""
    return nn.functional.mse_loss(outputs, targets)


@dataclass(frozen=True)
class Job:
    """One case's training on one process.

    Attributes:
        case: what varies.
        rank: of this process; others have other rows.
        world: number of processes.
        is_whole: whether a model that the case shards is under DDP instead, to be compared with.
        is_nudged: whether each weight begins one bit away, which shows how far rounding alone can lead.
        stop_after: optimizer steps after which to break off, or None.
        state: of a training that was broken off, as its host saved it; or None.
    """

    case: Case
    rank: int = 0
    world: int = 1
    is_whole: bool = False
    is_nudged: bool = False
    stop_after: int | None = None
    state: dict[str, object] | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe, made anew."""
        return recipes()[self.case.recipe]()

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole training."""
        return EPOCHS * self.steps_an_epoch

    @property
    def steps_an_epoch(self) -> int:
        """Optimizer steps."""
        return ROWS // BATCH // self.case.accumulation

    @property
    def batch_size(self) -> int:
        """Examples of one optimizer step, on all ranks."""
        return BATCH * self.case.accumulation * self.world

    def model(self) -> Regressor:
        """The model as it begins, equal on all ranks."""
        torch.manual_seed(0)
        model = Regressor(WIDTHS.get(self.case.ranks, WIDTHS["even"])).to(getattr(torch, self.case.dtype))
        if self.is_nudged:
            with torch.no_grad():
                for param in model.parameters():
                    upward = torch.where(torch.rand(param.shape) < 0.5, math.inf, -math.inf).to(param.dtype)
                    param.copy_(torch.nextafter(param, upward))
        return model

    def training_rows(self) -> TensorDataset:
        """This rank's rows, in the order in which they are trained on in every epoch."""
        inputs, targets = self._rows(ROWS, seed=1 + self.rank)
        if self.case.spike and self.rank == self.world - 1:
            targets[SPIKE_AT * BATCH : (SPIKE_AT + 1) * BATCH] *= SPIKE
        return TensorDataset(inputs, targets)

    def validation_rows(self) -> TensorDataset:
        """This rank's rows to validate on."""
        return TensorDataset(*self._rows(VALIDATION_ROWS, seed=101 + self.rank))

    def batches(self) -> list[tuple[Tensor, ...]]:
        """The micro-batches of an epoch."""
        rows = self.training_rows()
        return [rows[begin : begin + BATCH] for begin in range(0, ROWS, BATCH)]

    @torch.no_grad()
    def validate(self, model: nn.Module) -> float:
        """The loss on this rank's validation rows."""
        inputs, targets = self.validation_rows().tensors
        return float(loss_of(model(inputs), targets))

    @staticmethod
    def _rows(count: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randn(count, INPUTS, generator=generator)
        noise = 0.1 * torch.randn(count, 1, generator=generator)
        return inputs, inputs[:, :3].tanh().sum(1, keepdim=True) + noise


@dataclass
class Trained:
    """What a training came to on one process.

    Attributes:
        weights: those that the model is to be used with, in the order of its parameters, whole and in float32.
        best_value: the best validation.
        num_steps: optimizer steps.
        stopped: whether it ended before all planned steps.
        saved: the validation loss of what the host saved as best; None where it saves nothing by itself.
        state: what to continue from, where it was broken off.
    """

    weights: list[Tensor]
    best_value: float | None
    num_steps: int
    stopped: bool
    saved: float | None = None
    state: dict[str, object] | None = field(default=None, repr=False)


def trained(job: Job, model: nn.Module, run: Run, saved: float | None = None) -> Trained:
    """What a run came to, with the weights that are in the model now."""
    weights = [_whole(param.detach()).float().clone() for param in model.parameters()]
    return Trained(weights, run.best_value, run.num_steps, run.num_steps < job.total_steps, saved)


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
