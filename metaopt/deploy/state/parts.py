"""A saved state taken apart by the optimizers of its groups, each part converted by itself, and put together again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.parameters import ROLE, Group
from metaopt.deploy.roles.role_groups import by_optimizer
from metaopt.deploy.state.saved_state import FIRST_GROUP_KEYS, STEPS

#: From a state_dict over groups of one optimizer, this optimizer and the present groups, to another such state_dict.
Convert: TypeAlias = Callable[[dict[str, Any], Assembly, list[Group]], dict[str, Any]]


def over_parts(
    document: Mapping[str, Any], own_groups: Sequence[Group], assembly: Assembly, convert: Convert
) -> dict[str, Any]:
    """The state_dict with the groups of each optimizer converted by themselves.

    Args:
        document: arranged as the present groups are.
        own_groups: the present optimizer's.
        assembly: what it runs.
        convert: see `Convert`; the first of the groups that it gets says how many steps were taken.
    """
    if not assembly.others:
        return convert(dict(document), assembly, list(own_groups))
    first, groups = document["param_groups"][0], list(document["param_groups"])
    state: dict[Any, Any] = {}
    steps = [int(first.get(STEPS, 0))]
    for name, places in by_optimizer(own_groups, assembly).items():
        own = [_bare(groups[place]) for place in places]
        own[0] = {STEPS: steps[0], **own[0]}
        numbers = {number for group in own for number in group["params"]}
        part = {number: entries for number, entries in document["state"].items() if number in numbers}
        converted = convert(
            {**document, "state": part, "param_groups": own},
            assembly.part(name),
            [own_groups[place] for place in places],
        )
        steps.append(int(converted["param_groups"][0].get(STEPS, 0)))
        state.update(converted["state"])
        for place, group in zip(places, converted["param_groups"], strict=True):
            groups[place] = _bare(group)
    kept = {key: first[key] for key in FIRST_GROUP_KEYS if key in first}
    groups[0] = {**groups[0], **kept, STEPS: max(steps)}
    return {**document, "state": state, "param_groups": groups}


def with_own_roles(groups: Sequence[Group], own_groups: Sequence[Group]) -> list[Group]:
    """Saved groups with the roles of the present ones: who steps which parameter is not the state's to say."""
    return [
        {**{key: value for key, value in group.items() if key != ROLE}, **({ROLE: own[ROLE]} if ROLE in own else {})}
        for group, own in zip(groups, own_groups, strict=True)
    ]


def _bare(group: Group) -> Group:
    return {key: value for key, value in group.items() if key not in FIRST_GROUP_KEYS}
