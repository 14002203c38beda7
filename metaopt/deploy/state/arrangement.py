"""A saved optimizer state in the order of this optimizer's parameters, matched by name where both sides have names."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from torch import Tensor

from metaopt.deploy.optimizer.parameters import counterparts
from metaopt.deploy.state.model_names import ModelNames
from metaopt.errors import InputError, quoted

#: A state_dict, or its param groups.
Document: TypeAlias = Mapping[str, Any]
Names: TypeAlias = list[str] | None
Item = TypeVar("Item")

#: Key of a state_dict that says which optimizer a library's class was made as, and its parameters' names.
SIGNATURE = "optimizer"


def arranged(
    document: Document, groups: Sequence[Document], model: ModelNames, first_keys: Sequence[str] = ()
) -> dict[str, Any]:
    """The state_dict with groups and parameters in the order of `groups`, without what belongs to frozen parameters.

    Args:
        document: as an optimizer's `state_dict` returned it.
        groups: the present optimizer's param groups.
        model: names of its parameters.
        first_keys: entries that stay with the first group, whichever that is.

    Raises:
        InputError: it is no state_dict, or is of other parameters.
    """
    saved = document["param_groups"]
    order = positions(document, groups, model)
    numbers = [number for group in saved for number in group["params"]]
    group_of = [index for index, group in enumerate(saved) for _ in group["params"]]
    first_settings = {key: saved[0][key] for key in first_keys if key in saved[0]}
    arranged_groups = []
    start = 0
    for index, group in enumerate(groups):
        count = len(group["params"])
        positions_here = order[start : start + count]
        start += count
        source = saved[group_of[positions_here[0]]] if positions_here else saved[min(index, len(saved) - 1)]
        settings = {key: value for key, value in source.items() if key not in {"params", "param_names", *first_keys}}
        names = {"param_names": list(group["param_names"])} if "param_names" in group else {}
        arranged_groups.append(
            {
                **settings,
                **names,
                **({} if index else first_settings),
                "params": [numbers[position] for position in positions_here],
            }
        )
    state = document["state"]
    return {
        **document,
        "state": {numbers[position]: state[numbers[position]] for position in order if numbers[position] in state},
        "param_groups": arranged_groups,
    }


def check_document(document: Document) -> None:
    """Refuse what is no optimizer's state_dict."""
    groups = document.get("param_groups") if isinstance(document, Mapping) else None
    known = isinstance(groups, list | tuple) and groups and isinstance(document.get("state"), Mapping)
    if not known or not all(isinstance(group, Mapping) and "params" in group for group in groups or ()):
        raise InputError(
            "This is no optimizer's state_dict: that has 'state' and 'param_groups'; give what "
            "optimizer.state_dict() returned."
        )


def positions(document: Document, groups: Sequence[Document], model: ModelNames) -> list[int]:
    """For each parameter of `groups`, in order, its place among all that `document` holds; errors as for `arranged`."""
    saved = [len(group["params"]) for group in document["param_groups"]]
    saved_names, own_names = _saved_names(document), [_own_names(group, model) for group in groups]
    if _all_named(saved_names) and _all_named(own_names):
        return _by_name(saved_names, own_names, model)  # type: ignore[arg-type]
    return _by_place(saved, [len(group["params"]) for group in groups], groups, model)


def reordered(items: Sequence[Item], document: Document, groups: Sequence[Document], model: ModelNames) -> list[Item]:
    """Items, one for each parameter that `document` holds, in the order of `groups`; errors as for `arranged`."""
    check_document(document)
    return [items[position] for position in positions(document, groups, model) if position < len(items)]


def names_of(groups: Sequence[Document], model: ModelNames) -> list[Names]:
    """The names of each group's parameters, None for a group that has none."""
    return [_own_names(group, model) for group in groups]


def _saved_names(document: Document) -> list[Names]:
    groups = document["param_groups"]
    signature = document.get(SIGNATURE)
    written = signature.get("param_names") if isinstance(signature, Mapping) else None
    if isinstance(written, list) and len(written) == len(groups):
        return written
    return [group.get("param_names") for group in groups]


def _own_names(group: Document, model: ModelNames) -> Names:
    if "param_names" in group:
        return list(group["param_names"])
    names = [model.names.get(param) for param in group["params"]]
    return None if None in names else [str(name) for name in names]


def _all_named(groups: Sequence[Names]) -> bool:
    """Whether every parameter has a name of its own; groups that joined without names have numbers for them."""
    names = [name for group in groups if group is not None for name in group]
    named = None not in groups and len(set(names)) == len(names)
    return named and not any(name.isdecimal() for name in names)


def _by_name(saved: Sequence[list[str]], own: Sequence[list[str]], model: ModelNames) -> list[int]:
    flat = [name for group in saved for name in group]
    own_flat = [name for group in own for name in group]
    own_name_of = counterparts(flat, own_flat)
    frozen = counterparts(flat, [model.names[param] for param in model.frozen])
    unknown = [name for name in flat if name not in own_name_of and name not in frozen]
    position_of = {own_name_of[name]: position for position, name in enumerate(flat) if name in own_name_of}
    missing = [name for name in own_flat if name not in position_of]
    if unknown or missing:
        what = f"holds {quoted(unknown[0])}, which is not trained" if unknown else f"lacks {quoted(missing[0])}"
        raise InputError(
            f"This state_dict is of other parameters: it {what} here; load it into an optimizer of the same model."
        )
    group_of = [index for index, group in enumerate(saved) for _ in group]
    for group in own:
        sources = {group_of[position_of[name]] for name in group}
        others = [name for index in sources for name in saved[index] if own_name_of.get(name, group[0]) not in group]
        if len(sources) > 1 or others:
            raise InputError(
                f"This state_dict has other param groups: {quoted(group[0])} and "
                f"{quoted((others or group)[-1])} do not "
                "share theirs in both; make the optimizer with the same groups, and the same no_decay."
            )
    return [position_of[name] for name in own_flat]


def _by_place(saved: Sequence[int], own: Sequence[int], groups: Sequence[Document], model: ModelNames) -> list[int]:
    if list(saved) == list(own):
        return list(range(sum(own)))
    later = list(own)[len(groups) - _later(groups, model) :]
    whole = [len(group) for group in model.groups] + later
    if model.frozen and list(saved) == whole:
        trained = {param for group in groups for param in group["params"]}
        members: list[Tensor | None] = [param for group in model.groups for param in group]
        members += [None] * sum(later)
        return [position for position, param in enumerate(members) if param is None or param in trained]
    raise InputError(
        f"This state_dict is of other parameters: it has {_counted(saved)}, the optimizer has {_counted(own)}; load it "
        "into an optimizer of the same model with the same groups."
    )


def _later(groups: Sequence[Document], model: ModelNames) -> int:
    """How many groups joined after the model's own."""
    began = {param for group in model.groups for param in group if param not in set(model.frozen)}
    return sum(not any(param in began for param in group["params"]) for group in groups)


def _counted(lengths: Sequence[int]) -> str:
    groups = f"{len(lengths)} groups" if len(lengths) != 1 else "one group"
    return f"{groups} of {', '.join(map(str, lengths))} parameters"
