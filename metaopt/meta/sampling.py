"""What the inner loops of an iteration see: episodes, fresh models, batches."""

import torch
from torch import Tensor

from metaopt.contracts import Episodes, FewShotTask, Tensors
from metaopt.meta.unrolls import Unrolls

_SEEDS = 2**31 - 1


def draw_episodes(task: FewShotTask, count: int, generator: torch.Generator, device: torch.device) -> Episodes:
    """Episodes to meta-train on."""
    return task.sample("train", count, generator).to(device)


def draw_starts(unrolls: Unrolls, count: int, generator: torch.Generator) -> Tensors | None:
    """Fresh parameters of so many models; None where the rule learned its start."""
    if unrolls.learns_start:
        return None
    return unrolls.learner.starts(draw_seeds(count, generator))


def draw_seeds(count: int, generator: torch.Generator) -> list[int]:
    """Seeds of fresh models."""
    found: list[int] = torch.randint(_SEEDS, (count,), generator=generator).tolist()
    return found


def draw_batches(
    task: FewShotTask, episodes: Episodes, num_steps: int, generator: torch.Generator
) -> tuple[Tensor, Tensor] | None:
    """Inputs and targets of each step, shape (episodes, steps, batch, …); None where each is the whole support set."""
    if task.batch_size is None:
        return None
    examples = episodes.support_inputs.shape[1]
    shape = (len(episodes), num_steps, min(task.batch_size, examples))
    rows = torch.randint(examples, shape, generator=generator).to(episodes.support_inputs.device)
    each = torch.arange(len(episodes), device=rows.device)[:, None, None]
    return episodes.support_inputs[each, rows], episodes.support_targets[each, rows]
