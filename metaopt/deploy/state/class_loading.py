"""What `state_dict` and `load_state_dict` of a library's class do beside torch's own: names, order, checks, copies."""

import copy
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.classes.native_class import MakeOptimizer, class_maker, native_class
from metaopt.deploy.optimizer.fused import in_order_of
from metaopt.deploy.optimizer.parameters import Group
from metaopt.deploy.state.arrangement import SIGNATURE, arranged, check_document, names_of
from metaopt.deploy.state.class_state import as_classes, check_entries, check_settings
from metaopt.deploy.state.damaged_state import check_groups, refusing_damage
from metaopt.deploy.state.kept_objects import restored, saved
from metaopt.deploy.state.model_names import ModelNames
from metaopt.deploy.state.parts import over_parts, with_own_roles
from metaopt.deploy.state.saved_state import FIRST_GROUP_KEYS, RULE, class_name, is_of_rule
from metaopt.deploy.state.stand_ins import EXECUTION, expected_state, fresh_state
from metaopt.shards import is_sharded, laid_as

_NAMED = "param_names"
#: What a class keeps of a parameter.
Entries: TypeAlias = Mapping[str, Any]


@final
class ClassLoading:
    """Hooks for `state_dict` and `load_state_dict` of a library's class, around torch's own loader.

    That casts each tensor to its parameter's dtype and makes containers anew; afterwards every entry is put in place as
    it was saved, in the parameter's dtype only where the class keeps it so.

    Args:
        assembly: that the class was built from.
        model: names of the parameters.
    """

    def __init__(self, assembly: Assembly, model: ModelNames) -> None:
        self._assembly, self._model = assembly, model
        self._pending: list[Entries | None] = []
        self._is_fitted = False

    def attach(self, optimizer: Optimizer) -> None:
        """Register the hooks with an optimizer."""
        if type(optimizer).load_state_dict is not Optimizer.load_state_dict:
            vars(optimizer)["load_state_dict"] = self._own_loader(optimizer)
        optimizer.register_load_state_dict_pre_hook(self._fit)
        optimizer.register_load_state_dict_post_hook(self._put_in_place)
        optimizer.register_state_dict_post_hook(self._sign)

    def _own_loader(self, optimizer: Optimizer) -> Callable[[dict[str, Any]], None]:
        """In place of a class's own `load_state_dict`: it is handed the fitted state, copies throughout.

        Such a method looks at what it was given after torch's loader has, and takes tensors from there.
        """
        reference = weakref.ref(optimizer)

        def load_state_dict(state_dict: dict[str, Any]) -> None:
            loaded = reference()
            if loaded is None:
                return
            fitted = copy.deepcopy(self._fit(loaded, state_dict))
            self._is_fitted = True
            try:
                with refusing_damage(type(loaded).__qualname__):
                    type(loaded).load_state_dict(loaded, fitted)
            finally:
                self._is_fitted = False

        return load_state_dict

    def _sign(self, optimizer: Optimizer, document: dict[str, Any]) -> None:
        names = names_of(optimizer.param_groups, self._model)
        known = {} if None in names else {_NAMED: names}
        document.update({key: saved(document[key]) for key in ("state", "param_groups")})
        document[SIGNATURE] = {"name": class_name(self._assembly), **known}
        if self._assembly.others and document["state"]:
            # Where one class has a state, torch's distributed checkpoints look for that of every parameter.
            for group in document["param_groups"]:
                document["state"].update({key: {} for key in group["params"] if key not in document["state"]})

    def _fit(self, optimizer: Optimizer, document: dict[str, Any]) -> dict[str, Any]:
        """A saved state in the order and form of this optimizer.

        Raises:
            InputError: it is another optimizer's, or of other parameters.
        """
        if self._is_fitted:
            return document
        with refusing_damage(type(optimizer).__qualname__):
            fitted = self._fitted(optimizer, document)
        numbers = [number for group in fitted["param_groups"] for number in group["params"]]
        self._pending = [fitted["state"].get(number) for number in numbers]
        return fitted

    def _put_in_place(self, optimizer: Optimizer) -> None:
        """Give parameters the entries that were fitted, in place of what torch's loader made of them."""
        pending, self._pending = self._pending, []
        params = [param for group in optimizer.param_groups for param in group["params"]]
        for param, entries in zip(params, pending, strict=False):
            loaded = optimizer.state.get(param, {})
            for key in loaded.keys() & (entries or {}).keys() - {"step"}:  # whose dtype and device torch knows
                loaded[key] = _in_place_of(loaded[key], entries[key])  # type: ignore[index]

    def _fitted(self, optimizer: Optimizer, document: dict[str, Any]) -> dict[str, Any]:
        own_groups = optimizer.param_groups
        check_document(document)
        of_rule = not self._is_of_class(document, optimizer) and is_of_rule(
            document, self._assembly, type(optimizer).__qualname__
        )
        converted = arranged(document, own_groups, self._model, FIRST_GROUP_KEYS)
        converted["param_groups"] = with_own_roles(converted["param_groups"], own_groups)
        fitted = over_parts(converted, own_groups, self._assembly, partial(self._fitted_part, of_rule))
        groups = [
            {key: restored(value, own.get(key)) for key, value in group.items() if key not in FIRST_GROUP_KEYS}
            for group, own in zip(fitted["param_groups"], own_groups, strict=True)
        ]
        # Some classes keep a counter beside the parameters' entries.
        beside = {} if of_rule else {key: value for key, value in document["state"].items() if isinstance(key, str)}
        present: Mapping[Any, Any] = optimizer.state
        kept = {key: copy.deepcopy(restored(value, present.get(key))) for key, value in beside.items()}
        return {**fitted, "state": {**kept, **fitted["state"]}, "param_groups": groups}

    def _fitted_part(
        self, of_rule: bool, document: dict[str, Any], assembly: Assembly, own_groups: list[Group]
    ) -> dict[str, Any]:
        """The state of the groups of one class."""
        native = assembly.optimizer.native
        assert native is not None
        kind = native_class(native)
        made = class_maker(assembly)
        if of_rule:
            document = as_classes(document, assembly, own_groups)
        else:
            document["param_groups"] = self._regrouped(document["param_groups"], own_groups, kind, assembly)
        check_groups(document["param_groups"], own_groups)
        with torch.random.fork_rng(devices=[]):  # a class may draw numbers where it steps on stand-ins
            expected = expected_state(made, document["param_groups"], own_groups)
        names = names_of(own_groups, self._model)
        state: dict[Any, Any] = {}
        for index, group in enumerate(document["param_groups"]):
            for place, (number, param) in enumerate(zip(group["params"], own_groups[index]["params"], strict=True)):
                name = str(number) if names[index] is None else names[index][place]  # type: ignore[index]
                entries = document["state"].get(number) or fresh_state(made, group, param)
                if entries:
                    like = expected.get(number, {})
                    check_entries(entries, _begun(entries, like, made, group, param), kind.__qualname__, name)
                    state[number] = {
                        key: _own(param, restored(value, like.get(key)), like.get(key))
                        for key, value in entries.items()
                    }
        return {**document, "state": state}

    def _is_of_class(self, document: dict[str, Any], optimizer: Optimizer) -> bool:
        """Whether a class without a rule may have saved a state by itself, which then says nothing of it."""
        group = document["param_groups"][0]
        unsigned = SIGNATURE not in document and RULE not in group
        return self._assembly.pure_rule is None and unsigned and set(optimizer.defaults) <= set(group)

    def _regrouped(
        self, saved: list[Group], own_groups: list[Group], kind: type[Optimizer], assembly: Assembly
    ) -> list[Group]:
        """Saved groups that compute their steps as the present ones do."""
        groups = []
        for group, own_group in zip(saved, own_groups, strict=True):
            settings = check_settings(group, own_group, kind, assembly)
            execution = {key: own_group[key] for key in EXECUTION if key in own_group}
            missing = {key: own_group[key] for key in settings if key in own_group and key not in group}
            groups.append({**missing, **group, **execution})
        return groups


def _begun(entries: Entries, stepped: Entries, made: MakeOptimizer, group: Group, param: Tensor) -> Entries:
    """What a parameter's entries must be like: after a step, or as the class begins where it never was stepped."""
    if stepped.keys() <= entries.keys():
        return stepped
    fresh = fresh_state(made, group, param)
    return fresh if fresh and entries.keys() <= fresh.keys() else stepped


def _own(param: Tensor, value: Any, like: Any) -> Any:
    """A copy in the parameter's memory order: torch's loader copies a tensor only when it changes the device.

    It follows the parameter's dtype where the class's own does, which is `like`, and keeps the saved one elsewhere.
    """
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    floats = isinstance(like, Tensor) and like.dtype == param.dtype and value.is_floating_point()
    value = value.to(param.dtype) if floats and param.is_floating_point() else value
    if is_sharded(param) or is_sharded(value):
        return laid_as(value, param).clone()
    ordered = in_order_of(param, value) if value.layout is torch.strided else value
    return ordered.clone() if ordered is value and (value.ndim == 0 or value.device == param.device) else ordered


def _in_place_of(loaded: Any, value: Any) -> Any:
    """The value where torch's loader has cast it or made its container anew; else what was loaded.

    That is the value itself, a tensor that a class has made of a number, or what a later hook has put in its place.
    """
    if isinstance(value, Tensor):
        is_cast = isinstance(loaded, Tensor) and loaded.dtype != value.dtype
        return value.to(loaded.device) if is_cast and torch.equal(value.to(loaded), loaded) else loaded
    if isinstance(value, str):
        return value if str(loaded).startswith("<generator object") else loaded
    if isinstance(value, dict) and isinstance(loaded, dict) and value.keys() == loaded.keys():
        entries = {key: _in_place_of(loaded[key], entry) for key, entry in value.items()}
        return OrderedDict(entries) if isinstance(value, OrderedDict) else entries
    if isinstance(value, list | deque) and isinstance(loaded, type(value)) and len(value) == len(loaded):
        items = [_in_place_of(*pair) for pair in zip(loaded, value, strict=True)]
        return deque(items, value.maxlen) if isinstance(value, deque) else items
    if type(value) is tuple and type(loaded) is tuple and len(value) == len(loaded):
        return tuple(_in_place_of(*pair) for pair in zip(loaded, value, strict=True))
    return loaded
