"""Any rule as a true `torch.optim.Optimizer`."""

import warnings
from collections.abc import Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Any, final

import torch
from torch import Tensor

from metaopt.configuration import Assembly, NoDecay
from metaopt.contracts import Float32ByDefault, Hparams, Rule, State, StepInfo, Theta, prepared
from metaopt.deploy.optimizer.assembly_optimizer import AssemblyOptimizer
from metaopt.deploy.optimizer.flat_views import flat_views, local_views, whole_views
from metaopt.deploy.optimizer.group_members import GroupMember, group_members, stated_roles
from metaopt.deploy.optimizer.hparams import assemble_named
from metaopt.deploy.optimizer.parameters import ROLE, Group, Params, packed
from metaopt.deploy.optimizer.precision import add_update, in_dtypes_of, widened
from metaopt.deploy.optimizer.requirements import why_not_compiled
from metaopt.deploy.sharding import sharded_rule
from metaopt.deploy.state.class_state import as_rules
from metaopt.deploy.state.parts import over_parts
from metaopt.deploy.state.saved_state import HANDED_OVER, RULE, SHARED
from metaopt.deploy.state.training_point import checked_point, with_points, without_points
from metaopt.errors import InputError
from metaopt.shards import drop_gathered
from metaopt.tracing import CompiledUpdate, compiled_update


@final
class RuleOptimizer(AssemblyOptimizer):
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
    #: While `evaluating`: the weights that averages have taken the place of.
    training_weights: Mapping[Tensor, Tensor] = MappingProxyType({})
    #: The rule of several optimizers, and the groups that it is for.
    _composite: tuple[Any, Rule] | None = None

    def __init__(
        self,
        params: Params,
        rule: Assembly | str,
        *,
        compile: bool = False,
        theta: Theta | None = None,
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
        reason = why_not_compiled(assembly) if compile else None
        if reason:
            warnings.warn(reason, RuntimeWarning, stacklevel=2)
        self.compile = compile
        super().__init__(params, assembly, theta=theta, horizon=horizon, maximize=maximize)

    @property
    def title(self) -> str:
        """The rule's title, with its wrappers."""
        return self.assembly.title

    @Float32ByDefault()
    def evaluation_params(self) -> dict[Tensor, Tensor]:
        """The average of each parameter that the rule averages, in the parameter's dtype."""
        with torch.no_grad():
            members = [member for member in group_members(self.param_groups) if member.param in self.state]
            params = {member.name: widened(member.param) for member in members}
            state, hparams = self._state(members), self._hparams(members)
            averages = sharded_rule.evaluation_params(self.rule, params, state, hparams)
        return {
            member.param: averages[member.name].to(member.param.dtype)
            for member in members
            if averages[member.name] is not params[member.name]
        }

    def eval(self) -> None:
        """Put the averages into the parameters that the rule averages, as hosts of Schedule-Free classes ask for.

        Until `train`, a step is an error, and `state_dict` holds the training weights. Nothing happens where the
        averages are in already.
        """
        if not self.evaluating:
            averages = self.evaluation_params()
            self.training_weights = {param: param.detach().clone() for param in averages}
            self._write_params(averages)
            self.evaluating = True

    def train(self) -> None:
        """Put the training weights back, bit for bit; nothing happens where they are in already."""
        if self.evaluating:
            self._write_params(self.training_weights)
            self.training_weights, self.evaluating = {}, False

    @property
    def rule(self) -> Rule:
        """The rule inside its wrappers; where roles have optimizers of their own, over the names of the parameters."""
        if not self.assembly.others:
            return self.assembly.rule
        shape = tuple((group.get(ROLE), *map(id, group["params"])) for group in self.param_groups)
        if self._composite is None or self._composite[0] != shape:
            self._composite = shape, self.assembly.rule_over(stated_roles(self.param_groups))
        return self._composite[1]

    @property
    def handed_over(self) -> int | None:
        """Steps taken when `fallback` took over, or None."""
        steps = self.param_groups[0].get(HANDED_OVER)
        return None if steps is None else int(steps)

    @Float32ByDefault()
    def hand_over(self) -> None:
        """Go on with `fallback`, from the moments that the rule kept, at the fallback's own hyperparameters."""
        assert self.fallback is not None
        meta, first = self.assembly.meta, self.param_groups[0]
        moments = {} if meta is None or meta.handover is None else {p: meta.handover(s) for p, s in self.state.items()}
        self._use_assembly(self.fallback)
        for group in self.param_groups:
            take_over(group, packed(self.assembly))
        first.update({RULE: self.title, SHARED: {}, HANDED_OVER: self.steps})
        self.theta = {}
        members = [member for member in group_members(self.param_groups) if member.param in self.state]
        self._initialise(members)
        for member in members:
            self.state[member.param] = inherited(self.state[member.param], moments.get(member.param, {}), self.steps)

    def state_dict(self) -> dict[str, Any]:
        """See `AssemblyOptimizer`; while averages are in the parameters, their training weights are part of it."""
        document = super().state_dict()
        params = [param for group in self.param_groups for param in group["params"]]
        numbers = [number for group in document["param_groups"] for number in group["params"]]
        points = {
            number: self.training_weights[param]
            for number, param in zip(numbers, params, strict=True)
            if param in self.training_weights
        }
        return {**document, "state": with_points(document["state"], points)}

    def __getstate__(self) -> dict[str, Any]:
        mode = {"evaluating": True, "training_weights": dict(self.training_weights)} if self.evaluating else {}
        return {**super().__getstate__(), "compile": self.compile, **mode}

    def _use_assembly(self, assembly: Assembly) -> None:
        super()._use_assembly(assembly)
        compilable = self.compile and why_not_compiled(assembly) is None
        self._graph = compiled_update(assembly.rule, self._numbers.names) if compilable else None

    def _prepare_loading(self, document: Mapping[str, Any]) -> None:
        if document["param_groups"][0].get(HANDED_OVER) is not None and self.fallback is not None:
            self._use_assembly(self.fallback)
            self.theta = {}

    def _initial_state(self, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta) -> State:
        return sharded_rule.initial_state(self.rule, params, hparams, theta, self._horizon())

    def _checked_state(self, document: dict[str, Any], initial: State, names: Mapping[Any, str]) -> dict[Any, Any]:
        state, points = without_points(document["state"])
        checked = super()._checked_state({**document, "state": state}, initial, names)
        return with_points(checked, points)

    def _restore(self, saved: Mapping[str, Any]) -> None:
        """Give the parameters their saved state; where averages were in them, `train` puts the training weights in."""
        state, points = without_points(saved["state"])
        super()._restore({**saved, "state": state})
        numbers = [number for group in saved["param_groups"] for number in group["params"]]
        self.training_weights = {
            member.param: checked_point(points[number], member.param, member.name)
            for number, member in zip(numbers, group_members(self.param_groups), strict=True)
            if number in points
        }
        self.evaluating = bool(points)

    @torch.no_grad()
    def _write_params(self, values: Mapping[Tensor, Tensor]) -> None:
        for param, value in values.items():
            param.copy_(value)
        drop_gathered(self.model())

    def _converted(self, document: dict[str, Any], of_rule: bool) -> dict[str, Any]:
        if of_rule:
            return document
        return over_parts(document, self.param_groups, self.assembly, self._of_class)

    def _of_class(self, document: dict[str, Any], assembly: Assembly, groups: list[Group]) -> dict[str, Any]:
        """The state of one optimizer's class as that of its rule."""
        fresh = {}
        numbers = [number for group in document["param_groups"] for number in group["params"]]
        for number, member in zip(numbers, group_members(groups), strict=True):
            if number in document["state"]:
                params = {member.name: widened(member.param)}
                hparams = assembly.tensor_hparams(params, torch.float64)
                state = assembly.rule.init(params, hparams, self.theta, self._horizon())
                fresh[number] = state["tensors"].get(member.name, {})
        return as_rules(document, assembly, fresh)

    def _step_members(self, members: list[GroupMember], grads: dict[str, Tensor], info: StepInfo) -> None:
        first = self.param_groups[0]
        info, shared = prepared(self.rule, first[SHARED], self.theta, info)
        first[SHARED] = in_dtypes_of(first[SHARED], shared)
        if self._graph is not None:
            members = self._run_graph(self._graph, members, grads, info)
        if members:
            self._run_rule(members, grads, info)

    def _run_graph(
        self, graph: CompiledUpdate, members: list[GroupMember], grads: dict[str, Tensor], info: StepInfo
    ) -> list[GroupMember]:
        """Step what the rule's graph can serve, largest first, since it is tuned to the first; return the others."""
        served = set()
        infos: dict[torch.device, StepInfo] = {}
        for member in sorted(members, key=lambda member: -member.param.numel()):
            views = whole_views if graph.keeps_shapes else flat_views
            flat = local_views(member.param, grads.get(member.name), self.state[member.param], views)
            if flat is not None:
                device = member.param.device
                if device not in infos:
                    infos[device] = info.to(device)
                numbers = self._numbers.vector(member.index, member.group, device)
                graph(*flat, numbers, self.theta, infos[device])
                served.add(member.name)
        return [member for member in members if member.name not in served]

    def _run_rule(self, members: list[GroupMember], grads: dict[str, Tensor], info: StepInfo) -> None:
        params = {member.name: widened(member.param) for member in members}
        wide_grads = {name: widened(grads[name]) for name in params if name in grads}
        state, hparams = self._state(members), self._hparams(members)
        updates, new = sharded_rule.update(self.rule, wide_grads, state, params, hparams, self.theta, info)
        for member in members:
            if member.name in updates:
                add_update(member.param, params[member.name], updates[member.name])
        self._store_state(members, new)


def inherited(own: Mapping[str, Tensor], moments: Mapping[str, Tensor], steps: int) -> dict[str, Tensor]:
    """A tensor's fresh state, filled with the moments of the rule that came before.

    Args:
        own: fresh, by the new rule's keys.
        moments: what the old rule had, by the same keys; entries that are not finite count as 0.
        steps: taken so far, for old rules that did not count.
    """
    # Products of decays (NAdam's `mu_product`) have long vanished.
    available = {"step": torch.tensor(float(steps)), "mu_product": torch.zeros(()), **moments}
    return {
        key: available[key].to(value).clone().nan_to_num(0.0, 0.0, 0.0) if key in available else value
        for key, value in own.items()
    }


def take_over(group: MutableMapping[str, Any], hparams: Mapping[str, Any]) -> None:
    """Give a param group the new rule's hyperparameters; a scheduler's share of the rate stays what it was."""
    base, rate = float(group.get("initial_lr", 0.0)), float(group.get("lr", 0.0))
    group.update(hparams)
    if base and "lr" in hparams:
        group["initial_lr"] = float(hparams["lr"])
        group["lr"] = hparams["lr"] * (rate / base)
