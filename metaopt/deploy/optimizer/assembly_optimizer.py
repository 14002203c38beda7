"""The base of torch optimizers that run an assembly: param groups, signals, and a state that training resumes from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Self

import torch
from torch import Tensor
from torch._compile import _disable_dynamo
from torch.optim import Optimizer

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import Float32ByDefault, Hparams, State, StepInfo, Theta
from metaopt.deploy.optimizer.group_members import GroupMember, GroupNumbers, KnownMembers, group_members, stated_roles
from metaopt.deploy.optimizer.learned_weights import check_learned, weights_of
from metaopt.deploy.optimizer.parameters import MAXIMIZE, ROLE, Group, Params, numbered, packed, shared, tensors_of
from metaopt.deploy.optimizer.precision import gradient_norm, in_dtypes_of, numberless, placed, placed_as, widened
from metaopt.deploy.optimizer.requirements import check_loss, check_param, check_requirements
from metaopt.deploy.roles.role_groups import filled, groups_that_join, role_groups
from metaopt.deploy.state.arrangement import arranged, check_document
from metaopt.deploy.state.damaged_state import check_groups, refusing_damage
from metaopt.deploy.state.model_names import ModelNames, ModelReference, no_model, reference_to
from metaopt.deploy.state.parts import with_own_roles
from metaopt.deploy.state.rule_state import fitted, fitted_shared
from metaopt.deploy.state.saved_state import FIRST_GROUP_KEYS, RULE, SHARED, STEPS, is_of_rule
from metaopt.errors import InputError
from metaopt.plugin import current_registry


class AssemblyOptimizer(Optimizer, ABC):
    """A torch optimizer that runs an assembly. Its param groups hold hyperparameters as torch does (`betas`).

    Edits of param groups count from the next step.

    Args:
        params: a model, or what torch's optimizers take.
        assembly: what to run.
        theta: learned weights; those that ship with the learned part if left out.
        horizon: planned number of steps, for rules that require it.
        maximize: go up the gradient.

    Raises:
        InputError: a hyperparameter or parameter is not valid.
        PluginError: the rule requires a signal that a training loop cannot supply.
    """

    #: Whether averaged weights are in the parameters; see `metaopt.deploy.evaluating`.
    evaluating = False
    read_norm: Tensor | None = None  # of the coming step's gradients, where a guard has read it already
    recorded_loss: Tensor | None = None  # of the coming step, where a host recorded another than its closure returns
    #: Of what the optimizer was made for, and that itself where it is a model; a copy no longer knows them.
    names = ModelNames()
    model: ModelReference = staticmethod(no_model)

    def __init__(
        self,
        params: Params,
        assembly: Assembly,
        *,
        theta: Theta | None = None,
        horizon: int | None = None,
        maximize: bool = False,
    ) -> None:
        groups = role_groups(params, assembly)
        if assembly.learned is not None:
            theta = weights_of(assembly, theta)
            check_learned(assembly, theta, groups)
        check_requirements(assembly, theta, horizon)
        self._use_assembly(assembly)
        self.names = ModelNames.of(params, assembly)
        self.model = reference_to(params)
        self.horizon = horizon
        device = tensors_of(groups)[0].device
        self.theta = {name: tensor.detach().to(device) for name, tensor in (theta or {}).items()}
        common = shared([packed(assembly.part(spec.name)) for spec in assembly.optimizers])  # groups get the rest
        super().__init__(groups, {**common, MAXIMIZE: maximize})
        self.param_groups[0].update({RULE: self.title, STEPS: 0, SHARED: {}})

    @property
    @abstractmethod
    def title(self) -> str:
        """What a state is saved under: a state with another title cannot continue here."""

    def step(self, closure: Callable[[], Any] | None = None, *, loss: Tensor | float | None = None) -> Any:
        """Update the parameters once.

        Args:
            closure: computes gradients and returns the loss; called once, with gradients enabled.
            loss: the training loss of this step's batch, for rules that require it.

        Returns:
            What the closure returned, or None.

        Raises:
            PluginError: the rule requires the loss and did not get it.
            RuntimeError: averaged weights are in the parameters, by `evaluating` or `eval()`.
        """
        if self.evaluating:
            raise RuntimeError("optimizer.step() inside `evaluating` or after eval(): leave the block or call train().")
        returned = None
        if closure is not None:
            if not callable(closure):
                raise InputError("optimizer.step(closure) takes a function; pass a loss by name, step(loss=loss).")
            with torch.enable_grad():
                returned = closure()
            recorded, self.recorded_loss = self.recorded_loss, None
            loss = loss if loss is not None else returned if recorded is None else recorded
        with torch.no_grad():
            self._step(loss)
        return returned

    def pass_over(self) -> None:
        """Count a planned step that was not taken: what follows the plan goes on, the state stays."""
        self.param_groups[0][STEPS] += 1

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters at any time; what the group does not state is that of its role, found as for the first groups.

        Raises:
            InputError: a stated hyperparameter is not valid, or a parameter is not a real floating-point tensor.
        """
        for group in groups_that_join(param_group, self.assembly, self.names.places):
            self._add_group(filled(self.assembly, group))

    def _add_group(self, group: Group) -> None:
        for tensor in tensors_of([group]):
            check_param(self.assembly, tensor)
        if self.param_groups and "param_names" in self.param_groups[0]:
            group = numbered(group, first=sum(len(other["params"]) for other in self.param_groups))
        super().add_param_group(group)

    def state_dict(self) -> dict[str, Any]:
        """The state as torch's optimizers return it, and `"theta"` where weights are learned."""
        document = super().state_dict()
        return {**document, "theta": dict(self.theta)} if self.theta else document

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`, bit for bit: unlike torch's, nothing is cast to the parameters' dtype.

        What the same rule's library class saved is converted. Parameters are matched by their names where both sides
        have them, whatever wrapped the model.

        Raises:
            InputError: it was saved by something else, or for other parameters.
        """
        check_document(state_dict)
        saved: dict[Any, Any] = {}

        def set_aside(_: Optimizer, document: dict[str, Any]) -> dict[str, Any]:
            self._prepare_loading(document)
            of_rule = is_of_rule(document, self.assembly, self.title)
            document = arranged(document, self.param_groups, self.names, FIRST_GROUP_KEYS)
            document["param_groups"] = with_own_roles(document["param_groups"], self.param_groups)
            check_groups(document["param_groups"], self.param_groups)
            saved.update(self._fitted(document, of_rule))
            return {**saved, "state": {}}

        def put_back(_: Optimizer) -> None:
            self._restore(saved)

        first = self.register_load_state_dict_pre_hook(set_aside)
        last = self.register_load_state_dict_post_hook(put_back, prepend=True)
        try:
            with refusing_damage(f"the rule {self.title!r}"):
                super().load_state_dict(state_dict)
        finally:
            first.remove()
            last.remove()

    @property
    def steps(self) -> int:
        """Steps completed, those that the guard skipped among them; what a `GradScaler` skipped does not count."""
        return int(self.param_groups[0][STEPS])

    def __getstate__(self) -> dict[str, Any]:
        configuration = self.assembly.resolved.to_json()
        return {**super().__getstate__(), "configuration": configuration, "theta": self.theta, "horizon": self.horizon}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        configuration = state.pop("configuration", None)
        super().__setstate__(state)
        if configuration is not None:
            copied: Assembly | None = self.__dict__.get("assembly")
            self._use_assembly(copied or assemble(Configuration.from_json(configuration), current_registry()))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy.assembly = self.assembly
        copy.__setstate__(deepcopy(self.__getstate__(), memo))
        return copy

    def _use_assembly(self, assembly: Assembly) -> None:
        """Run an assembly from now on: make what follows from it alone."""
        self.assembly = assembly
        self._numbers, self._known_members = GroupNumbers(assembly), KnownMembers()
        self._requires = assembly.rule_requires

    @abstractmethod
    def _initial_state(self, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta) -> State:
        """State of parameters before their first step."""

    @abstractmethod
    def _converted(self, document: dict[str, Any], of_rule: bool) -> dict[str, Any]:
        """An arranged state_dict, of the rule or of its library's class, in this optimizer's form."""

    @abstractmethod
    def _step_members(self, members: list[GroupMember], grads: dict[str, Tensor], info: StepInfo) -> None:
        """Step the members that have gradients."""

    def _prepare_loading(self, document: Mapping[str, Any]) -> None:
        """Prepare for the state about to be checked and loaded."""

    @_disable_dynamo  # which rewrites param groups: whoever compiles optimizer.step runs this part eagerly
    @Float32ByDefault()
    def _step(self, loss: Tensor | float | None) -> None:
        known = self._known_members.of(self.param_groups)
        members = [member for member in known if member.param.grad is not None or member.param.requires_grad]
        grads = {member.name: member.gradient() for member in members if member.param.grad is not None}
        if not grads:
            return
        info = self._info(grads, loss)
        self._initialise([member for member in members if member.param not in self.state])
        self._step_members(members, grads, info)
        self.param_groups[0][STEPS] += 1

    def _initialise(self, members: list[GroupMember]) -> None:
        if not members:
            return
        params = {member.name: widened(member.param) for member in members}
        state = self._initial_state(params, self._hparams(members), self.theta)
        for member in members:
            self.state[member.param] = state["tensors"].get(member.name, {})
        self.param_groups[0][SHARED] = {**state["shared"], **self.param_groups[0][SHARED]}

    def _state(self, members: list[GroupMember]) -> State:
        first = self.param_groups[0]
        return {"tensors": {member.name: self.state[member.param] for member in members}, "shared": first[SHARED]}

    def _store_state(self, members: list[GroupMember], new: State) -> None:
        for member in members:
            self.state[member.param] = in_dtypes_of(self.state[member.param], new["tensors"][member.name])
        self.param_groups[0][SHARED] = in_dtypes_of(self.param_groups[0][SHARED], new["shared"])

    def _hparams(self, members: list[GroupMember]) -> dict[str, dict[str, Tensor]]:
        groups = [self._numbers.hparams(index, group) for index, group in enumerate(self.param_groups)]
        return {member.name: groups[member.index] for member in members}

    def _horizon(self) -> Tensor | None:
        return None if self.horizon is None else torch.tensor(float(self.horizon))

    def _info(self, grads: Mapping[str, Tensor], loss: Tensor | float | None) -> StepInfo:
        norm, self.read_norm = self.read_norm, None
        needed = "gradient_norm" in self._requires
        signals = {"gradient_norm": gradient_norm(grads.values()) if norm is None else norm} if needed else {}
        return StepInfo(
            step=torch.tensor(float(self.steps)),
            horizon=self._horizon(),
            loss=check_loss(self.assembly, loss) if "loss" in self._requires else None,
            signals=signals,
        )

    def _fitted(self, document: dict[str, Any], of_rule: bool) -> dict[str, Any]:
        """An arranged state_dict, checked, in this optimizer's form and precision."""
        converted = self._converted(document, of_rule)
        first, *others = converted["param_groups"]
        initial, members = self._expected(), group_members(self.param_groups)
        numbers = [number for group in converted["param_groups"] for number in group["params"]]
        names = {number: member.name for number, member in zip(numbers, members, strict=True)}
        shared = fitted_shared(first.get(SHARED, {}), initial, self.title)
        if "theta" in converted and self.theta:
            fitted_shared(converted["theta"], {"tensors": {}, "shared": self.theta}, self.title)
        first = {**first, RULE: self.title, SHARED: shared, STEPS: int(first.get(STEPS, 0))}
        return {**converted, "state": self._checked_state(converted, initial, names), "param_groups": [first, *others]}

    def _checked_state(self, document: dict[str, Any], initial: State, names: Mapping[Any, str]) -> dict[Any, Any]:
        return fitted(document["state"], initial, names, self.title)

    def _expected(self) -> State:
        """Keys, shapes and dtypes of the state; its tensors hold no numbers."""
        shadows = {member.name: numberless(widened(member.param)) for member in group_members(self.param_groups)}
        hparams = self.assembly.tensor_hparams(shadows, torch.float64, stated_roles(self.param_groups))
        return self._initial_state(shadows, hparams, {name: tensor.to("meta") for name, tensor in self.theta.items()})

    def _restore(self, saved: Mapping[str, Any]) -> None:
        """Give the parameters their saved state, on their own device and in the dtypes that were saved."""
        numbers = [number for group in saved["param_groups"] for number in group["params"]]
        params = [param for group in self.param_groups for param in group["params"]]
        for group in self.param_groups:
            for key, value in {**self.defaults, **packed(self.assembly.at(group.get(ROLE)))}.items():
                group.setdefault(key, value)
        self.state.clear()
        known = [(param, saved["state"].get(number)) for number, param in zip(numbers, params, strict=True)]
        self.state.update({param: placed_as(entries, param) for param, entries in known if entries is not None})
        self.param_groups[0][SHARED] = placed(self.param_groups[0][SHARED], params[0].device)
        if "theta" in saved:
            self.theta = placed(saved["theta"], params[0].device)
