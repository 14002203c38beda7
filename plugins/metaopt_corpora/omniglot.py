"""Omniglot episodes: handwritten characters of 50 alphabets, 20 drawers each (Lake et al. 2015).

The data is not part of metaopt. It is read from the folder that the environment variable `METAOPT_OMNIGLOT` names: the
official `images_background` and `images_evaluation`, unpacked, or packed as `.npz` (see `metaopt tune FOLDER`).

When to use it: to meta-train on the field's first benchmark, once the data is unpacked.
"""

import os
from functools import cache, partial
from pathlib import Path
from typing import Literal

import torch.nn.functional as F

import metaopt

FAMILY = "omniglot"
FOLDER = "METAOPT_OMNIGLOT"


def omniglot_task(
    folder: str | Path,
    n_way: int = 5,
    k_shot: int = 1,
    queries: int = 5,
    split: Literal["random", "vinyals"] = "random",
) -> metaopt.FewShotTask:
    """N-way K-shot: 28×28, four blocks of 64, 1,200 characters of which 100 validate, 423 test; rotations are classes.

    Args:
        folder: of the images.
        n_way: classes an episode.
        k_shot: support images of each class.
        queries: query images of each class, in meta-training and in tests.
        split: `"vinyals"` for 1,028 / 172 / 423 characters by alphabets, as `metaopt.read_image_folder` says.
    """
    by = "" if split == "random" else f"_{split}"
    return metaopt.FewShotTask(
        name=f"omniglot_{n_way}_way_{k_shot}_shot{by}",
        family=FAMILY,
        model=partial(metaopt.Conv4, n_way),
        episodes=lambda: metaopt.ClassEpisodes(
            _classes(str(folder), split), n_way, k_shot, queries, evaluated_queries=queries, rotations=True
        ),
        loss=F.cross_entropy,
        metric=metaopt.accuracy,
        mode="max",
        num_steps=1,
        num_iterations=4000,
        episodes_per_iteration=16,
        num_validations=20,
        num_evaluated=200,
    )


def load_omniglot() -> metaopt.Corpus:
    """5-way 1-shot episodes.

    Raises:
        MissingDataError: the environment variable names no folder.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        raise metaopt.MissingDataError(
            f"The corpus 'omniglot' is read from the folder that {FOLDER} names, which is not set: point it at the "
            "folder that holds images_background and images_evaluation, or give that folder instead of the name."
        )
    return metaopt.Corpus("omniglot", (omniglot_task(folder),))


@cache
def _classes(folder: str, split: Literal["random", "vinyals"]) -> dict[metaopt.Partition, metaopt.Classes]:
    return metaopt.read_image_folder(folder, characters=split)
