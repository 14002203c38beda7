"""Where a `state_dict` comes from, a rule or a library's class, and whether it may continue in an optimizer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.parameters import ROLE
from metaopt.deploy.state.arrangement import SIGNATURE
from metaopt.errors import InputError, quoted
from metaopt.plugin import OptimizerSpec, current_registry
from metaopt.space import defaults

#: Key of the first param group that names the rule, as `AssemblyOptimizer.title` does.
RULE = "rule"
#: Keys of the first param group, beside the rule's name: state that all parameters share, and steps taken.
SHARED, STEPS = "shared", "steps"
#: Key of the first param group: steps taken when another rule took over; absent while none has.
HANDED_OVER = "handed_over"
#: What an `AssemblyOptimizer` keeps in its first param group.
FIRST_GROUP_KEYS = (RULE, SHARED, STEPS, HANDED_OVER)


@final
@dataclass(frozen=True)
class StateOrigin:
    """What saved a state.

    Attributes:
        rule: title of the `AssemblyOptimizer`, or None.
        optimizers: names of the optimizers whose library's class it may have been; empty for a rule.
    """

    rule: str | None
    optimizers: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if self.rule is not None:
            return f"the rule {quoted(self.rule)}"
        return (
            f"the class of {' or '.join(quoted(name)[1:-1] for name in sorted(self.optimizers))}"
            if self.optimizers
            else "another optimizer class"
        )


def origin_of(document: Mapping[str, Any], own: OptimizerSpec) -> StateOrigin:
    """What saved a state_dict, as it says itself; else guessed from the hyperparameters in its groups.

    Args:
        document: the state_dict.
        own: a candidate beside the optimizers that are installed.
    """
    group = document["param_groups"][0]
    if group.get(RULE) is not None:
        return StateOrigin(str(group[RULE]))
    signature = document.get(SIGNATURE)
    if isinstance(signature, Mapping) and "name" in signature:
        return StateOrigin(None, frozenset({str(signature["name"])}))
    return StateOrigin(None, _alike(group, own))


def class_name(assembly: Assembly) -> str:
    """What the state of a class, or of the classes of several optimizers, says it was made as."""
    return "+".join(spec.name for spec in assembly.optimizers)


def class_title(assembly: Assembly) -> str | None:
    """The title of the class that a wrapper steers; None where there is none."""
    native = assembly.optimizer.native
    if native is None or len(assembly.wrappers) != 1 or assembly.others:
        return None
    return f"{assembly.wrappers_names[0]}({native.module}.{native.qualname})"


def is_of_rule(document: Mapping[str, Any], assembly: Assembly, title: str) -> bool:
    """Whether the rule itself saved a state_dict, rather than its library's class.

    Args:
        document: the state_dict.
        assembly: what shall continue.
        title: its name, for the message.

    Raises:
        InputError: something else saved it.
    """
    source = origin_of(document, assembly.optimizer)
    if source.rule is not None and source.rule in (assembly.title, class_title(assembly)):
        return source.rule == assembly.title
    of_class = class_name(assembly) in source.optimizers or _is_of_classes(document, assembly)
    if source.rule is None and not assembly.wrappers and of_class:
        return False
    raise InputError(
        f"This state_dict was saved by {source} and cannot continue as {title!r}; create the optimizer with the same "
        "name and wrappers as when it was saved."
    )


def _is_of_classes(document: Mapping[str, Any], assembly: Assembly) -> bool:
    """Whether each group of a state that does not say what saved it is like the class that its role has here.

    Torch's distributed checkpoints keep groups alone.
    """
    if SIGNATURE in document or not assembly.others:
        return False
    groups = document["param_groups"]
    owners = [assembly.at(group.get(ROLE)).optimizer for group in groups]
    return all(
        ROLE in group and owner.native is not None and owner.name in _alike(group, owner)
        for group, owner in zip(groups, owners, strict=True)
    )


def _alike(group: Mapping[str, Any], own: OptimizerSpec) -> frozenset[str]:
    """Optimizers whose class has the hyperparameters of a group: those that account for most of its entries."""
    # A class without a rule may keep some of its arguments to itself, so that none is guessed at.
    ruled = [spec for spec in current_registry().specs(OptimizerSpec) if spec.rule is not None]
    keys = {spec.name: _group_keys(spec) for spec in (*ruled, own) if spec.native is not None}
    fitting = {name: len(group_keys) for name, group_keys in keys.items() if group_keys <= set(group)}
    most = max(fitting.values(), default=0)
    return frozenset(name for name, count in fitting.items() if count == most)


def _group_keys(spec: OptimizerSpec) -> frozenset[str]:
    """Hyperparameters as the groups of an optimizer's class hold them."""
    assert spec.native is not None
    values = defaults(spec.space)
    return frozenset(spec.pack(values) if spec.native.arguments is None else spec.native.arguments(values))
