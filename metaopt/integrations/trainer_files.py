"""What a checkpoint of transformers' `Trainer` lacks of a run, in a file of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from metaopt.deploy import Run
from metaopt.errors import InputError, quoted
from metaopt.integrations.training_point import train_on, training_weights

#: The file in a checkpoint's folder.
RUN_FILE = "metaopt_run.pt"


def run_state(run: Run) -> dict[str, Any]:
    """Observations, and the weights to train on from where the model's file holds averages in their place."""
    return {"observations": run.observations(), "training_weights": training_weights(run)}


def write_run(state: Mapping[str, Any], folder: str | Path) -> None:
    """Save what `run_state` returned."""
    torch.save(dict(state), Path(folder) / RUN_FILE)


def read_run(folder: str | Path) -> dict[str, Any]:
    """What `write_run` saved.

    Raises:
        InputError: the folder has no such file.
    """
    file = Path(folder) / RUN_FILE
    if not file.is_file():
        raise InputError(
            f"The checkpoint {quoted(str(folder))} has no {RUN_FILE}: it was not saved in a training with a recipe, or "
            "with save_only_model=True; train anew from the weights in it."
        )
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def continue_run(state: Mapping[str, Any], run: Run) -> None:
    """Go on from what `read_run` returned, once model, optimizer and scheduler are loaded.

    Raises:
        InputError: it is another model's or recipe's.
    """
    if state["training_weights"]:
        train_on(run, state["observations"], state["training_weights"])
    else:  # the optimizer's state has them, where averages were in the parameters
        run.load_observations(state["observations"])
