"""Support sets as learners take them: labels as rows of zeros and a one, every class with an example."""

import torch
from torch import Tensor

from metaopt.contracts import Episodes
from metaopt.errors import InputError


def check_episodes(name: str, episodes: Episodes) -> int:
    """The number of ways of episodes that a learner can take.

    Args:
        name: of whoever compares, for messages.
        episodes: with class numbers as targets.

    Raises:
        InputError: targets are no class numbers, a class has no support example, there is one class alone, or no query.
    """
    _check_numbers(name, episodes.support_targets, "support targets")
    _check_numbers(name, episodes.query_targets, "query targets")
    if episodes.query_targets.shape[1] == 0:
        raise InputError(f"{name!r} is judged on queries, and these episodes have none; give each at least one.")
    ways = check_support(name, episodes.support_targets)
    most = int(episodes.query_targets.max())
    if most >= ways:
        raise InputError(
            f"A query is of class {most}, and the support set has examples of classes 0 to {ways - 1} alone."
        )
    return ways


def check_support(name: str, targets: Tensor) -> int:
    """The number of classes of support targets, shape (…, n); raises what `check_episodes` raises."""
    _check_numbers(name, targets, "support targets")
    if targets.shape[-1] == 0:
        raise InputError(f"{name!r} compares with a support set, and this one is empty.")
    ways = int(targets.max()) + 1
    counts = one_hot(targets, ways, torch.float32).sum(-2).reshape(-1, ways)
    if int(targets.min()) < 0:
        raise InputError(f"Classes are numbered from 0, and a support target is {int(targets.min())}.")
    if ways < 2:
        raise InputError(f"{name!r} tells classes apart, and the support set has one class alone; give it two or more.")
    if not bool(counts.all()):
        lacking = int((counts == 0).any(0).int().argmax())
        raise InputError(
            f"The support set has targets up to {ways - 1}, but no example of class {lacking}: number the classes from "
            "0 without a gap."
        )
    return ways


def one_hot(targets: Tensor, ways: int, dtype: torch.dtype) -> Tensor:
    """Class numbers as rows, shape (…, n) to (…, n, ways)."""
    return (targets.unsqueeze(-1) == torch.arange(ways, device=targets.device)).to(dtype)


def _check_numbers(name: str, targets: Tensor, part: str) -> None:
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        raise InputError(
            f"{name!r} tells classes apart, and the {part} are {str(targets.dtype).removeprefix('torch.')}, no class "
            "numbers; a rule such as 'maml' adapts to these."
        )
