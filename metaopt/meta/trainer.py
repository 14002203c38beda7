"""The outer loop: estimates of the meta-gradient, Adam, validations, checkpoints."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.contracts import Curve, Episodes, FewShotTask, Float32ByDefault, MetaTraining, Partition, check_trains
from metaopt.errors import InputError
from metaopt.meta import checkpoint
from metaopt.meta.compiling import Compile, graph_mode
from metaopt.meta.estimators.choice import new_estimator
from metaopt.meta.evaluation import evaluated_episodes
from metaopt.meta.initial_theta import check_start, fingerprint
from metaopt.meta.learner import Learner
from metaopt.meta.ranks import Ranks
from metaopt.meta.state import MetaProgress, MetaState, MetaTrained
from metaopt.meta.unrolls import LIMIT, Unrolls
from metaopt.meta.vmappable import check_adapts, check_vmappable
from metaopt.plugin import OptimizerSpec, WrapperSpec

#: Seconds between checkpoints.
PERIOD = 60.0


class NeverFiniteError(InputError):
    """No meta-gradient was finite: nothing was learned."""


class Trainer:
    """Meta-trains one rule on one or more tasks, taking these in turn.

    Args:
        assembly: the rule with its hyperparameters, those of its meta-training among them.
        tasks: few-shot tasks; their models must have the same parameters if the rule learns a start.
        seed: of theta's start and of everything drawn.
        device: where to train.
        compile: whether graphs are compiled; `"auto"` decides by counts.
        memory: bytes that inner loops may take, roughly; what does not fit is computed again on the way back.
        start: weights to begin with, in place of the rule's first ones.

    Raises:
        InputError: nothing is learned, `start` has not its weights, or the tasks' models differ where they must not.
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
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.assembly, self.tasks, self.seed = assembly, tuple(tasks), seed
        self.device = torch.device(device)
        self._learned, self.meta = _learned(assembly)
        self.num_iterations = max(task.num_iterations for task in tasks)
        self._values = assembly.meta_values
        for task in tasks:
            check_trains(task.name, task.build(0))
        learners = [Learner(task, assembly, self._values["order"] == "first", self.device) for task in tasks]
        for learner in learners:
            for partition in get_args(Partition):
                drawn = learner.task.sample(partition, 1, torch.Generator().manual_seed(seed))
                check_adapts(learner, drawn.to(self.device))
        generator = torch.Generator().manual_seed(seed)
        built = dict(tasks[0].build(seed).named_parameters())
        named = {name: built[name].detach() for name in learners[0].names_by_depth}
        first = self.meta.init_theta(named, generator, self._values)
        self._continues = "" if start is None else fingerprint(start)
        if start is not None:
            check_start(self._learned.name, start, first)
            first = {name: start[name].detach().clone() for name in first}
        self._first_theta = {name: one.to(self.device) for name, one in first.items()}
        self._check_shapes(learners)
        modes = [graph_mode(task, self.meta, self._num_steps(task), compile) for task in tasks]
        self._unrolls = [
            Unrolls(one, self._first_theta, mode, memory) for one, mode in zip(learners, modes, strict=True)
        ]
        self._estimators = [
            new_estimator(self.meta, self._values, one, self._first_theta, self._num_steps(one.learner.task))
            for one in self._unrolls
        ]
        self._evaluated: dict[tuple[int, str], Episodes] = {}

    @property
    def identity(self) -> str:
        """16 hex digits of all that decides the result."""
        parts = (
            self.assembly.configuration.key,
            self._learned.version,
            [task.fingerprint for task in self.tasks],
            self.seed,
            *([self._continues] if self._continues else []),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

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
            InputError: the folder holds another meta-training, a layer cannot be vmapped (it is named), or no gradient
                was ever finite.
        """
        for unrolls in self._unrolls:
            check_vmappable(unrolls.learner, *(one[:2].to(self.device) for one in unrolls.learner.task.examples))
        run, generator, optimizer = self._begin(folder)
        moments = self._moments()
        last_saved = last_told = time.monotonic()
        told = run.iteration
        norm = float("nan")
        while run.iteration < self.num_iterations:
            check()
            began = time.perf_counter()
            norm = self._iterate(run, generator, optimizer)
            if run.iteration in moments:
                self._validate(run)
            run.seconds += time.perf_counter() - began
            now = time.monotonic()
            if run.iteration in moments or now - last_told > 1:
                progress(self._told(run, norm, (run.iteration - told) / max(now - last_told, 1e-9)))
                last_told, told = now, run.iteration
            if (
                folder is not None
                and Ranks.current().rank == 0
                and (now - last_saved > PERIOD or run.iteration == self.num_iterations)
            ):
                self._save(folder, run, generator, optimizer)
                last_saved = now
        return self._result(run)

    @Float32ByDefault()
    def evaluate(
        self, theta: Mapping[str, Tensor], partition: Partition, num_steps: int | None = None, position: int = 0
    ) -> Tensor:
        """The metric of each evaluated episode of a task after adapting, lower is better, shape (episodes,)."""
        steps = num_steps or self._num_steps(self.tasks[position])
        given = {name: one.detach() for name, one in theta.items()}
        return self._estimators[position].metrics(given, self._episodes(position, partition), steps)

    def _iterate(self, run: MetaState, generator: torch.Generator, optimizer: torch.optim.Optimizer) -> float:
        position = run.iteration % len(self.tasks)
        theta = {name: one.detach() for name, one in run.theta.items()}
        estimate, run.states[position] = self._estimators[position].estimate(theta, run.states[position], generator)
        run.iteration += 1
        norm = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(one) for one in estimate.gradient.values()])
        )
        if not bool(torch.isfinite(norm)):
            # The inner loops of a truncated unroll are lost too: they begin anew.
            run.skipped, run.states[position] = run.skipped + 1, {}
            return float(norm)
        optimizer.param_groups[0]["lr"] = self._outer_lr(run.iteration - 1)
        clip = float(self._values["clip"])
        scale = clip / float(norm) if 0 < clip < float(norm) else 1.0
        for name, one in run.theta.items():
            one.grad = estimate.gradient[name] * scale if scale != 1.0 else estimate.gradient[name]
        optimizer.step()
        run.running.append(float(estimate.objective))
        return float(norm)

    def _outer_lr(self, completed: int) -> float:
        final = float(self._values["outer_final"])
        return float(self._values["outer_lr"]) * (1 - (1 - final) * completed / self.num_iterations)

    def _validate(self, run: MetaState) -> None:
        values = [
            [
                float(self.evaluate(run.theta, partition, position=position).mean())
                for position in range(len(self.tasks))
            ]
            for partition in ("validation", "test")
        ]
        run.steps.append(run.iteration)
        run.validation.append(values[0])
        run.test.append(values[1])
        run.objectives.append(float(np.mean(run.running)) if run.running else float("nan"))
        run.running = []
        mean = self._mean(values[0])
        if mean < run.best_value:
            run.best_value, run.best = mean, {name: one.detach().clone() for name, one in run.theta.items()}

    def _mean(self, values: Sequence[float]) -> float:
        """Over tasks; geometric where logarithms are what is minimised, so that no task's scale decides."""
        if self.meta.objective == "log_trajectory" and min(values) > 0:
            return float(np.exp(np.mean(np.log(values))))
        return float(np.mean(values))

    def _result(self, run: MetaState) -> MetaTrained:
        if run.skipped == run.iteration:
            raise NeverFiniteError(
                f"No meta-gradient of {self._learned.name!r} on {self.tasks[0].name!r} was ever finite; "
                "lower the inner rate, or take fewer inner steps."
            )
        curves = {
            task.name: Curve(
                steps=np.asarray(run.steps, dtype=np.float64),
                values=np.asarray([row[position] for row in run.validation]),
                horizon=self.num_iterations,
                test=np.asarray([row[position] for row in run.test]),
                signals={"train_loss": np.asarray(run.objectives)},
            )
            for position, task in enumerate(self.tasks)
        }
        return MetaTrained(run.best, curves, run.objectives, run.skipped, run.seconds)

    def _told(self, run: MetaState, norm: float, rate: float) -> MetaProgress:
        validation = float("nan")
        if run.validation:
            signs = {task.sign for task in self.tasks}
            validation = self._mean(run.validation[-1]) * (signs.pop() if len(signs) == 1 else 1.0)
        recent = run.running[-100:] or run.objectives[-1:]
        objective = float(np.mean(recent)) if recent else float("nan")
        return MetaProgress(run.iteration, self.num_iterations, objective, norm, run.skipped, validation, rate)

    # Beginning, and beginning again.

    def _begin(self, folder: Path | None) -> tuple[MetaState, torch.Generator, torch.optim.Optimizer]:
        theta = {name: one.detach().clone() for name, one in self._first_theta.items()}
        run = MetaState(theta, {name: one.clone() for name, one in theta.items()})
        run.states = [{} for _ in self.tasks]
        generator = torch.Generator().manual_seed(self.seed + 1)
        for one in theta.values():
            one.requires_grad_(True)
        rate, decay = float(self._values["outer_lr"]), float(self._values.get("outer_decay", 0.0))
        optimizer = torch.optim.AdamW(list(theta.values()), lr=rate, weight_decay=decay, fused=True)
        saved = None if folder is None else checkpoint.read(folder, self.identity)
        if saved is not None:
            run.restore(saved["run"], self.device)
            generator.set_state(saved["generator"])
            optimizer.load_state_dict(saved["optimizer"])
        return run, generator, optimizer

    def _save(self, folder: Path, run: MetaState, generator: torch.Generator, optimizer: torch.optim.Optimizer) -> None:
        checkpoint.write(
            folder,
            {
                "identity": self.identity,
                "run": run.to_document(),
                "generator": generator.get_state(),
                "optimizer": optimizer.state_dict(),
            },
        )

    # What is fixed.

    def _moments(self) -> frozenset[int]:
        longest = max(self.tasks, key=lambda task: task.num_iterations)
        return frozenset(longest.validation_iterations)

    def _num_steps(self, task: FewShotTask) -> int:
        return int(self._values["inner_steps"]) or task.num_steps

    def _episodes(self, position: int, partition: Partition) -> Episodes:
        key = (position, partition)
        if key not in self._evaluated:
            self._evaluated[key] = evaluated_episodes(self.tasks[position], partition).to(self.device)
        return self._evaluated[key]

    def _check_shapes(self, learners: Sequence[Learner]) -> None:
        shapes = [{name: tuple(one.shape) for name, one in learner.parameters.items()} for learner in learners]
        if not learners[0].learns_start(self._first_theta):
            return
        for learner, found in zip(learners, shapes, strict=True):
            wrong = sorted(name for name in {*found, *shapes[0]} if found.get(name) != shapes[0].get(name))
            if wrong:
                raise InputError(
                    f"{self._learned.name!r} learns one start for all tasks, but {wrong[0]!r} has shape "
                    f"{shapes[0].get(wrong[0])} in {self.tasks[0].name!r} and {found.get(wrong[0])} in "
                    f"{learner.task.name!r}; meta-train on them apart."
                )


def _learned(assembly: Assembly) -> tuple[OptimizerSpec | WrapperSpec, MetaTraining]:
    if assembly.learned is None or assembly.meta is None:
        raise InputError(f"{assembly.title!r} is not learned: there is nothing to meta-train.")
    return assembly.learned, assembly.meta
