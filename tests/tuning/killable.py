"""Tunes in a child process for each line `URL FOLDER CORPUS STUDY` it reads, so that a test can kill the child.

A corpus is one of `CORPORA`, or a folder of tables.

Prints the child's process id, and its exit status once it has ended. Forking saves importing torch again each time.
"""

import dataclasses
import os
import sys
from functools import partial
from typing import Any

import torch
import torch._dynamo  # what is imported here is not imported again in each child
import torch.nn.functional as F
from torch import nn

import metaopt
import metaopt.tuning
from metaopt_corpora.sinusoid_episodes import sinusoid_task

N_TRIALS = 43


def rows(seed: int) -> metaopt.Split:
    inputs = torch.randn(32, 3, generator=torch.Generator().manual_seed(seed))
    return metaopt.Split(inputs, inputs.sum(1, keepdim=True) * (1 + seed % 5))


def line(index: int) -> metaopt.Task:
    return metaopt.Task(
        name=f"line{index}",
        family="lines",
        model=partial(nn.Linear, 3, 1),
        data=metaopt.Splits(*(rows(3 * index + part) for part in range(3))),
        loss=F.mse_loss,
        batch_size=8,
        num_steps=6,
        num_validations=3,
    )


def job(recipe, seed):
    rate = recipe.configuration.hparams.get(f"{recipe.configuration.optimizer}.lr", 1e-3)
    for step in range(1, 4):
        yield step, 1.0 / (1 + rate) ** step + 0.01 * seed


def waves() -> metaopt.FewShotTask:
    task = sinusoid_task(10)
    return dataclasses.replace(task, num_iterations=180, num_validations=2, num_evaluated=40)


#: What to tune, on what.
CORPORA = {
    "lines": lambda: {"corpus": [line(0), line(1), job], "n_trials": N_TRIALS, "optimizers": ["adamw", "sgd"]},
    "waves": lambda: {"corpus": [waves()], "n_trials": 6, "optimizers": ["meta_sgd", "maml"]},
}


def tables(folder: str) -> dict[str, Any]:
    """Few candidates on a folder of tables."""
    return {"corpus": folder, "n_trials": 4, "optimizers": ["adamw", "sgd"], "controllers": ["constant"]}


def tune(url: str, folder: str, corpus: str, study: str) -> None:
    torch.set_num_threads(1)
    what = CORPORA[corpus]() if corpus in CORPORA else tables(corpus)
    result = metaopt.tune(**what, storage=url, study_name=study, wrappers=[], against=["sgd"], seed=3)
    result.recipe.save(folder)


def main() -> None:
    for command in sys.stdin:
        child = os.fork()
        if not child:
            try:
                tune(*command.split())
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
