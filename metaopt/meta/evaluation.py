"""How well a rule adapts: the metric after its steps, on episodes that are always the same."""

import torch
from torch import Tensor

from metaopt.contracts import Episodes, FewShotTask, Partition, Tensors
from metaopt.meta.sampling import draw_batches, draw_starts
from metaopt.meta.unrolls import Unrolls, Window

#: Episodes that are evaluated side by side at most; fewer where they need much memory.
SIDE_BY_SIDE = 100
#: Of the episodes that validations and tests see; the same for all.
EVALUATION_SEED = {"validation": 1_000_003, "test": 1_000_033}


def evaluated_episodes(task: FewShotTask, partition: Partition, count: int | None = None) -> Episodes:
    """The episodes that validations and tests see, always the same; `num_evaluated` unless told otherwise."""
    generator = torch.Generator().manual_seed(EVALUATION_SEED[partition])
    return task.sample(partition, count or task.num_evaluated, generator)


@torch.no_grad()
def metrics(unrolls: Unrolls, theta: Tensors, episodes: Episodes, num_steps: int, seed: int = 0) -> Tensor:
    """The metric of each episode after so many steps, lower is better, shape (episodes,)."""
    task = unrolls.learner.task
    generator = torch.Generator().manual_seed(seed)
    found = []
    size = min(SIDE_BY_SIDE, unrolls.side_by_side(episodes))
    for begin in range(0, len(episodes), size):
        part = Episodes(*(tensor[begin : begin + size] for tensor in episodes.tensors))
        batches = draw_batches(task, part, num_steps, generator)
        starts = draw_starts(unrolls, len(part), generator)
        found.append(unrolls.adapted(theta, Window(part, batches, 0, num_steps, num_steps), starts)[2])
    return torch.cat(found)
