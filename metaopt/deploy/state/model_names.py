"""What an optimizer knows of the model that it was made for: names, frozen parameters, places, and where it is."""

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

from torch import Tensor, nn

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.parameters import Group, Params, divided, tensors_of
from metaopt.deploy.roles.role_groups import Places, cut_by_role

#: Gives a model, or None where there is none or it is gone.
ModelReference: TypeAlias = Callable[[], nn.Module | None]


@final
@dataclass(frozen=True)
class ModelNames:
    """What a state may hold beside the parameters of an optimizer.

    Attributes:
        names: of every parameter of the model, by tensor; empty for bare parameters.
        frozen: the parameters that did not require gradients when the optimizer was made.
        groups: the param groups that the whole model would have, frozen parameters included; empty for bare parameters.
        places: roles and layers of every parameter of the model; empty for bare parameters, and without roles.
    """

    names: Mapping[Tensor, str] = field(default_factory=dict)
    frozen: tuple[Tensor, ...] = ()
    groups: tuple[tuple[Tensor, ...], ...] = ()
    places: Places = field(default_factory=Places)

    @property
    def frozen_roles(self) -> frozenset[str]:
        """The roles of the frozen parameters, where there are roles."""
        return frozenset(self.places.roles[param] for param in self.frozen if param in self.places.roles)

    @classmethod
    def of(cls, params: Params, assembly: Assembly, patterns: Mapping[str, str] | None = None) -> "ModelNames":
        """The names and frozen parameters of a model; empty for bare parameters.

        Args:
            params: what the optimizer is made for.
            assembly: what it runs.
            patterns: role by pattern of names; see `metaopt.roles`.
        """
        if not isinstance(params, nn.Module):
            return cls()
        members = list(params.named_parameters())
        groups: list[Group] = [{"params": members}]
        places = Places.of(params, groups, assembly, patterns) if assembly.has_roles else Places()
        whole = divided(cut_by_role(groups, assembly, places), assembly)
        return cls(
            names={param: name for name, param in members},
            frozen=tuple(param for _, param in members if not param.requires_grad),
            groups=tuple(tuple(tensors_of([group])) for group in whole),
            places=places,
        )


def reference_to(model: Any) -> ModelReference:
    """A weak reference to a model; of anything else, one to no model."""
    return weakref.ref(model) if isinstance(model, nn.Module) else no_model


def no_model() -> None:
    """The reference to no model."""
