"""What must hold in hosts that step by themselves: Trainer, Accelerate, Lightning, skorch, loops with a GradScaler."""

from collections.abc import Callable
from typing import Any

import torch

from metaopt.errors import MetaOptError
from metaopt.testing.answers import describe_error
from metaopt.testing.errors import ConformanceError, NotApplicable, require
from metaopt.testing.hosts.trainings import (
    NUM_STEPS,
    Case,
    by_closure,
    by_host,
    by_run,
    by_scaler,
    cases_of,
    largest_difference,
    loss_on,
    train,
    weights_of,
)

#: How far a host's steps may end from those of `run.step`; scales are powers of two, so nothing is rounded otherwise.
TOLERANCE = 1e-6


def trains_in_hosts_that_step(spec: Any) -> None:
    """A host that steps by itself, with a GradScaler or a closure too, trains as `run.step(loss)` does."""
    for case in cases_of(spec):
        reference = case.model()
        _train(case, by_run, reference, "run.step(loss)")
        for host, step in _hosts(case).items():
            model = case.model()
            _train(case, step, model, host)
            name, difference = largest_difference(weights_of(model), weights_of(reference))
            require(
                difference <= TOLERANCE,
                f"{case.label}{NUM_STEPS} steps of a host with {host} end {difference:.2g} from those of "
                f"run.step(loss), in {name!r}.",
            )


CHECKS: tuple[Callable[[Any], None], ...] = (trains_in_hosts_that_step,)


def _hosts(case: Case) -> dict[str, Callable[..., None]]:
    """By what the host does."""
    closure = {"optimizer.step(closure)": by_closure}
    if case.takes_closure:
        return closure
    plain = {"record_loss and optimizer.step()": by_host}
    if case.needs_graph:
        return {**plain, **closure}
    return {**plain, "a GradScaler": by_scaler(torch.amp.GradScaler("cpu", init_scale=1024.0)), **closure}


def _train(case: Case, step: Callable[..., None], model: torch.nn.Module, host: str) -> None:
    """Train; what is raised names the host, and what is refused at `bind` is left out."""
    try:
        run = case.bind(model)
    except MetaOptError as error:
        raise NotApplicable(f"{case.label}It is refused: {error}") from error
    try:
        train(case, run, step, lambda: loss_on(model))
    except Exception as error:
        raise ConformanceError(f"{case.label}In a host with {host} it raised {describe_error(error)}") from error
