"""What a checkpoint of transformers' `Trainer` lacks of a run, in a file of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from metaopt.deploy import Run, averages
from metaopt.errors import InputError, quoted

#: The file in a checkpoint's folder.
RUN_FILE = "metaopt_run.pt"


def run_state(run: Run, model: nn.Module) -> dict[str, Any]:
    """Observations, and the weights to train on from where the model's file holds averages.

    Args:
        run: not evaluating.
        model: whose trained parameters hold its training weights.
    """
    named = [(name, param.detach()) for name, param in model.named_parameters() if param.requires_grad]
    return {"observations": run.observations(), "training_point": dict(named) if averages(run.optimizer) else {}}


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


def continue_run(state: Mapping[str, Any], run: Run, model: nn.Module) -> None:
    """Go on from what `read_run` returned, once model, optimizer and scheduler are loaded.

    Raises:
        InputError: it is another model's or recipe's.
    """
    params = dict(model.named_parameters())
    for name, point in state["training_point"].items():
        if name not in params or params[name].shape != point.shape:
            raise InputError(f"The checkpoint's weights {quoted(name)} are another model's; pass the same model.")
        _write(params[name], point)
    run.load_observations(state["observations"])


@torch.no_grad()
def _write(param: Tensor, value: Tensor) -> None:
    param.copy_(value)
