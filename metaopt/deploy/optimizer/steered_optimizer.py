"""A library's class that steps with the hyperparameters that a steering rule says."""

import operator
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, cast, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.configuration import Assembly
from metaopt.contracts import Hparams, State, SteeringRule, StepInfo, Theta, WrappedRule, empty_state
from metaopt.deploy.optimizer.assembly_optimizer import AssemblyOptimizer
from metaopt.deploy.optimizer.classes.class_hooks import unfuse
from metaopt.deploy.optimizer.classes.native_class import build_native, native_arguments, obstacle
from metaopt.deploy.optimizer.fused import can_fuse, keep_order
from metaopt.deploy.optimizer.group_members import GroupMember
from metaopt.deploy.optimizer.parameters import MAXIMIZE, Group, Params, group_values, tensors_of
from metaopt.deploy.state.class_loading import ClassLoading
from metaopt.deploy.state.class_state import as_classes, check_entries
from metaopt.deploy.state.model_names import ModelNames
from metaopt.deploy.state.rule_state import fitted
from metaopt.deploy.state.saved_state import class_title
from metaopt.deploy.state.stand_ins import expected_state
from metaopt.deploy.step_hooks import bare_step
from metaopt.shards import is_sharded
from metaopt.space import Value


def steering_obstacle(assembly: Assembly, groups: list[Group], *, maximize: bool = False) -> str | None:
    """Why the inner optimizer's native class cannot be steered, as the end of a sentence, or None where it can."""
    native = assembly.optimizer.native
    if native is not None and native.modes:
        return f"{native.qualname} holds other weights while it trains, and would be steered by those"
    if assembly.meta is not None and assembly.meta.handover is not None:
        return f"another rule may take over from {assembly.title!r}, and only from a rule's state"
    if any(map(is_sharded, tensors_of(groups))):
        return "ranks hold parts of the parameters, and a wrapper looks at whole ones"
    return obstacle(_bare(assembly), groups, maximize=maximize)


@final
class SteeredOptimizer(AssemblyOptimizer):
    """Asks a steering rule before each step, and has the library's class take it.

    Users' param groups hold the hyperparameters that are steered. The class has groups of its own, of those parameters
    of a group that step with the same. Its state joins the wrapper's in `state_dict`.

    Args:
        params: a model, or what torch's optimizers take.
        assembly: one for which `steers` is true and `steering_obstacle` None.
        theta: learned weights of the wrapper; those that ship with it if left out.
        horizon: planned number of steps, for wrappers that require it.
        maximize: go up the gradient.

    Raises:
        InputError: a hyperparameter or parameter is not valid.
        PluginError: the wrapper requires a signal that a training loop cannot supply.
    """

    _native: Optimizer | None = None
    #: Of the last step: each member's hyperparameters, tensor and direction, and the groups that these came to.
    _grouping: Sequence[Any] = ()

    def __init__(
        self,
        params: Params,
        assembly: Assembly,
        *,
        theta: Theta | None = None,
        horizon: int | None = None,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, assembly, theta=theta, horizon=horizon, maximize=maximize)
        groups = [{"params": group["params"], **self._arguments(group)} for group in self.param_groups]
        self._native = build_native(_bare(assembly), groups, maximize=maximize)
        self._keywords = [{**group} for group in self._native.param_groups]
        ClassLoading(_bare(assembly), ModelNames()).attach(self._native)

    @property
    def title(self) -> str:
        """The names of the wrapper and of the class."""
        title = class_title(self.assembly)
        assert title is not None
        return title

    @property
    def rule(self) -> SteeringRule:
        """The rule that steers."""
        return cast(SteeringRule, self.assembly.rule)

    @property
    def native(self) -> Optimizer:
        """The library's optimizer."""
        assert self._native is not None
        return self._native

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, to the class's groups too; see `AssemblyOptimizer.add_param_group`."""
        count = len(self.param_groups)
        super().add_param_group(param_group)
        if self._native is None:
            return
        for added in self.param_groups[count:]:
            group = {"params": added["params"], **self._arguments(added)}
            # Not every version of Adagrad makes state for a group that is added: what one over it alone has is taken.
            self._native.state.update(build_native(_bare(self.assembly), [group]).state)
            self._native.add_param_group(group)
            self._keywords.append({**self._native.param_groups[-1]})
            if not can_fuse(group["params"]):
                unfuse(self._native)
                self._keywords = [
                    {**keywords, "fused": False} if "fused" in keywords else keywords for keywords in self._keywords
                ]

    def state_dict(self) -> dict[str, Any]:
        """The state of the class and of the wrapper in one document, and `"theta"`."""
        document = super().state_dict()
        state = dict(document["state"])
        for number, param in zip(_numbers(document), _params(self), strict=True):
            if param in self.native.state:
                state[number] = {**self.native.state[param], **state.get(number, {})}
        return {**document, "state": {number: entries for number, entries in state.items() if entries}}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_native": self._native, "_keywords": self._keywords}

    def _initial_state(self, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta) -> State:
        return self.rule.joined(empty_state(), self.rule.begin(params, hparams, theta, self._horizon()))

    def _converted(self, document: dict[str, Any], of_rule: bool) -> dict[str, Any]:
        if not of_rule:
            return document
        inner, own = self.rule.split({"tensors": document["state"], "shared": {}})
        native = as_classes({**document, "state": inner["tensors"]}, _bare(self.assembly), self._native_groups())
        state = {
            number: {**native["state"].get(number, {}), **entries}
            for number, entries in self.rule.joined(empty_state(), own)["tensors"].items()
        }
        return {**document, "state": state}

    def _checked_state(self, document: dict[str, Any], initial: State, names: Mapping[Any, str]) -> dict[Any, Any]:
        inner, own = self.rule.split({"tensors": document["state"], "shared": {}})
        groups = [
            {**group, "params": saved["params"]}
            for group, saved in zip(self._native_groups(), document["param_groups"], strict=True)
        ]
        expected = expected_state(type(self.native), groups, self._native_groups())
        for number, entries in inner["tensors"].items():
            if entries:
                check_entries(entries, expected.get(number, {}), self.title, names[number])
        joined = self.rule.joined(empty_state(), own)["tensors"]
        of_wrapper = fitted(
            {number: entries for number, entries in joined.items() if entries}, initial, names, self.title
        )
        return {number: {**inner["tensors"][number], **of_wrapper.get(number, {})} for number in inner["tensors"]}

    def _native_groups(self) -> list[Group]:
        """The class's groups, one for each group of the user."""
        return [
            {**keywords, "params": group["params"]}
            for keywords, group in zip(self._keywords, self.param_groups, strict=True)
        ]

    def _step_members(self, members: list[GroupMember], grads: dict[str, Tensor], info: StepInfo) -> None:
        params = {member.name: member.param for member in members}
        hparams = self._hparams(members)
        own = empty_state() if self._is_stateless else self.rule.split(self._state(members))[1]
        steered, own = self.rule.steer(grads, own, params, hparams, self.theta, info)
        limits = self.rule.limits(grads, own, params, hparams, self.theta, info)
        if limits is not None:
            limits.write({member.name: member.param.grad for member in members if member.param.grad is not None})
        grouping = [part for member in members for part in (hparams[member.name], member.param, member.group[MAXIMIZE])]
        if steered is not hparams or not self._is_grouped(grouping):
            self._regroup(members, hparams, steered)
            self._grouping = [*grouping, self.native.param_groups]
        if any(group.get("fused") for group in self.native.param_groups):
            keep_order((member.param for member in members), self.native.state)
        updates = self._take_step([params[name] for name in grads])
        if not self._is_stateless:
            moved = self.rule.moved(own, dict(zip(grads, updates, strict=True)) if updates else {})
            self._store_state(members, self.rule.joined(empty_state(), moved))

    @property
    def _is_stateless(self) -> bool:
        """Whether the wrapper remembers nothing, so that there is no state to look up and to store."""
        kind = type(self.rule)
        return kind.own_state is WrappedRule.own_state and kind.begin is SteeringRule.begin

    def _is_grouped(self, grouping: list[Any]) -> bool:
        """Whether the class has the groups of this step, since the last one was like it."""
        wanted = [*grouping, self.native.param_groups]
        return len(wanted) == len(self._grouping) and all(map(operator.is_, wanted, self._grouping))

    def _take_step(self, moving: list[Tensor]) -> list[Tensor]:
        """Have the class step; return what that added, where the rule looks at it."""
        if type(self.rule).moved is SteeringRule.moved:
            bare_step(self.native)(self.native)
            return []
        differences = list(torch._foreach_neg(moving))  # one copy, and no loop over tensors in Python
        bare_step(self.native)(self.native)
        torch._foreach_add_(differences, moving)
        return differences

    def _regroup(
        self,
        members: list[GroupMember],
        hparams: Hparams,
        steered: Hparams,
    ) -> None:
        """Give the class a group for each dict of steered hyperparameters that tensors of a user's group share."""
        parts: dict[tuple[int, int], list[GroupMember]] = {}
        for member in members:
            parts.setdefault((member.index, id(steered[member.name])), []).append(member)
        changed = {
            (part, key): number
            for part, (first, *_) in parts.items()
            for key, number in steered[first.name].items()
            if number is not hparams[first.name][key]
        }
        decided = dict(zip(changed, _read(list(changed.values())), strict=True))
        self.native.param_groups = [
            {
                **self._keywords[part[0]],
                **self._arguments(
                    sharing[0].group,
                    {key: number for (changed_part, key), number in decided.items() if changed_part == part},
                ),
                MAXIMIZE: sharing[0].group[MAXIMIZE],
                "params": [member.param for member in sharing],
            }
            for part, sharing in parts.items()
        ]

    def _arguments(self, group: Group, steered: Mapping[str, Value] | None = None) -> dict[str, Any]:
        bare = _bare(self.assembly)
        return native_arguments(bare, {**bare.rule_values, **group_values(bare, group), **(steered or {})})

    def _restore(self, saved: Mapping[str, Any]) -> None:
        """Give the class and the wrapper their parts of what `state_dict` joined."""
        inner, own = self.rule.split({"tensors": saved["state"], "shared": {}})
        joined = self.rule.joined(empty_state(), own)["tensors"]
        super()._restore({**saved, "state": {number: entries for number, entries in joined.items() if entries}})
        native = self.native
        native.param_groups = self._native_groups()
        state: Mapping[Any, Any] = inner["tensors"]
        of_native = {
            place: deepcopy(state[number]) for place, number in enumerate(_numbers(saved)) if state.get(number)
        }
        native.load_state_dict({**native.state_dict(), "state": of_native})


def _bare(assembly: Assembly) -> Assembly:
    """The optimizer without its wrapper."""
    space = assembly.optimizer.space
    values = {name: value for name, value in assembly.rule_values.items() if name in space}
    return replace(assembly, wrappers=(), rule_values=values)


def _read(numbers: list[Tensor]) -> list[float]:
    """Values of 0-d tensors, read from their device at once."""
    if not numbers:
        return []
    device = numbers[0].device
    values: list[float] = torch.stack([number.to(device, torch.float64) for number in numbers]).tolist()
    return values


def _numbers(document: Mapping[str, Any]) -> list[int]:
    return [number for group in document["param_groups"] for number in group["params"]]


def _params(optimizer: Optimizer) -> list[Tensor]:
    return [param for group in optimizer.param_groups for param in group["params"]]
