"""Which of a model's weights make its output."""

import re
from collections.abc import Mapping, Sequence

from torch import nn

from metaopt.parameter_roles.weights import Weight, is_repeated

#: Names of modules that make outputs, as people use them.
_HEADS = frozenset(
    [
        "head",
        "heads",
        "lm_head",
        "mlm_head",
        "cls_head",
        "bbox_head",
        "mask_head",
        "seq_head",
        "classifier",
        "classifiers",
        "decode_head",
        "embed_out",
        "score",
        "qa_outputs",
        "logits",
        "to_logits",
        "output_layer",
        "output_projection",
        "out_layer",
        "regressor",
        "readout",
    ]
)
#: The same, but only where they are no part of another module: blocks have such layers too.
_OUTERMOST = frozenset(["fc", "out", "output", "final", "outs", "outputs", "actor", "critic"])
_SUFFIX, _OUTERMOST_SUFFIX = re.compile(r"(?<!multi)(?<!attn)(?<!attention)_head$"), "_out"
#: Names that layers have which make no output, too: of attention, or of a part of the model.
_DOUBTFUL = frozenset(["score", "heads"])
_OF_ATTENTION = re.compile(r"(^|[_.])(q|k|v|key|query|value|keys|queries|values)(_?proj)?$")
_BESIDE_OUTPUT = re.compile(r"att|score|gate|weight|mask|alpha")
_OUTERMOST_WRAPPERS = ("module", "_orig_mod", "model")


def output_weights(model: nn.Module, candidates: Sequence[Weight]) -> set[str]:
    """Names of the weights that make the output: of modules that say so the last of each, else the last of all.

    The last of all makes no output where it is part of a block that comes several times: such a model is a backbone, or
    multiplies by its embedding at the end. Nor do recurrent layers. Layers beside the last one that cannot stand before
    it make outputs as it does.
    """
    candidates = [weight for weight in candidates if not _is_recurrent(model, weight.owner)]
    roots = {weight.name: _root(model, weight.owner) for weight in candidates}
    last_of = {root: name for name, root in roots.items() if root and not _is_passed_on(root, roots)}
    heads = set(last_of.values())
    if not candidates:
        return heads
    last = candidates[-1]
    if not is_repeated(model, last.owner) and all(_may_be_inner(root, roots) for root in last_of):
        heads.add(last.name)
    return heads | (_siblings(model, candidates) if last.name in heads else set())


def _is_passed_on(root: str, roots: Mapping[str, str]) -> bool:
    """Whether a module within another, whose name attention uses too, is followed by weights outside of the other."""
    word = _word(root)
    return word in _DOUBTFUL and not _is_outermost(root) and _is_followed(_parent(root), roots)


def _may_be_inner(root: str, roots: Mapping[str, str]) -> bool:
    """Whether what follows a module that is called a head may be what makes the output."""
    if not _is_outermost(root):
        return _is_followed(_parent(root), roots)
    word = _word(root)
    is_doubtful = word in _DOUBTFUL or (word not in _HEADS and word not in _OUTERMOST)
    return is_doubtful and _is_followed(root, roots)


def _is_followed(module: str, roots: Mapping[str, str]) -> bool:
    return not list(roots)[-1].startswith(f"{module}.")


def _hint(root: str) -> int:
    """Which part of a name says that it is a head's; -1 for none."""
    parts = root.split(".")
    for place, part in enumerate(parts):
        is_outermost = all(before in _OUTERMOST_WRAPPERS for before in parts[:place])
        if part in _HEADS or _SUFFIX.search(part):
            return place
        if is_outermost and (part in _OUTERMOST or part.endswith(_OUTERMOST_SUFFIX)):
            return place
    return -1


def _word(root: str) -> str:
    return root.split(".")[_hint(root)]


def _parent(root: str) -> str:
    return ".".join(root.split(".")[: _hint(root)])


def _is_outermost(root: str) -> bool:
    return all(part in _OUTERMOST_WRAPPERS for part in root.split(".")[: _hint(root)])


def _root(model: nn.Module, owner: str) -> str:
    """The outermost module around `owner` whose name is that of a head, or its own member of a list; empty for none."""
    hint = _hint(owner)
    parts = owner.split(".")
    module = ".".join(parts[: hint + 1])
    if hint < 0 or is_repeated(model, module) or _is_in_list(model, module) or _OF_ATTENTION.search(owner):
        return ""
    end = hint + 1
    if isinstance(model.get_submodule(module), nn.ModuleList | nn.ModuleDict):
        end += 1
    # PEFT keeps a head that it trains beside the one that it found, which stays frozen.
    end += parts[end : end + 1] == ["original_module"]
    return ".".join(parts[:end])


def _is_in_list(model: nn.Module, module: str) -> bool:
    """Whether a module is part of a member of a list, even of one with one member."""
    parts = module.split(".")
    return any(
        isinstance(model.get_submodule(".".join(parts[:end])), nn.ModuleList) for end in range(1, len(parts) - 1)
    )


def _is_recurrent(model: nn.Module, owner: str) -> bool:
    return isinstance(model.get_submodule(owner), nn.RNNBase | nn.RNNCellBase)


def _siblings(model: nn.Module, candidates: Sequence[Weight]) -> set[str]:
    """The layers just before the last that take what it takes and whose outputs it cannot take."""
    last = model.get_submodule(candidates[-1].owner)
    parent = candidates[-1].owner.rpartition(".")[0]
    found: set[str] = set()
    if not isinstance(last, nn.Linear) or not candidates[-1].owner or _is_sequential(model, parent):
        return found
    for weight in reversed(candidates[:-1]):
        own = model.get_submodule(weight.owner)
        path, _, name = weight.owner.rpartition(".")
        if not isinstance(own, nn.Linear) or path != parent or _is_part(name):
            return found
        if own.in_features != last.in_features or own.out_features % last.in_features == 0:
            return found
        found.add(weight.name)
    return found


def _is_sequential(model: nn.Module, parent: str) -> bool:
    return isinstance(model.get_submodule(parent), nn.Sequential)


def _is_part(name: str) -> bool:
    """Whether a layer's name says that it weighs or projects what another one takes."""
    return bool(_BESIDE_OUTPUT.search(name) or _OF_ATTENTION.search(name))
