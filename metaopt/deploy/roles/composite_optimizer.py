"""Several libraries' classes behind one torch optimizer: each steps the groups of the roles that it serves."""

from collections.abc import Callable, Iterator
from typing import Any, final

import torch
from torch.optim import Optimizer

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.deploy.optimizer.classes.class_hooks import ClassSteps
from metaopt.deploy.optimizer.classes.native_class import build_native, class_maker, native_arguments
from metaopt.deploy.optimizer.parameters import Group, shared
from metaopt.deploy.roles.later_groups import completed
from metaopt.deploy.roles.role_groups import Places, by_optimizer
from metaopt.deploy.step_hooks import bare_step
from metaopt.plugin import current_registry


@final
class CompositeOptimizer(Optimizer):
    """Classes behind one optimizer, which holds the param groups and the state of all.

    Groups are ordinary ones with a `role`, each with what its class has in groups. Edits of them count from the next
    step, and a scheduler acts on all of them. A group that is added later joins the class of the role that it states,
    else of those that its parameters have in the model, else by their shapes.

    Args:
        groups: as `role_groups` made them.
        assembly: of several optimizers, whose classes can all serve.
        maximize: go up the gradient.
    """

    _assembly: Assembly
    _maximize = False
    #: Of the model that the optimizer was made for; a copy no longer knows them.
    places = Places()

    def __init__(self, groups: list[Group], assembly: Assembly, *, maximize: bool = False) -> None:
        self._assembly, self._maximize = assembly, maximize
        self.classes: dict[str, Optimizer] = {}
        ordered: list[Group] = [{} for _ in groups]
        for name, places in by_optimizer(groups, assembly).items():
            own = build_native(assembly, [groups[place] for place in places], maximize=maximize)
            self.classes[name] = own
            for place, group in zip(places, own.param_groups, strict=True):
                ordered[place] = group
        parts = [assembly.part(spec.name) for spec in assembly.optimizers]
        super().__init__(ordered, shared([native_arguments(part, part.rule_values) for part in parts]))
        for own in self.classes.values():
            self.state.update(own.state)  # some classes make it before the first step
        self._join()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Have each class step its groups.

        Args:
            closure: computes gradients and returns the loss; called once, with gradients enabled.

        Returns:
            What the closure returned, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._rejoin()
        for take_step, own in self._steps:
            take_step(own)
        return loss

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, before or after steps; what the group does not state it gets from its role.

        Raises:
            InputError: a stated hyperparameter is not valid, or the role's optimizer does not take the parameters.
        """
        if len(self.param_groups) < sum(len(own.param_groups) for own in self.classes.values()):
            super().add_param_group(param_group)  # one of those that the classes were made for
            return
        for alone in list(completed(param_group, self, self._assembly, self.places, self._maximize)):
            self._add(alone)

    def look(self, optimizer: Optimizer) -> None:
        """Look at the gradients of the coming step for each class; see `ClassSteps`."""
        self._rejoin()
        for steps, own in self._looks:
            steps.look(own)

    def __getstate__(self) -> dict[str, Any]:
        settings = {"configuration": self._assembly.resolved.to_json(), "_maximize": self._maximize}
        return {**super().__getstate__(), **settings, "classes": self.classes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        configuration = state.pop("configuration", None)
        super().__setstate__(state)
        if configuration is not None:
            self._assembly = assemble(Configuration.from_json(configuration), current_registry())
        self._join()

    def _add(self, alone: Optimizer) -> None:
        """Take in a class over one group, with the state that it made at once."""
        (group,) = alone.param_groups
        super().add_param_group(group)
        self.state.update(alone.state)
        ((name, _),) = by_optimizer([group], self._assembly).items()
        self.classes.setdefault(name, alone)
        self._join()

    def _rejoin(self) -> None:
        """Join the classes anew where somebody put other groups or another state in place."""
        if self.state is not self._joined[0] or list(map(id, self.param_groups)) != self._joined[1]:
            self._join()

    def _join(self) -> None:
        """Have the classes share this optimizer's groups and state."""
        places = by_optimizer(self.param_groups, self._assembly)
        for name, own in self.classes.items():
            groups = [self.param_groups[place] for place in places.get(name, [])]
            own.__setstate__({"state": self.state, "param_groups": groups})
        self._joined = self.state, list(map(id, self.param_groups))
        self._steps = list(self._own_steps())
        self._looks = [
            (ClassSteps(own, class_maker(self._assembly.part(name))), own) for name, own in self.classes.items()
        ]

    def _own_steps(self) -> Iterator[tuple[Callable[[Optimizer], Any], Optimizer]]:
        for own in self.classes.values():
            yield bare_step(own), own
