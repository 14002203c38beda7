"""Any rule as a true `torch.optim.Optimizer`."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt import registry
from metaopt.compiled import CompiledUpdate, compiled_update
from metaopt.configuration import Assembly, Configuration, NoDecay, assemble
from metaopt.contracts import Rule, State, StepInfo
from metaopt.contracts.per_tensor import prepared, prepared_update
from metaopt.deploy.flat_views import flat_views, whole_views
from metaopt.deploy.hparams import GroupNumbers, assemble_named, checked_group, packed
from metaopt.deploy.inheritance import inherited, take_over
from metaopt.deploy.learned import check_learned, weights_of
from metaopt.deploy.members import MAXIMIZE, Member, members_of
from metaopt.deploy.parameters import Params, as_groups, numbered, spare, tensors_of
from metaopt.deploy.precision import add_update, gradient_norm, like, placed, widened
from metaopt.deploy.requirements import check_loss, check_param, check_requirements, why_not_compiled
from metaopt.deploy.saved_state import RULE, check_saved
from metaopt.errors import InputError

#: Keys of the first param group, beside the rule's name: state that all parameters share, and steps taken.
SHARED, STEPS = "shared", "steps"
#: Key of the first param group: steps taken when another rule took over; absent while none has.
HANDED = "handed_over"


@final
class RuleOptimizer(Optimizer):
    """Runs a rule on a model's parameters, as torch's optimizers run theirs.

    Param groups hold hyperparameters as torch does (`betas`), and edits count from the next step. State is kept in
    float32 where parameters have less, and comes back from `state_dict` bit for bit.

    Args:
        params: a model, or what torch's optimizers take.
        rule: an `Assembly`, or the name of an optimizer plugin.
        compile: run a coordinate-wise rule as one compiled graph, for all tensors of a dtype.
        theta: learned weights of the rule; those that ship with it if left out.
        horizon: planned number of steps, for rules that require it.
        maximize: go up the gradient.
        wrappers: with a name, wrapper plugins, innermost first.
        no_decay: with a name, which parameters weight decay leaves alone; see `Configuration`.
        hparams: with a name, hyperparameters (`beta1=0.9` or `betas=(0.9, 0.99)`).

    Raises:
        InputError: a hyperparameter or parameter is not valid.
        PluginError: the rule requires a signal that a training loop cannot supply.

    Example:
        >>> import torch, metaopt
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = metaopt.RuleOptimizer(model, "adamw", lr=0.1)
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
    """

    #: What `hand_over` hands over to.
    fallback: Assembly | None = None
    #: Asked before each step; where it says no, none is taken.
    watch: Callable[[], bool] | None = None

    def __init__(
        self,
        params: Params,
        rule: Assembly | str,
        *,
        compile: bool = False,
        theta: Mapping[str, Tensor] | None = None,
        horizon: int | None = None,
        maximize: bool = False,
        wrappers: Sequence[str] = (),
        no_decay: NoDecay = "none",
        **hparams: Any,
    ) -> None:
        if isinstance(rule, str):
            assembly = assemble_named(rule, hparams, wrappers=wrappers, no_decay=no_decay)
        elif hparams or wrappers:
            raise InputError(f"An Assembly has its hyperparameters and wrappers; leave out {[*hparams, *wrappers]}.")
        else:
            assembly = rule
        theta = weights_of(assembly, theta)
        check_requirements(assembly, theta, horizon)
        reason = why_not_compiled(assembly) if compile else None
        if reason:
            warnings.warn(reason, RuntimeWarning, stacklevel=2)
        groups = spare(as_groups(params), assembly)
        check_learned(assembly, theta, groups)
        device = tensors_of(groups)[0].device
        self._adopt(assembly, compile)
        self.horizon = horizon
        self.theta = {name: tensor.detach().to(device) for name, tensor in (theta or {}).items()}
        super().__init__(groups, {**packed(assembly), MAXIMIZE: maximize})
        self.param_groups[0].update({RULE: assembly.title, STEPS: 0, SHARED: {}})

    def step(self, closure: Callable[[], Any] | None = None, *, loss: Tensor | float | None = None) -> Any:
        """Update the parameters once.

        Args:
            closure: computes gradients and returns the loss; called once, with gradients enabled.
            loss: the training loss of this step's batch, for rules that require it.

        Returns:
            What the closure returned, or None.

        Raises:
            PluginError: the rule requires the loss and did not get it.
            RuntimeError: averaged weights are in the parameters; see `evaluating`.
        """
        if self.evaluating:
            raise RuntimeError("optimizer.step() inside `evaluating`: leave the `with` block before training on.")
        returned = None
        if closure is not None:
            if not callable(closure):
                raise InputError("optimizer.step(closure) takes a function; pass a loss by name, step(loss=loss).")
            with torch.enable_grad():
                returned = closure()
            loss = returned if loss is None else loss
        if self.watch is None or self.watch():
            with torch.no_grad():
                self._step(loss)
        return returned

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, before or after steps; hyperparameters that the group does not state are the defaults.

        Raises:
            InputError: a stated hyperparameter is not valid, or a parameter is not a real floating-point tensor.
        """
        group = checked_group(self.assembly, *as_groups([param_group]))
        for tensor in tensors_of([group]):
            check_param(self.assembly, tensor)
        if self.param_groups and "param_names" in self.param_groups[0]:
            group = numbered(group, first=sum(len(other["params"]) for other in self.param_groups))
        super().add_param_group(group)

    def state_dict(self) -> dict[str, Any]:
        """As torch's, and `"theta"` where there is one."""
        document = super().state_dict()
        return {**document, "theta": dict(self.theta)} if self.theta else document

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`, bit for bit: unlike torch's, nothing is cast to the parameters' dtype.

        Raises:
            InputError: it was saved by something else.
        """
        saved: dict[Any, Any] = {}

        def set_aside(_: Optimizer, document: dict[str, Any]) -> dict[str, Any]:
            if document["param_groups"][0].get(HANDED) is not None and self.fallback is not None:
                self._adopt(self.fallback, self.compile)
                self.theta = {}
            check_saved(self.assembly, document)
            saved.update(document)
            return {**document, "state": {}}

        def put_back(_: Optimizer) -> None:
            self._restore(saved)

        first = self.register_load_state_dict_pre_hook(set_aside)
        last = self.register_load_state_dict_post_hook(put_back, prepend=True)
        try:
            super().load_state_dict(state_dict)
        finally:
            first.remove()
            last.remove()

    def evaluation_params(self) -> dict[Tensor, Tensor]:
        """For each parameter that the rule averages, what to evaluate with, in the parameter's dtype."""
        with torch.no_grad():
            members = [member for member in members_of(self.param_groups) if member.param in self.state]
            params = {member.name: widened(member.param) for member in members}
            found = self.rule.evaluation_params(params, self._state(members), self._hparams(members))
        return {
            member.param: found[member.name].to(member.param.dtype)
            for member in members
            if found[member.name] is not params[member.name]
        }

    @property
    def rule(self) -> Rule:
        """The rule inside its wrappers."""
        return self.assembly.rule

    @property
    def handed_over(self) -> int | None:
        """Steps taken when `fallback` took over, or None."""
        found = self.param_groups[0].get(HANDED)
        return None if found is None else int(found)

    def hand_over(self) -> None:
        """Go on with `fallback`, from the moments that the rule kept, at the fallback's own hyperparameters."""
        assert self.fallback is not None
        meta, first = self.assembly.meta, self.param_groups[0]
        kept = {} if meta is None or meta.handover is None else {p: meta.handover(s) for p, s in self.state.items()}
        self._adopt(self.fallback, self.compile)
        for group in self.param_groups:
            take_over(group, packed(self.assembly))
        first.update({RULE: self.assembly.title, SHARED: {}, HANDED: self.steps})
        self.theta = {}
        known = [member for member in members_of(self.param_groups) if member.param in self.state]
        self._initialise(known)
        for member in known:
            self.state[member.param] = inherited(self.state[member.param], kept.get(member.param, {}), self.steps)

    @property
    def steps(self) -> int:
        """Steps taken; those that a `GradScaler` skipped do not count."""
        return int(self.param_groups[0][STEPS])

    def __getstate__(self) -> dict[str, Any]:
        return {
            **super().__getstate__(),
            "configuration": self.assembly.configuration.to_json(),
            "theta": self.theta,
            "horizon": self.horizon,
            "compile": self.compile,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        configuration = state.pop("configuration", None)
        if "assembly" not in self.__dict__:
            self._adopt(assemble(Configuration.from_json(configuration), registry.current()), state["compile"])
        super().__setstate__(state)

    def __deepcopy__(self, memo: dict[int, Any]) -> "RuleOptimizer":
        copy = RuleOptimizer.__new__(RuleOptimizer)
        memo[id(self)] = copy
        copy._adopt(self.assembly, self.compile)
        copy.__setstate__(deepcopy(self.__getstate__(), memo))
        return copy

    def _adopt(self, assembly: Assembly, compile: bool) -> None:
        self.assembly = assembly
        self.compile = compile
        self.evaluating = False
        self._numbers = GroupNumbers(assembly)
        self._requires = assembly.rule_requires
        compilable = compile and why_not_compiled(assembly) is None
        self._graph = compiled_update(assembly.rule, self._numbers.names) if compilable else None

    def _step(self, loss: Tensor | float | None) -> None:
        members = [
            member
            for member in members_of(self.param_groups)
            if member.param.grad is not None or member.param.requires_grad
        ]
        grads = {member.name: member.gradient() for member in members if member.param.grad is not None}
        if not grads:
            return
        info = self._info(grads, loss)
        self._initialise([member for member in members if member.param not in self.state])
        first = self.param_groups[0]
        info, shared = prepared(self.rule, first[SHARED], self.theta, info)
        first[SHARED] = like(first[SHARED], shared)
        if self._graph is not None:
            members = self._run_graph(self._graph, members, grads, info)
        if members:
            self._run_rule(members, grads, info)
        first[STEPS] += 1

    def _run_graph(
        self, graph: CompiledUpdate, members: list[Member], grads: dict[str, Tensor], info: StepInfo
    ) -> list[Member]:
        """Step what the rule's graph can serve, largest first, since it is tuned to the first; return the others."""
        served = set()
        infos: dict[torch.device, StepInfo] = {}
        for member in sorted(members, key=lambda member: -member.param.numel()):
            views = whole_views if graph.keeps_shapes else flat_views
            flat = views(member.param, grads.get(member.name), self.state[member.param])
            if flat is not None:
                device = member.param.device
                if device not in infos:
                    infos[device] = info.to(device)
                numbers = self._numbers.vector(member.index, member.group, device)
                graph(*flat, numbers, self.theta, infos[device])
                served.add(member.name)
        return [member for member in members if member.name not in served]

    def _run_rule(self, members: list[Member], grads: dict[str, Tensor], info: StepInfo) -> None:
        params = {member.name: widened(member.param) for member in members}
        wide_grads = {name: widened(grads[name]) for name in params if name in grads}
        state, hparams = self._state(members), self._hparams(members)
        updates, new = prepared_update(self.rule, wide_grads, state, params, hparams, self.theta, info)
        for member in members:
            if member.name in updates:
                add_update(member.param, params[member.name], updates[member.name])
            self.state[member.param] = like(self.state[member.param], new["tensors"][member.name])
        self.param_groups[0][SHARED] = like(self.param_groups[0][SHARED], new["shared"])

    def _initialise(self, members: list[Member]) -> None:
        if not members:
            return
        params = {member.name: widened(member.param) for member in members}
        state = self.rule.init(params, self._hparams(members), self.theta, self._horizon())
        for member in members:
            self.state[member.param] = state["tensors"].get(member.name, {})
        self.param_groups[0][SHARED] = {**state["shared"], **self.param_groups[0][SHARED]}

    def _state(self, members: list[Member]) -> State:
        tensors = {member.name: self.state[member.param] for member in members}
        return {"tensors": tensors, "shared": self.param_groups[0][SHARED]}

    def _hparams(self, members: list[Member]) -> dict[str, dict[str, Tensor]]:
        groups = [self._numbers.hparams(index, group) for index, group in enumerate(self.param_groups)]
        return {member.name: groups[member.index] for member in members}

    def _horizon(self) -> Tensor | None:
        return None if self.horizon is None else torch.tensor(float(self.horizon))

    def _info(self, grads: Mapping[str, Tensor], loss: Tensor | float | None) -> StepInfo:
        signals: dict[str, Tensor] = {}
        if "gradient_norm" in self._requires:
            signals["gradient_norm"] = gradient_norm(grads.values())
        return StepInfo(
            step=torch.tensor(float(self.steps)),
            horizon=self._horizon(),
            loss=check_loss(self.assembly, loss) if "loss" in self._requires else None,
            signals=signals,
        )

    def _restore(self, saved: Mapping[str, Any]) -> None:
        """Put the saved state at the loaded groups' parameters, moved to their device, nothing cast."""
        numbers = [number for group in saved["param_groups"] for number in group["params"]]
        params = [param for group in self.param_groups for param in group["params"]]
        for group in self.param_groups:
            for key, value in self.defaults.items():
                group.setdefault(key, value)
        self.state.clear()
        for number, param in zip(numbers, params, strict=True):
            if number in saved["state"]:
                self.state[param] = placed(saved["state"][number], param.device)
        self.param_groups[0][SHARED] = placed(self.param_groups[0][SHARED], params[0].device)
        if "theta" in saved:
            self.theta = placed(saved["theta"], params[0].device)
