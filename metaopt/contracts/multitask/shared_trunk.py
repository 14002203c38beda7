"""A model of several tasks: a trunk f(x) that all share, and a head on top of it for each."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from metaopt.errors import InputError, listed, named_line, quoted


@final
class TrunkPass:
    """What the last forward pass left for whoever needs each task's gradient; copies and pickles hold nothing.

    Attributes:
        shared: the trunk's output where all tasks have the same inputs, else None.
        views: by task, what its head was given.
    """

    def __init__(self) -> None:
        self.shared: Tensor | None = None
        self.views: dict[str, Tensor] = {}

    def clear(self) -> None:
        """Let go of the pass and its graph."""
        self.shared, self.views = None, {}

    def __reduce__(self) -> tuple[type["TrunkPass"], tuple[()]]:
        return TrunkPass, ()


@final
class SharedTrunk(nn.Module):
    """A trunk that tasks share, and a head for each: output k is head_k(f(x)).

    With a tensor of inputs the trunk runs once for all tasks; with inputs by task, once for each.

    Args:
        trunk: f; its output is one tensor, whose first dimension is that of the examples.
        heads: by task; each takes what the trunk gives. Or (name, head) pairs.
        stacked: whether a tensor of inputs has shape (n, tasks, …), a row of examples of the tasks, in their order.

    Attributes:
        trunk: the shared part, whose parameters are called `trunk.…`.
        heads: by task; their parameters are called `heads.NAME.…`.

    Raises:
        InputError: there is no head, two have one name, or a name is none that a module can have.

    Example:
        >>> import torch, metaopt
        >>> heads = {"digit": torch.nn.Linear(8, 10), "angle": torch.nn.Linear(8, 1)}
        >>> model = metaopt.SharedTrunk(torch.nn.Linear(64, 8), heads)
        >>> {name: tuple(output.shape) for name, output in model(torch.zeros(5, 64)).items()}
        {'digit': (5, 10), 'angle': (5, 1)}
    """

    trunk: nn.Module
    heads: nn.ModuleDict

    def __init__(
        self, trunk: nn.Module, heads: Mapping[str, nn.Module] | Iterable[tuple[str, nn.Module]], stacked: bool = False
    ) -> None:
        super().__init__()
        named = by_name(heads)
        for part in (trunk, *named.values()):
            if not isinstance(part, nn.Module):
                raise InputError(f"A trunk and its heads are torch modules, got {quoted(part)}.")
        self.trunk, self.stacked = trunk, stacked
        self.heads = nn.ModuleDict(named)
        self._pass: TrunkPass | None = None

    def forward(self, inputs: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each task's output, by name.

        Args:
            inputs: shape (n, …), the same for all tasks; or by task, for some of them or all.

        Raises:
            InputError: a task is unknown, the trunk gives no tensor, or a head does not take it.
        """
        views = self._views(inputs)
        return {name: self._output(name, view) for name, view in views.items()}

    def record(self) -> TrunkPass:
        """From now on, forward passes leave what the trunk gave in the object returned; always the same one."""
        self._pass = self._pass or TrunkPass()
        return self._pass

    def onto(self, head: nn.Module) -> nn.Sequential:
        """A model of a copy of the trunk and of another head, to be adapted to a task that it was not trained on."""
        return nn.Sequential(copy.deepcopy(self.trunk), head)

    def _views(self, inputs: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        shared = None
        if isinstance(inputs, Mapping):
            unknown = [name for name in inputs if name not in self.heads]
            if unknown:
                raise InputError(f"There is no head {quoted(unknown[0])}; this model has {listed(self.heads)}.")
            views = {name: self._represented(own) for name, own in inputs.items()}
        elif self.stacked:
            views = {name: self._represented(inputs[:, place]) for place, name in enumerate(self.heads)}
        else:
            shared = self._represented(inputs)
            views = {name: shared.view_as(shared) for name in self.heads}  # so that each has a gradient of its own
        if self._pass is not None and torch.is_grad_enabled():
            self._pass.shared, self._pass.views = shared, views
        return views

    def _represented(self, inputs: Tensor) -> Tensor:
        output = self.trunk(inputs)
        if not isinstance(output, Tensor):
            raise InputError(f"A shared trunk gives one tensor, got {type(output).__name__}; take it out of that.")
        return output

    def _output(self, name: str, view: Tensor) -> Any:
        try:
            return self.heads[name](view)
        except InputError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise InputError(
                f"The head {quoted(name)} does not take the trunk's output, of shape {tuple(view.shape)}: "
                f"{named_line(error)}."
            ) from error


def by_name(heads: Any) -> dict[str, Any]:
    """Heads, or what makes them, by the name of their task.

    Raises:
        InputError: there is none, two have one name, or a name is none that a module can have.
    """
    try:
        pairs = list(heads.items()) if isinstance(heads, Mapping) else [(name, head) for name, head in heads]
    except (TypeError, ValueError):
        raise InputError(f"Heads are given by the name of their task, got {quoted(heads)}.") from None
    if not pairs:
        raise InputError("A shared trunk needs at least one head, and there is none; give each task one.")
    names = [name for name, _ in pairs]
    check_names(names)
    return dict(pairs)


def check_names(names: list[Any]) -> None:
    """Refuse heads that share a name, or that have one that a module cannot have.

    Raises:
        InputError: see above.
    """
    for name in names:
        if not isinstance(name, str) or not name or "." in name or hasattr(nn.ModuleDict(), name):
            raise InputError(
                f"The name of a head is a text without dots that torch's ModuleDict does not use, got {quoted(name)}."
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"Two heads are called {quoted(twice)}, and outputs go by their names; rename one.")
