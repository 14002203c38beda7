"""Frameworks that own the loop: transformers' `Trainer`, Lightning with its two kinds of optimisation, and skorch."""

from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.hosts.job import Job, Trained


class Rows(Dataset[dict[str, Tensor]]):
    """Rows as transformers' data collator takes them."""

    def __init__(self, inputs: Tensor, labels: Tensor) -> None:
        self.inputs, self.labels = inputs, labels

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"inputs": self.inputs[index], "labels": self.labels[index]}


def trainer(job: Job) -> Trained:
    raise NotImplementedError


lightning = lightning_manual = skorch = trainer
