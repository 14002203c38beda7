"""The outer loop: estimates of the meta-gradient, Adam, validations, checkpoints."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.contracts import (
    Curve,
    Episodes,
    FewShotTask,
    Float32ByDefault,
    Partition,
    Theta,
)
from metaopt.errors import InputError
from metaopt.inner import Compile
from metaopt.meta import checkpoint
from metaopt.meta.estimators.comparing import is_learned
from metaopt.meta.initial_theta import check_start, fingerprint
from metaopt.meta.ranks import Ranks
from metaopt.meta.state import MetaProgress, MetaState, MetaTrained
from metaopt.meta.subject import subject_of
from metaopt.meta.unrolls import LIMIT

#: Seconds between checkpoints.
PERIOD = 60.0


class NeverFiniteError(InputError):
    """No meta-gradient was finite: nothing was learned."""


class Trainer:
    """Meta-trains one rule or learner on one or more tasks, taking these in turn.

    Args:
        assembly: the rule or the learner with its hyperparameters, those of its meta-training among them.
        tasks: few-shot tasks; their models must have the same parameters if a start or an embedding is learned.
        seed: of theta's start and of everything drawn.
        device: where to train.
        compile: whether graphs are compiled; `"auto"` decides by counts.
        memory: bytes that inner loops may take, roughly; what does not fit is computed again on the way back.
        start: weights to begin with, in place of the rule's first ones.

    Raises:
        InputError: nothing is learned, `start` lacks weights of the rule, or the tasks' models differ where they must
            not.
    """

    @Float32ByDefault()
    def __init__(
        self,
        assembly: Assembly,
        tasks: Sequence[FewShotTask],
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
        compile: Compile = "auto",
        memory: int = LIMIT,
        start: Theta | None = None,
    ) -> None:
        self.assembly, self.tasks, self.seed = assembly, tuple(tasks), seed
        self.device = torch.device(device)
        self.num_iterations = max(task.num_iterations for task in tasks)
        self._subject = subject_of(assembly, self.tasks, seed, self.device, compile, memory)
        self._values, first = self._subject.values, self._subject.first
        self._continues = "" if start is None else fingerprint(start)
        if start is not None:
            check_start(self._subject.spec.name, start, first)
            first = {name: start[name].detach().clone() for name in first}
        self._first_theta = {name: weights.to(self.device) for name, weights in first.items()}
        self._estimators = self._subject.estimators(self._first_theta)
        self._evaluated: dict[tuple[int, str], Episodes] = {}

    @property
    def identity(self) -> str:
        """16 hex digits of all that decides the result."""
        parts = (
            self.assembly.configuration.key,
            self._subject.spec.version,
            [task.fingerprint for task in self.tasks],
            self.seed,
            *([self._continues] if self._continues else []),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    @property
    def loop_reasons(self) -> Mapping[str, str]:
        """Why a task's episodes go one after the other, by its name; only for such tasks."""
        return {name: reason for name, reason in self._subject.loop_reasons.items() if reason is not None}

    @Float32ByDefault()
    def train(
        self,
        folder: Path | None = None,
        progress: Callable[[MetaProgress], None] = lambda progress: None,
        check: Callable[[], None] = lambda: None,
    ) -> MetaTrained:
        """Meta-train to the end, from the folder's checkpoint where there is one.

        Args:
            folder: of checkpoints; None for none.
            progress: told at each validation, and about once a second.
            check: called at each iteration; may raise to end early.

        Raises:
            InputError: the folder holds another meta-training, or no gradient was ever finite.
        """
        state, generator, optimizer = self._begin(folder)
        validations = max(self.tasks, key=lambda task: task.num_iterations).validation_iterations
        last_saved = last_reported = time.monotonic()
        reported = state.iteration
        norm = float("nan")
        while state.iteration < self.num_iterations:
            check()
            began = time.perf_counter()
            norm = self._iterate(state, generator, optimizer)
            if state.iteration in validations:
                self._validate(state)
            state.seconds += time.perf_counter() - began
            clock = time.monotonic()
            if state.iteration in validations or clock - last_reported > 1:
                rate = (state.iteration - reported) / max(clock - last_reported, 1e-9)
                progress(self._progress(state, norm, rate))
                last_reported, reported = clock, state.iteration
            is_due = clock - last_saved > PERIOD or state.iteration == self.num_iterations
            if folder is not None and is_due and Ranks.current().rank == 0:
                checkpoint.write(folder, self._document(state, generator, optimizer))
                last_saved = clock
        return self._result(state)

    @Float32ByDefault()
    def evaluate(self, theta: Theta, partition: Partition, num_steps: int | None = None, position: int = 0) -> Tensor:
        """The metric of each evaluated episode of a task after adapting, lower is better, shape (episodes,)."""
        steps = num_steps or self._subject.num_steps[position]
        detached = {name: weights.detach() for name, weights in theta.items()}
        return self._estimators[position].metrics(detached, self._episodes(position, partition), steps)

    def _iterate(self, state: MetaState, generator: torch.Generator, optimizer: torch.optim.Optimizer) -> float:
        position = state.iteration % len(self.tasks)
        theta = {name: weights.detach() for name, weights in state.theta.items()}
        estimate, state.states[position] = self._estimators[position].estimate(theta, state.states[position], generator)
        state.iteration += 1
        norm = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(gradient) for gradient in estimate.gradient.values()])
        )
        if not bool(torch.isfinite(norm)):
            # The inner loops of a truncated unroll are lost too: they begin anew.
            state.skipped, state.states[position] = state.skipped + 1, {}
            return float(norm)
        optimizer.param_groups[0]["lr"] = self._outer_lr(state.iteration - 1)
        clip = float(self._values["clip"])
        scale = clip / float(norm) if 0 < clip < float(norm) else 1.0
        for name, weights in self._moved(state.theta).items():
            gradient = estimate.gradient[name] * scale if scale != 1.0 else estimate.gradient[name]
            weights.grad = _laid_out_like(weights, gradient)
        optimizer.step()
        for name, value in estimate.running.items():
            state.theta[name].data.copy_(value)
        state.running.append(float(estimate.objective))
        return float(norm)

    @staticmethod
    def _moved(theta: Theta) -> dict[str, Tensor]:
        """The entries that gradients move."""
        return {name: weights for name, weights in theta.items() if is_learned(name, weights)}

    def _outer_lr(self, completed: int) -> float:
        final = float(self._values["outer_final"])
        return float(self._values["outer_lr"]) * (1 - (1 - final) * completed / self.num_iterations)

    def _validate(self, state: MetaState) -> None:
        values = [
            [
                float(self.evaluate(state.theta, partition, position=position).mean())
                for position in range(len(self.tasks))
            ]
            for partition in ("validation", "test")
        ]
        state.steps.append(state.iteration)
        state.validation.append(values[0])
        state.test.append(values[1])
        state.objectives.append(float(np.mean(state.running)) if state.running else float("nan"))
        state.running = []
        mean = self._mean(values[0])
        if mean < state.best_value:
            state.best_value, state.best = mean, _copied(state.theta)

    def _mean(self, values: Sequence[float]) -> float:
        """Over tasks; geometric where logarithms are what is minimised, so that no task's scale decides."""
        if self._subject.is_logarithmic and min(values) > 0:
            return float(np.exp(np.mean(np.log(values))))
        return float(np.mean(values))

    def _result(self, state: MetaState) -> MetaTrained:
        if state.skipped == state.iteration:
            raise NeverFiniteError(
                f"No meta-gradient of {self._subject.spec.name!r} on {self.tasks[0].name!r} was ever finite; "
                "lower the inner rate, or take fewer inner steps."
            )
        curves = {
            task.name: Curve(
                steps=np.asarray(state.steps, dtype=np.float64),
                values=np.asarray([row[position] for row in state.validation]),
                horizon=self.num_iterations,
                test=np.asarray([row[position] for row in state.test]),
                signals={"train_loss": np.asarray(state.objectives)},
            )
            for position, task in enumerate(self.tasks)
        }
        return MetaTrained(state.best, curves, state.objectives, state.skipped, state.seconds)

    def _progress(self, state: MetaState, norm: float, rate: float) -> MetaProgress:
        validation = float("nan")
        if state.validation:
            signs = {task.sign for task in self.tasks}
            validation = self._mean(state.validation[-1]) * (signs.pop() if len(signs) == 1 else 1.0)
        recent = state.running[-100:] or state.objectives[-1:]
        objective = float(np.mean(recent)) if recent else float("nan")
        return MetaProgress(state.iteration, self.num_iterations, objective, norm, state.skipped, validation, rate)

    # The beginning, and going on from a checkpoint.

    def _begin(self, folder: Path | None) -> tuple[MetaState, torch.Generator, torch.optim.Optimizer]:
        theta = _copied(self._first_theta)
        state = MetaState(theta, best=_copied(theta))
        state.states = [{} for _ in self.tasks]
        generator = torch.Generator().manual_seed(self.seed + 1)
        moved = self._moved(theta)
        for weights in moved.values():
            weights.requires_grad_(True)
        rate, decay = float(self._values["outer_lr"]), float(self._values.get("outer_decay", 0.0))
        optimizer = torch.optim.AdamW(list(moved.values()), lr=rate, weight_decay=decay, fused=True)
        saved = None if folder is None else checkpoint.read(folder, self.identity)
        if saved is not None:
            state.restore(saved["run"], self.device)
            generator.set_state(saved["generator"])
            optimizer.load_state_dict(saved["optimizer"])
        return state, generator, optimizer

    def _document(
        self, state: MetaState, generator: torch.Generator, optimizer: torch.optim.Optimizer
    ) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "run": state.to_document(),
            "generator": generator.get_state(),
            "optimizer": optimizer.state_dict(),
        }

    def _episodes(self, position: int, partition: Partition) -> Episodes:
        key = (position, partition)
        if key not in self._evaluated:
            self._evaluated[key] = self.tasks[position].evaluated_episodes(partition).to(self.device)
        return self._evaluated[key]


def _laid_out_like(weights: Tensor, gradient: Tensor) -> Tensor:
    """The gradient with the strides of the weights: torch's fused Adam goes by place in memory, and says nothing."""
    if gradient.stride() == weights.stride():
        return gradient
    return torch.empty_like(weights, requires_grad=False).copy_(gradient)


def _copied(theta: Theta) -> dict[str, Tensor]:
    return {name: weights.detach().clone() for name, weights in theta.items()}
