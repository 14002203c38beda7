"""Loading and saving of a library's class: whose state it is, of which parameters, and of which shapes."""

from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.fused import in_order_of
from metaopt.deploy.optimizer.parameters import Group
from metaopt.deploy.state.arrangement import SIGNATURE, arranged, check_document, names_of
from metaopt.deploy.state.class_state import (
    EXECUTION,
    as_classes,
    check_entries,
    check_settings,
    expected_state,
    fresh_state,
)
from metaopt.deploy.state.damaged_state import check_groups, refusing_damage
from metaopt.deploy.state.model_names import ModelNames
from metaopt.deploy.state.saved_state import FIRST, is_rules

_NAMED = "param_names"


@final
class ClassLoading:
    """Hooks for `state_dict` and `load_state_dict` of a library's class; what they leave torch's own loader takes.

    Args:
        assembly: that the class was built from.
        model: names of the parameters.
    """

    def __init__(self, assembly: Assembly, model: ModelNames) -> None:
        self._assembly, self._model = assembly, model

    def attach(self, optimizer: Optimizer) -> None:
        """Register both."""
        optimizer.register_load_state_dict_pre_hook(self._fit)
        optimizer.register_state_dict_post_hook(self._sign)

    def _sign(self, optimizer: Optimizer, document: dict[str, Any]) -> None:
        names = names_of(optimizer.param_groups, self._model)
        known = {} if None in names else {_NAMED: names}
        document[SIGNATURE] = {"name": self._assembly.optimizer.name, **known}

    def _fit(self, optimizer: Optimizer, document: dict[str, Any]) -> dict[str, Any]:
        """The document in the order and form of this optimizer.

        Raises:
            InputError: it is another optimizer's, or of other parameters.
        """
        with refusing_damage(type(optimizer).__qualname__):
            return self._fitted(optimizer, document)

    def _fitted(self, optimizer: Optimizer, document: dict[str, Any]) -> dict[str, Any]:
        title, own = type(optimizer).__qualname__, optimizer.param_groups
        check_document(document)
        of_rule = is_rules(document, self._assembly, title)
        found = arranged(document, own, self._model, FIRST)
        if of_rule:
            found = as_classes(found, self._assembly, own)
        else:
            found["param_groups"] = self._regrouped(found["param_groups"], own, type(optimizer))
        check_groups(found["param_groups"], own)
        expected = expected_state(type(optimizer), found["param_groups"], own)
        names = names_of(own, self._model)
        state = {}
        for index, group in enumerate(found["param_groups"]):
            for place, (number, param) in enumerate(zip(group["params"], own[index]["params"], strict=True)):
                name = str(number) if names[index] is None else names[index][place]  # type: ignore[index]
                entries = found["state"].get(number) or fresh_state(type(optimizer), group, param)
                if entries:
                    check_entries(entries, expected.get(number, {}), title, name)
                    state[number] = {key: _own(param, value) for key, value in entries.items()}
        return {**found, "state": state}

    def _regrouped(self, saved: list[Group], own: list[Group], kind: type[Optimizer]) -> list[Group]:
        """Saved groups that compute their steps as the present ones do."""
        made = []
        for group, mine in zip(saved, own, strict=True):
            settings = check_settings(group, mine, kind, self._assembly)
            execution = {key: mine[key] for key in EXECUTION if key in mine}
            missing = {key: mine[key] for key in settings if key in mine and key not in group}
            made.append({**missing, **group, **execution})
        return made


def _own(param: Tensor, value: Any) -> Any:
    """In the parameter's memory order, and shared with nobody: torch's loader copies only what changes its device."""
    if not isinstance(value, Tensor):
        return value
    ordered = in_order_of(param, value) if value.layout is torch.strided else value
    return ordered.clone() if ordered is value and (value.ndim == 0 or value.device == param.device) else ordered
