"""What an optimizer or a wrapper keeps between steps: bytes a parameter and their precision, measured."""

from typing import Any

import torch

import metaopt
from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import Tensors
from metaopt.plugin import current_registry

#: Shapes of the float32 parameters whose state is measured.
_SHAPES = {"matrix": (512, 256), "vector": (8192,)}


def memory_of(spec: metaopt.PluginSpec) -> list[str]:
    """A section of the page of an optimizer or wrapper; empty for plugins of other kinds."""
    if isinstance(spec, metaopt.OptimizerSpec):
        assembly, bare = assemble(Configuration(spec.name), current_registry()), None
    elif isinstance(spec, metaopt.WrapperSpec):
        assembly = assemble(Configuration("sgd", wrappers=(spec.name,)), current_registry())
        bare = assemble(Configuration("sgd"), current_registry())
    else:
        return []
    takes = assembly.optimizer.takes
    sizes = {kind: shape for kind, shape in _SHAPES.items() if takes == "all" or len(shape) > 1}
    own = {kind: _entries(assembly, shape) for kind, shape in sizes.items()}
    less = {kind: 0.0 if bare is None else _bytes(_entries(bare, shape)) for kind, shape in sizes.items()}
    told = [
        f"{(_bytes(own[kind]) - less[kind]) / torch.Size(shape).numel():.3g} bytes a number of a {kind}"
        for kind, shape in sizes.items()
    ]
    precisions = sorted({str(entry.dtype).removeprefix("torch.") for entries in own.values() for entry in entries})
    beside = "" if bare is None else " beside the state of the rule inside"
    amount = " and ".join(told) if any(_bytes(own[kind]) > less[kind] for kind in own) else "nothing"
    kept = f", in {' and '.join(precisions)}" if amount != "nothing" else ""
    given = " and ".join(f"a {kind} of {' × '.join(map(str, shape))}" for kind, shape in sizes.items())
    return ["## Memory", "", f"It keeps {amount}{beside}{kept}; measured on {given}, in float32.", ""]


def _entries(assembly: Assembly, shape: tuple[int, ...]) -> list[Any]:
    """Tensors that the rule keeps of one parameter of a shape, those that all parameters share left out."""
    params: Tensors = {"weight": torch.zeros(shape)}
    theta = {} if assembly.meta is None else _theta(assembly, params)
    hparams = assembly.tensor_hparams(params)
    state = assembly.rule.init(params, hparams, theta, torch.tensor(1000.0))
    return list(state["tensors"].get("weight", {}).values())


def _theta(assembly: Assembly, params: Tensors) -> Tensors:
    assert assembly.meta is not None
    return dict(assembly.meta.init_theta(params, torch.Generator().manual_seed(0), assembly.meta_values))


def _bytes(entries: list[Any]) -> float:
    return float(sum(entry.numel() * entry.element_size() for entry in entries))
