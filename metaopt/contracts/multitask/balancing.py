"""What weightings and surgeries are made of: pure functions of a step's losses and of each task's gradients."""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from metaopt.contracts.rule import TensorHparams
from metaopt.contracts.step_info import StepInfo

#: What a weighting or a surgery remembers from one step to the next: tensors by name.
BalanceState: TypeAlias = dict[str, Tensor]
#: `(tasks, hparams) -> state` before the first step, from the number of tasks.
InitBalance: TypeAlias = Callable[[int, TensorHparams], BalanceState]
#: `(losses, state, hparams, info) -> (weights, state)`, from losses of shape (tasks,) to weights of that shape.
WeighTasks: TypeAlias = Callable[[Tensor, BalanceState, TensorHparams, StepInfo], tuple[Tensor, BalanceState]]
#: `(gram, state, hparams, info) -> (coefficients, state)`: `gram[i, j]` is the inner product of the gradients of tasks
#: i and j, shape (tasks, tasks); the step's gradient is Σ coefficients[i] · gradient i, and their mean with 1 / tasks.
MixTasks: TypeAlias = Callable[[Tensor, BalanceState, TensorHparams, StepInfo], tuple[Tensor, BalanceState]]
#: `(gradients, state, hparams, info) -> (gradient, state)`, from shape (tasks, numbers) to shape (numbers,).
CombineGradients: TypeAlias = Callable[[Tensor, BalanceState, TensorHparams, StepInfo], tuple[Tensor, BalanceState]]
