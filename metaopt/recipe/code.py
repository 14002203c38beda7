"""The plain PyTorch lines of a recipe, for those who would rather not depend on metaopt."""

import textwrap
from typing import Any

from metaopt.configuration import Assembly
from metaopt.deploy import StopperConfiguration
from metaopt.errors import PluginError, RecipeError
from metaopt.plugin import ControllerSpec, Native, Registry, StopperSpec
from metaopt.space import resolve

_INDENT = "    "


def plain_code(assembly: Assembly, stopper: StopperConfiguration | None, registry: Registry, *, has_theta: bool) -> str:
    """A Python module that trains as the recipe does and imports torch alone (and the native class's library).

    Args:
        assembly: optimizer and controller.
        stopper: the recipe's stopper, or None.
        registry: where to find the stopper.
        has_theta: whether the recipe has learned weights.

    Returns:
        The module's source: `make_optimizer(model)`, `make_scheduler(optimizer, total_steps)`, `should_stop(history,
        total_steps)` where there is a stopper, and `train(model, loader, loss_fn, validate, epochs)`.

    Raises:
        RecipeError: a rule, wrapper or controller has no plain form.
    """
    native = _check(assembly, has_theta=has_theta)
    modules = sorted({"copy", "math"}), sorted({"torch", native.module.partition(".")[0]})
    imports = "\n\n".join("\n".join(f"import {module}" for module in part) for part in modules)
    if "." in native.module and not native.module.startswith("torch."):
        imports += f"\nimport {native.module}"
    parts = [imports, _optimizer_code(assembly, native), _scheduler_code(assembly)]
    stops = "" if stopper is None else _stopper_code(stopper, registry)
    parts += [stops] if stops.startswith("def") else []
    listens = assembly.controller.cadence == "validation"
    before = [_dedented(spec.plain(assembly.values_of(spec))) for spec in reversed(assembly.wrappers) if spec.plain]
    parts.append(_loop_code(native, before, listens=listens, stops=stops))
    return "\n\n\n".join(parts) + "\n"


def _check(assembly: Assembly, *, has_theta: bool) -> Native:
    """The native class, if everything else in the recipe has a plain form too; RecipeError otherwise."""
    native = assembly.optimizer.native
    obstacle = ""
    if native is None:
        obstacle = f"no library's class computes what the optimizer {assembly.optimizer.name!r} does"
    elif any(spec.plain is None for spec in assembly.wrappers):
        obstacle = f"the optimizer is wrapped in {', '.join(assembly.wrappers_names)}"
    elif has_theta:
        obstacle = "it has learned weights"
    elif native.takes_closure:
        obstacle = f"the step of {native.path} takes a closure"
    elif assembly.controller.plain is None:
        obstacle = f"the controller {assembly.controller.name!r} declares none"
    if native is None or obstacle:
        raise _no_plain_form(obstacle)
    return native


def _no_plain_form(reason: str) -> RecipeError:
    return RecipeError(f"This recipe has no plain PyTorch form: {reason.rstrip('.')}; use recipe.bind(model, ...).")


def _optimizer_code(assembly: Assembly, native: Native) -> str:
    arguments: dict[str, Any] = {**_arguments(assembly, native), **native.fixed}
    lines = [f"{name}={value!r}," for name, value in arguments.items()]
    if native.fused:
        lines.append("fused=True,  # for parameters on the CPU or CUDA")
    body = "params = list(model.parameters())"
    if assembly.configuration.no_decay == "1d" and assembly.rule_values.get("weight_decay"):
        body = (
            'decayed = {"params": [param for param in model.parameters() if param.ndim > 1]}\n'
            'spared = {"params": [param for param in model.parameters() if param.ndim <= 1], "weight_decay": 0.0}\n'
            'params = [group for group in (decayed, spared) if group["params"]]'
        )
    if native.matrix_entry is not None:
        spared = ', "weight_decay": 0.0' if assembly.configuration.no_decay == "1d" else ""
        entry = native.matrix_entry
        members = '"params": [param for param in model.parameters() if param.ndim'
        body = (
            f'matrices = {{{members} > 1], "{entry}": True}}\n'
            f'others = {{{members} <= 1], "{entry}": False{spared}}}\n'
            'params = [group for group in (matrices, others) if group["params"]]'
        )
    call = f"return {native.path}(\n{_indented('params,', *lines)}\n)"
    return f"def make_optimizer(model):\n{_indented(body, call)}"


def _arguments(assembly: Assembly, native: Native) -> dict[str, Any]:
    values = assembly.values_of(assembly.optimizer)
    if native.arguments is None:
        return assembly.optimizer.pack(values)
    try:
        return native.arguments(values)
    except PluginError as error:
        raise _no_plain_form(str(error)) from error


def _scheduler_code(assembly: Assembly) -> str:
    spec = assembly.controller
    body = _plain(spec, dict(assembly.controller_values))
    if spec.cadence == "validation":
        return f"def make_scheduler(optimizer, total_steps):\n{_indented(body, 'return scheduler')}"
    multiplier = f"def multiplier(step):\n{_indented(body)}\n"
    end = "return torch.optim.lr_scheduler.LambdaLR(optimizer, multiplier)"
    return f"def make_scheduler(optimizer, total_steps):\n{_indented(multiplier, end)}"


def _plain(spec: ControllerSpec | StopperSpec, values: dict[str, Any]) -> str:
    assert spec.plain is not None
    return _dedented(spec.plain(values))


def _stopper_code(stopper: StopperConfiguration, registry: Registry) -> str:
    """`def should_stop`, or a comment that says why there is none."""
    spec = registry.get(StopperSpec, stopper.name)
    body = "" if spec.plain is None else _plain(spec, resolve(spec.space, stopper.hparams, spec.name))
    if not body:
        return f"# The recipe's stopper, {stopper.name}, has no plain form: this loop trains to the end."
    return f"def should_stop(history, total_steps):\n{_indented(body)}"


def _loop_code(native: Native, before: list[str], *, listens: bool, stops: str) -> str:
    backward = "loss.backward(create_graph=True)" if native.needs_graph else "loss.backward()"
    batch = ["optimizer.zero_grad()", "loss = loss_fn(model(inputs), targets)", backward, *before, "optimizer.step()"]
    batch += [] if listens else ["scheduler.step()"]
    epoch = ["model.train()", *(["optimizer.train()"] if native.modes else [])]
    epoch += ["for inputs, targets in loader:", _indented(*batch)]
    epoch += ["model.eval()", *(["optimizer.eval()"] if native.modes else [])]
    epoch += ["value = validate(model)", *(["scheduler.step(value)"] if listens else [])]
    epoch += ["history.append(((epoch + 1) * len(loader), value))"]
    epoch += [
        "if value < best_value:",
        _indented("best_value, best_weights = value, copy.deepcopy(model.state_dict())"),
    ]
    if stops.startswith("def"):
        epoch += ["if should_stop(history, total_steps):", _indented("break")]
    elif stops:
        epoch += [stops]
    lines = [
        '"""Train and leave the best weights in the model; `validate(model)` returns a number, lower is better."""',
        "total_steps = epochs * len(loader)",
        "optimizer = make_optimizer(model)",
        "scheduler = make_scheduler(optimizer, total_steps)",
        "history, best_value, best_weights = [], math.inf, None",
        "for epoch in range(epochs):",
        _indented(*epoch),
        "if best_weights is not None:",
        _indented("model.load_state_dict(best_weights)"),
        "return history",
    ]
    return f"def train(model, loader, loss_fn, validate, epochs):\n{_indented(*lines)}"


def _dedented(lines: str) -> str:
    return textwrap.dedent(lines).strip("\n").rstrip()


def _indented(*blocks: str) -> str:
    return textwrap.indent("\n".join(blocks), _INDENT)
