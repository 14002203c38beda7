"""What a library's class gets: a look at gradients before each step, and a check of the state that it loads.

Some gradients it does not take, or not while it is fused; some states are not its own.
"""

import copy
import warnings
from functools import partial
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.fused import can_fuse, in_order_of, is_dense, put_in_order
from metaopt.deploy.optimizer.group_members import MAXIMIZE
from metaopt.deploy.optimizer.native_class import MakeOptimizer, maximizes, native_class
from metaopt.deploy.optimizer.parameters import Group
from metaopt.deploy.state.arrangement import SIGNATURE, arranged, check_document, names_of
from metaopt.deploy.state.class_state import (
    EXECUTION,
    as_built,
    as_classes,
    check_entries,
    check_settings,
    expected_state,
    fresh_state,
)
from metaopt.deploy.state.damaged_state import check_groups, refusing_damage
from metaopt.deploy.state.model_names import ModelNames
from metaopt.deploy.state.parts import over_parts, with_own_roles
from metaopt.deploy.state.saved_state import FIRST_GROUP_KEYS, RULE, class_name, is_of_rule
from metaopt.errors import InputError
from metaopt.shards import is_sharded, laid_as

_NAMED = "param_names"
#: Every so many steps all gradients of a fused class are looked at.
EVERY = 16


@final
class ClassSteps:
    """Looks at each parameter's first gradient, and later at the gradients that may have changed their layout.

    Where the class is fused these are the gradients that did not lie as their parameters do (whoever assigns such ones
    tends to do so at each step), one parameter of each number of dimensions (a model changes its memory format as a
    whole), and now and then all of them: a look at each would cost 5 % of a step.

    Args:
        optimizer: the class's.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._num_groups = self._num_steps = 0
        self._maximizes = maximizes(type(optimizer))
        self._fused = False
        self._unseen: list[Tensor] = []
        self._params: list[Tensor] = []
        self._misfits: list[Tensor] = []
        self._sentinels: list[tuple[Tensor, tuple[int, ...]]] = []
        self._take_in(optimizer)

    def look(self, optimizer: Optimizer) -> None:
        """Look at a step's gradients, before it is taken.

        Raises:
            InputError: a gradient is sparse, or a group maximizes, and the class does not take it.
        """
        if len(optimizer.param_groups) != self._num_groups:
            _begin_state(optimizer, optimizer.param_groups[self._num_groups :])
            self._take_in(optimizer)
        if not self._maximizes and any(group.get(MAXIMIZE) for group in optimizer.param_groups):
            raise InputError(
                f"{type(optimizer).__qualname__} has no maximize and would go down the gradient; make the optimizer "
                "with implementation='rule', or negate the loss."
            )
        if self._unseen:
            self._see(optimizer)
        if self._fused:
            self._keep_order(optimizer)

    def _keep_order(self, optimizer: Optimizer) -> None:
        self._num_steps += 1
        if any(param.stride() != stride for param, stride in self._sentinels):
            for param in self._params:
                self._fit(optimizer, param)
            self._post_sentinels()
        elif not self._num_steps % EVERY:
            for param in self._params:
                if param.grad is not None and not _alike(param.grad, param):
                    self._fit(optimizer, param)
        else:
            for param in self._misfits:
                self._fit(optimizer, param)

    def _take_in(self, optimizer: Optimizer) -> None:
        """Note the groups' parameters; if one of them cannot be fused, none is from now on."""
        self._num_groups = len(optimizer.param_groups)
        self._params = [param for group in optimizer.param_groups for param in group["params"]]
        self._unseen = list(self._params)
        self._fused = any(group.get("fused") for group in optimizer.param_groups)
        if self._fused and not can_fuse(self._params):
            self._unfuse(optimizer)
        self._post_sentinels()

    def _post_sentinels(self) -> None:
        by_rank = {param.ndim: param for param in reversed(self._params)} if self._fused else {}
        self._sentinels = [(param, param.stride()) for ndim, param in by_rank.items() if ndim > 1]

    def _see(self, optimizer: Optimizer) -> None:
        """Look at first gradients, which show whether they are sparse."""
        for param in self._unseen:
            if param.grad is not None:
                self._fit(optimizer, param)
        self._unseen = [param for param in self._unseen if param.grad is None]

    def _fit(self, optimizer: Optimizer, param: Tensor) -> None:
        grad = param.grad
        if grad is None:
            return
        if grad.layout is not torch.strided:
            check_sparse(optimizer, param)
            self._unfuse(optimizer)
        elif self._fused and not is_dense(param):
            self._unfuse(optimizer)
        elif self._fused and put_in_order(param, optimizer.state.get(param, {})) and param not in set(self._misfits):
            self._misfits.append(param)

    def _unfuse(self, optimizer: Optimizer) -> None:
        if self._fused:
            unfuse(optimizer)
            self._fused = False


@final
class ClassLoading:
    """Hooks for `state_dict` and `load_state_dict` of a library's class, before torch's own loader takes a state.

    Args:
        assembly: that the class was built from.
        model: names of the parameters.
    """

    def __init__(self, assembly: Assembly, model: ModelNames) -> None:
        self._assembly, self._model = assembly, model

    def attach(self, optimizer: Optimizer) -> None:
        """Register both hooks with an optimizer."""
        optimizer.register_load_state_dict_pre_hook(self._fit)
        optimizer.register_state_dict_post_hook(self._sign)

    def _sign(self, optimizer: Optimizer, document: dict[str, Any]) -> None:
        names = names_of(optimizer.param_groups, self._model)
        known = {} if None in names else {_NAMED: names}
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
        with refusing_damage(type(optimizer).__qualname__):
            return self._fitted(optimizer, document)

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
            {key: value for key, value in group.items() if key not in FIRST_GROUP_KEYS}
            for group in fitted["param_groups"]
        ]
        # Some classes keep a counter beside the parameters' entries.
        kept = {} if of_rule else {key: value for key, value in document["state"].items() if isinstance(key, str)}
        return {**fitted, "state": {**copy.deepcopy(kept), **fitted["state"]}, "param_groups": groups}

    def _fitted_part(
        self, of_rule: bool, document: dict[str, Any], assembly: Assembly, own_groups: list[Group]
    ) -> dict[str, Any]:
        """The state of the groups of one class."""
        native = assembly.optimizer.native
        assert native is not None
        kind = native_class(native)
        made: MakeOptimizer = partial(kind, **native.fixed)
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
                    check_entries(entries, expected.get(number, {}), kind.__qualname__, name)
                    state[number] = {key: _own(param, value) for key, value in entries.items()}
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


def _begin_state(optimizer: Optimizer, added: list[Group]) -> None:
    """Give groups that were added later the state that the class makes when it is built; some Adagrads make none."""
    kind: MakeOptimizer = type(optimizer)
    for group in added:
        fresh_states = as_built(kind, {key: value for key, value in group.items() if key != "param_names"}).state
        optimizer.state.update({param: state for param, state in fresh_states.items() if param not in optimizer.state})


def _alike(grad: Tensor, param: Tensor) -> bool:
    return grad.layout is torch.strided and grad.stride() == param.stride()


def unfuse(optimizer: Optimizer) -> None:
    """Have the class step without its fused kernel from now on, and a `GradScaler` unscale the gradients.

    Raises:
        InputError: a `GradScaler` has left the unscaling of this very step to the fused kernel.
    """
    if getattr(optimizer, "grad_scale", None) is not None:
        raise InputError(
            "The first sparse gradients came in a step of a GradScaler, which left their unscaling to a fused kernel; "
            "call scaler.unscale_(optimizer) before scaler.step(optimizer) once, or set 'fused' to False in the "
            "optimizer's param groups."
        )
    for group in optimizer.param_groups:
        if "fused" in group:
            group["fused"] = False
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]


def check_sparse(optimizer: Optimizer, param: Tensor) -> None:
    """Have the class step on a stand-in with a sparse gradient.

    Raises:
        InputError: it does not take one.
    """
    group = next(group for group in optimizer.param_groups if any(param is other for other in group["params"]))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, on sparse tensors in general
            _try_sparse(type(optimizer), group, param.device)
    except Exception as error:  # whatever the class says
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"A parameter of shape {tuple(param.shape)} has a sparse gradient, which {type(optimizer).__qualname__} "
            f"does not take with these settings ({cause:.80}): use sparse=False in its embedding, or give it "
            "torch.optim.SparseAdam."
        ) from error


def _try_sparse(kind: MakeOptimizer, group: Group, device: torch.device) -> None:
    stand_in = torch.zeros(2, 1, device=device, requires_grad=True)
    settings = {key: value for key, value in group.items() if key not in ("params", "param_names", "fused")}
    optimizer = kind([{**settings, "params": [stand_in]}])
    index = torch.zeros(1, 1, dtype=torch.long, device=device)
    for _ in range(2):
        stand_in.grad = torch.sparse_coo_tensor(index, torch.ones(1, 1, device=device), (2, 1), check_invariants=False)
        optimizer.step()


def _own(param: Tensor, value: Any) -> Any:
    """A copy in the parameter's memory order: torch's loader copies a tensor only when it changes the device."""
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    if is_sharded(param) or is_sharded(value):
        return laid_as(value, param).clone()
    ordered = in_order_of(param, value) if value.layout is torch.strided else value
    return ordered.clone() if ordered is value and (value.ndim == 0 or value.device == param.device) else ordered
