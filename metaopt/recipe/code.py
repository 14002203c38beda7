"""The plain PyTorch lines of a recipe, for those who would rather not depend on metaopt."""

import textwrap
from collections.abc import Mapping
from typing import Any

from metaopt.configuration import Assembly
from metaopt.contracts import plain_warmup
from metaopt.deploy import StopperConfiguration
from metaopt.errors import PluginError, RecipeError
from metaopt.plugin import ControllerSpec, Native, Registry, StopperSpec
from metaopt.recipe.role_code import PARAMETERS, role_code
from metaopt.space import Value, resolve

_INDENT = "    "
#: What a warm-up does to all rates for one step.
_RATES = 'for group in optimizer.param_groups:\n    group["lr"] {} rise'


class Expression(str):
    """Python that stands for itself where values are printed."""

    def __repr__(self) -> str:
        return str(self)


def plain_code(
    assembly: Assembly,
    stopper: StopperConfiguration | None,
    registry: Registry,
    values: Mapping[str, Value],
    *,
    has_theta: bool,
) -> str:
    """A Python module that trains as the recipe does and imports torch alone (and the native class's library).

    Args:
        assembly: optimizer and controller.
        stopper: the recipe's stopper, or None.
        registry: where to find the stopper.
        values: of hyperparameters that tasks have of their own; these lines name them as `VALUES`.
        has_theta: whether the recipe has learned weights.

    Returns:
        The module's source: `make_optimizer(model)`, `make_scheduler(optimizer, total_steps)`, `should_stop(history,
        total_steps)` where there is a stopper, and `train(model, loader, loss_fn, validate, epochs)`. Where rates
        follow a law, `make_optimizer` and `train` take `batch_size` too, and the former `total_steps`.

    Raises:
        RecipeError: a rule, wrapper or controller has no plain form.
    """
    if assembly.learner is not None:
        raise RecipeError(
            f"This recipe has no plain PyTorch form: {assembly.learner.name!r} is a learner, whose predictions are its "
            "plugin's and its weights'; use metaopt.adapt(model, recipe, support)."
        )
    natives = _check(assembly, has_theta=has_theta)
    libraries = {native.module.partition(".")[0] for native in natives.values()}
    modules = sorted({"copy", "math"}), sorted({"torch", *libraries})
    imports = "\n\n".join("\n".join(f"import {module}" for module in part) for part in modules)
    for module in sorted({native.module for native in natives.values()}):
        if "." in module and not module.startswith("torch."):
            imports += f"\nimport {module}"
    parts = [imports, *_values_code(values), *_optimizer_code(assembly, natives), _scheduler_code(assembly)]
    stops = "" if stopper is None else _stopper_code(stopper, registry)
    parts += [stops] if stops.startswith("def") else []
    listens = assembly.controller.cadence == "validation"
    before = [_dedented(spec.plain(assembly.values_of(spec))) for spec in reversed(assembly.wrappers) if spec.plain]
    parts.append(_loop_code(assembly, natives, before, listens=listens, stops=stops))
    return "\n\n\n".join(parts) + "\n"


def _values_code(values: Mapping[str, Value]) -> list[str]:
    """Values of the task's own hyperparameters, which no function below takes."""
    if not values:
        return []
    entries = "".join(f"\n{_INDENT}{name!r}: {value!r}," for name, value in values.items())
    return [f"# Hyperparameters of the task's own: make the model and its loader with these.\nVALUES = {{{entries}\n}}"]


def _check(assembly: Assembly, *, has_theta: bool) -> dict[str, Native]:
    """The native classes by optimizer, if everything else in the recipe has a plain form too; RecipeError otherwise."""
    natives = {spec.name: spec.native for spec in assembly.optimizers if spec.native is not None}
    without = [spec.name for spec in assembly.optimizers if spec.native is None]
    obstacle = ""
    closures = [native.path for native in natives.values() if native.takes_closure]
    if without:
        obstacle = f"no library's class computes what the optimizer {without[0]!r} does"
    elif any(spec.plain is None for spec in assembly.wrappers):
        obstacle = f"the optimizer is wrapped in {', '.join(assembly.wrappers_names)}"
    elif assembly.tasks.specs:
        own = assembly.tasks.specs[0]
        obstacle = f"the {own.kind} {own.name!r} is for losses of several tasks"
    elif has_theta:
        obstacle = "it has learned weights"
    elif closures:
        obstacle = f"the step of {closures[0]} takes a closure"
    elif assembly.controller.plain is None:
        obstacle = f"the controller {assembly.controller.name!r} declares none"
    if obstacle:
        raise _no_plain_form(obstacle)
    return natives


def _no_plain_form(reason: str) -> RecipeError:
    return RecipeError(f"This recipe has no plain PyTorch form: {reason.rstrip('.')}; use recipe.bind(model, ...).")


def _optimizer_code(assembly: Assembly, natives: Mapping[str, Native]) -> list[str]:
    """`make_optimizer`, or `make_optimizers` where there are several, after what they call."""
    arguments = {name: {**_arguments(assembly.part(name), native), **native.fixed} for name, native in natives.items()}
    counts = [PARAMETERS] if assembly.configuration.rate_law else []
    taken = f"model{_sizes(assembly)}"
    if not assembly.has_roles:
        body = "params = list(model.parameters())"
        if assembly.configuration.no_decay == "1d" and assembly.rule_values.get("weight_decay"):
            body = (
                'decayed = {"params": [param for param in model.parameters() if param.ndim > 1]}\n'
                'spared = {"params": [param for param in model.parameters() if param.ndim <= 1], "weight_decay": 0.0}\n'
                'params = [group for group in (decayed, spared) if group["params"]]'
            )
        name, native = next(iter(natives.items()))
        if native.matrix_entry is not None:
            body = _matrices_code(native.matrix_entry, spared=assembly.configuration.no_decay == "1d")
        call = _call(native, "params", arguments[name])
        return [f"def make_optimizer({taken}):\n{_indented(body, *counts, f'return {call}')}"]
    if len(natives) == 1:
        ((name, native),) = natives.items()
        call = _call(native, f'param_groups({taken}, "{name}")', arguments[name])
        return [role_code(assembly, arguments), f"def make_optimizer({taken}):\n{_indented(*counts, f'return {call}')}"]
    lines = [*counts, "optimizers = []  # those that have parameters in this model"]
    for name, native in natives.items():
        made = f"optimizers.append({_call(native, 'groups', arguments[name])})"
        lines += [f'groups = param_groups({taken}, "{name}")', "if groups:", _indented(made)]
    lines.append("return optimizers")
    return [role_code(assembly, arguments), f"def make_optimizers({taken}):\n{_indented(*lines)}"]


def _sizes(assembly: Assembly) -> str:
    """Further arguments of functions that set rates by a law."""
    return ", batch_size, total_steps" if assembly.configuration.rate_law else ""


def _matrices_code(entry: str, *, spared: bool) -> str:
    decay = ', "weight_decay": 0.0' if spared else ""
    members = '"params": [param for param in model.parameters() if param.ndim'
    return (
        f'matrices = {{{members} > 1], "{entry}": True}}\n'
        f'others = {{{members} <= 1], "{entry}": False{decay}}}\n'
        'params = [group for group in (matrices, others) if group["params"]]'
    )


def _call(native: Native, params: str, arguments: Mapping[str, Any]) -> str:
    lines = [f"{name}={value!r}," for name, value in arguments.items()]
    if native.fused:
        lines.append("fused=True,  # for parameters on the CPU or CUDA")
    return f"{native.path}(\n{_indented(f'{params},', *lines)}\n)"


def _arguments(assembly: Assembly, native: Native) -> dict[str, Any]:
    values = assembly.values_of(assembly.optimizer)
    try:
        arguments = assembly.optimizer.pack(values) if native.arguments is None else dict(native.arguments(values))
    except PluginError as error:
        raise _no_plain_form(str(error)) from error
    law = assembly.configuration.rate_law.get(assembly.optimizer.name)
    if law is not None:
        arguments["lr"] = Expression(law.formula(float(values["lr"])))
    return arguments


def _scheduler_code(assembly: Assembly) -> str:
    spec = assembly.controller
    body = _plain(spec, dict(assembly.controller_values))
    if spec.cadence == "validation":
        return f"def make_scheduler(optimizer, total_steps):\n{_indented(body, 'return scheduler')}"
    multiplier = f"def multiplier(step):\n{_indented(body)}\n"
    if assembly.configuration.warmup:
        rise = plain_warmup(assembly.configuration.warmup)
        multiplier = (
            f"def course(step):\n{_indented(body)}\n\ndef multiplier(step):\n    return {rise} * course(step)\n"
        )
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


def _loop_code(
    assembly: Assembly, natives: Mapping[str, Native], before: list[str], *, listens: bool, stops: str
) -> str:
    made = f"make_optimizer{'s' if len(natives) > 1 else ''}(model{_sizes(assembly)})"
    modes = any(native.modes for native in natives.values())
    makes = [f"optimizer = {made}", "scheduler = make_scheduler(optimizer, total_steps)"]
    if len(natives) > 1:
        makes = [
            f"optimizers = {made}",
            "schedulers = [make_scheduler(optimizer, total_steps) for optimizer in optimizers]",
        ]

    def each(line: str) -> list[str]:
        """A line about the optimizer or the scheduler, or about each of several."""
        what = "scheduler" if line.startswith("scheduler") else "optimizer"
        return [line] if len(natives) == 1 else [f"for {what} in {what}s:", _indented(line)]

    needs_graph = any(native.needs_graph for native in natives.values())
    backward = "loss.backward(create_graph=True)" if needs_graph else "loss.backward()"
    batch = [*each("optimizer.zero_grad()"), "loss = loss_fn(model(inputs), targets)", backward, *before]
    rises = listens and assembly.configuration.warmup
    if rises:  # such a scheduler acts once a validation
        batch += [f"rise = {plain_warmup(rises)}", *each(_RATES.format("*="))]
    batch += [*each("optimizer.step()"), *([] if listens else each("scheduler.step()"))]
    batch += [*each(_RATES.format("/=")), "step += 1"] if rises else []
    epoch = ["model.train()", *(each("optimizer.train()") if modes else [])]
    epoch += ["for inputs, targets in loader:", _indented(*batch)]
    epoch += ["model.eval()", *(each("optimizer.eval()") if modes else [])]
    epoch += ["value = validate(model)", *(each("scheduler.step(value)") if listens else [])]
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
        *makes,
        "history, best_value, best_weights = [], math.inf, None",
        *(["step = 0"] if rises else []),
        "for epoch in range(epochs):",
        _indented(*epoch),
        "if best_weights is not None:",
        _indented("model.load_state_dict(best_weights)"),
        "return history",
    ]
    size = ", batch_size" if assembly.configuration.rate_law else ""
    return f"def train(model, loader, loss_fn, validate, epochs{size}):\n{_indented(*lines)}"


def _dedented(lines: str) -> str:
    return textwrap.dedent(lines).strip("\n").rstrip()


def _indented(*blocks: str) -> str:
    return textwrap.indent("\n".join(blocks), _INDENT)
