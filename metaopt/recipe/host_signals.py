"""What a recipe's parts need of the loop that trains with it, and which hosts supply it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaopt.configuration import Assembly
from metaopt.deploy import StopperConfiguration, stopper_requires
from metaopt.errors import InputError, PluginError, did_you_mean, quoted
from metaopt.plugin import ControllerSpec, OptimizerSpec, PluginSpec, Registry, current_registry

if TYPE_CHECKING:
    from metaopt.recipe.recipe import Recipe

#: Signals that a run has by itself: from gradients and weights, its wrappers, its clock and its scheduler.
OWN_SIGNALS = frozenset({"gradient_norm", "agreement", "stop", "seconds", "lr"})
#: What a loop can do that its user writes.
_EVERYTHING = frozenset({"loss", "horizon", "metric", "epoch", "evidence", "closure", "graph"})


@dataclass(frozen=True)
class Host:
    """A framework that owns the training loop.

    Attributes:
        title: its name.
        supplies: what its adapter hands to a run: see `host_signals`.
    """

    title: str
    supplies: frozenset[str]

    def lacks(self, required: frozenset[str]) -> list[str]:
        """What of these signals neither the host nor the run supplies, in order."""
        return sorted(required - self.supplies - OWN_SIGNALS)


#: By the name that `metaopt.tune(host=…)` takes.
HOSTS: Mapping[str, Host] = {
    "accelerate": Host("Accelerate", _EVERYTHING),
    "fastai": Host("fastai", frozenset({"loss", "horizon", "metric", "epoch"})),
    # it tells callbacks the mean of an epoch's losses, after the step
    "keras": Host("Keras", frozenset({"horizon", "metric", "epoch"})),
    "lightning": Host("Lightning", frozenset({"loss", "horizon", "metric", "epoch", "closure"})),
    "skorch": Host("skorch", frozenset({"loss", "horizon", "metric", "epoch", "closure"})),
    "transformers": Host("The Trainer of transformers", frozenset({"loss", "horizon", "metric", "epoch"})),
}


def host_named(name: str) -> Host:
    """The host of this name.

    Raises:
        InputError: there is none.
    """
    if not isinstance(name, str) or name not in HOSTS:
        hint = did_you_mean(str(name), list(HOSTS), "; {}")
        raise InputError(f"There is no host {quoted(name)}{hint or '.'} Known: {', '.join(HOSTS)}.")
    return HOSTS[name]


def host_signals(assembly: Assembly, stopper: StopperConfiguration | None, registry: Registry) -> frozenset[str]:
    """Signals that a host has to supply to a run.

    `"loss"`: `run.record_loss(loss)` before each `optimizer.step()`. `"horizon"`: `bind(total_steps=…)`. `"metric"`:
    `run.observe(value)` after each validation. `"closure"`: `optimizer.step(closure)`. `"graph"`:
    `loss.backward(create_graph=True)`. Any other is a keyword of `observe`, such as `"epoch"`.

    Args:
        assembly: the recipe's optimizer, wrappers and controller.
        stopper: the recipe's, or None.
        registry: where to find the stopper.
    """
    parts = _parts(assembly, stopper, registry)
    return frozenset(signal for _, signals in parts for signal in signals)


def check_host(recipe: "Recipe", host: str | Host, registry: Registry | None = None, remedy: str = "") -> None:
    """Hold what a recipe requires against a host, before anything is trained; adapters call it.

    Args:
        recipe: that shall train.
        host: the name of one of `HOSTS`, or one of your own.
        registry: where to find its plugins; everything installed by default.
        remedy: what to do, as the end of a sentence; to take or tune another recipe if left out.

    Raises:
        PluginError: the host does not supply what a part requires; both are named.
        InputError: there is no such host.
    """
    own, registry = host if isinstance(host, Host) else host_named(host), current_registry(registry)
    tuned = "" if isinstance(host, Host) else f", or tune one with host={host!r}"
    for part, signals in _parts(recipe.assembly(registry), recipe.stopper, registry):
        lacking = own.lacks(signals)
        if lacking:
            raise PluginError(
                f"{own.title} does not supply {' and '.join(lacking)}, which the recipe's {part} requires; "
                f"{remedy or f'take another{tuned}'}."
            )


def required_by(spec: PluginSpec) -> frozenset[str]:
    """All that a plugin may require of a host, whatever its hyperparameters."""
    needed = {*spec.requires, *spec.requires_when}
    if isinstance(spec, ControllerSpec) and spec.cadence == "validation":
        needed.add("metric")
    return _of_host(frozenset(needed) | _of_class(spec))


def _parts(
    assembly: Assembly, stopper: StopperConfiguration | None, registry: Registry
) -> Iterator[tuple[str, frozenset[str]]]:
    """Each part of a recipe, in words, with what it requires of a host."""
    for spec in assembly.specs:
        of_class = _of_class(spec)
        if of_class:
            yield f"{spec.kind} {spec.name!r}", of_class
    yield f"optimizer {assembly.title!r}", _of_host(assembly.rule_requires)
    controller = assembly.controller
    cadence = {"metric"} if controller.cadence == "validation" else set()
    yield f"controller {controller.name!r}", _of_host(controller.required(assembly.controller_values) | cadence)
    if stopper is not None:
        yield f"stopper {stopper.name!r}", _of_host(frozenset({"metric", *stopper_requires(stopper, registry)}))


def _of_class(spec: PluginSpec) -> frozenset[str]:
    """What a library's class that no rule stands for needs beyond gradients."""
    if not isinstance(spec, OptimizerSpec) or spec.rule is not None or spec.native is None:
        return frozenset()
    needs = {"closure": spec.native.takes_closure, "graph": spec.native.needs_graph}
    return frozenset(name for name, needed in needs.items() if needed)


def _of_host(required: frozenset[str]) -> frozenset[str]:
    loss = {"loss"} if "train_loss" in required else set()  # which is the mean of the losses
    return frozenset((required - {"train_loss"} - OWN_SIGNALS) | loss)
