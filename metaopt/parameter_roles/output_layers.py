"""Which of a model's weights make its output."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from metaopt.parameter_roles.weights import Weight

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
_OUTERMOST = frozenset(["fc", "out", "output", "final"])


def output_weights(model: nn.Module, candidates: Sequence[Weight]) -> set[str]:
    """Names of the weights that make the output: of modules that say so the last of each, else the last of all.

    The last of all makes no output where it is part of a block that comes several times: such a model is a backbone, or
    multiplies by its embedding at the end.
    """
    named = [weight for weight in candidates if _root(model, weight.owner)]
    if named:
        return set({_root(model, weight.owner): weight.name for weight in named}.values())
    if not candidates or _is_repeated(model, candidates[-1].owner):
        return set()
    return {candidates[-1].name}


def _root(model: nn.Module, owner: str) -> str:
    """The outermost module around `owner` whose name is that of a head, or its own member of a list; empty for none."""
    parts = owner.split(".")
    for end in range(1, len(parts) + 1):
        name, outermost = (
            parts[end - 1],
            not any(part not in ("module", "_orig_mod", "model") for part in parts[: end - 1]),
        )
        if name in _HEADS or (outermost and name in _OUTERMOST):
            if isinstance(model.get_submodule(".".join(parts[:end])), nn.ModuleList | nn.ModuleDict):
                end += 1
            # PEFT keeps a head that it trains beside the one that it found, which stays frozen.
            end += parts[end : end + 1] == ["original_module"]
            return ".".join(parts[:end])
    return ""


def _is_repeated(model: nn.Module, owner: str) -> bool:
    """Whether a module lies within one of several members of a list that are built alike."""
    parts = owner.split(".")
    for end in range(1, len(parts)):
        parent = model.get_submodule(".".join(parts[: end - 1]))
        if isinstance(parent, nn.ModuleList | nn.Sequential):
            own = model.get_submodule(".".join(parts[:end]))
            if sum(_build(other) == _build(own) for other in parent) > 1:
                return True
    return False


def _build(module: nn.Module) -> Any:
    return type(module), [(name, tuple(param.shape)) for name, param in module.named_parameters()]
