"""What people use without tuning: the settings that a tuned one has to be better than."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import AnyTask
from metaopt.deploy import StopperConfiguration
from metaopt.errors import InputError, MetaOptError, PluginError
from metaopt.plugin import Registry
from metaopt.recipe import load_recipe, recorded
from metaopt.space import Categorical, Float, Int, Value
from metaopt.tuning.arguments import StudyArguments
from metaopt.tuning.judging.comparison import Contender, contender_named
from metaopt.tuning.judging.references import DEFAULT_BASELINE
from metaopt.tuning.own_values import OWN, stated
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.role_choices import OWNER, role_values

#: Each an optimizer, with "+controller", at its defaults; AdamW's rate is 1e-3.
NAMED = ("adamw", "adamw+cosine", "schedulefree_adamw", "prodigy")
SHIPPED = "default"
USERS = "your baseline"
#: How names of learned rules end, which are baselines of few-shot studies.
AT_ITS_DEFAULTS = "at its defaults"


@dataclass(frozen=True)
class Baseline:
    """A setting that needs no tuning.

    Attributes:
        name: in tables and sentences.
        configuration: what it trains with.
        excluded: which of the user's options forbids to hand it over; None where it may be.
        stopper: its own early-stopping policy, or None.
    """

    name: str
    configuration: Configuration
    excluded: str | None = None
    stopper: StopperConfiguration | None = None


@dataclass(frozen=True)
class Baselines:
    """What a study is held against.

    Attributes:
        baselines: each configuration once.
        notes: why others are left out, a sentence each.
    """

    baselines: tuple[Baseline, ...]
    notes: tuple[str, ...]


def baselines_of(
    arguments: StudyArguments, tasks: Sequence[AnyTask], space: JointSpace, registry: Registry
) -> Baselines:
    """AdamW with and without cosine, Schedule-Free AdamW, Prodigy, the shipped default, and the user's baseline.

    The shipped default is left out where it was made on a task of the study: it would be judged where it was chosen.

    Args:
        arguments: of the study.
        tasks: of the study and of what it holds out.
        space: what may be proposed.
        registry: where plugins are.
    """
    known: dict[str, tuple[str, Configuration, StopperConfiguration | None]] = {}
    notes = []
    if arguments.baseline != DEFAULT_BASELINE:
        known[arguments.baseline.key] = (USERS, arguments.baseline, None)
    for name in NAMED:
        configuration = contender_of(name, registry).configuration
        try:
            assemble(configuration, registry)
        except PluginError:
            notes.append(f"{name} is not among the baselines: its plugin is not loaded.")
            continue
        except InputError as error:
            notes.append(f"{name} is not among the baselines: {error}")
            continue
        known.setdefault(configuration.key, (name, configuration, None))
    try:
        shipped = load_recipe(SHIPPED, registry=registry)
    except MetaOptError as error:
        notes.append(f"The shipped recipe {SHIPPED!r} is not among the baselines: {error}")
    else:
        shared = shared_tasks(shipped.provenance, tasks)
        if shared:
            more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
            notes.append(
                f"The shipped recipe {SHIPPED!r} is not among the baselines: it was made on {shared[0]!r}{more}."
            )
        else:
            known.setdefault(shipped.configuration.key, (SHIPPED, shipped.configuration, shipped.stopper))
    baselines = tuple(
        Baseline(name, configuration, excluded_by(configuration, arguments, space), stopper)
        for name, configuration, stopper in known.values()
    )
    return Baselines(baselines, tuple(notes))


def contender_of(name: str, registry: Registry) -> Contender:
    """A baseline by its name, as comparisons have it; the user's own has none that is known here."""
    if name == SHIPPED:
        return Contender.of(load_recipe(SHIPPED, registry=registry), SHIPPED)
    return Contender(name, DEFAULT_BASELINE) if name == "adamw" else contender_named(name)


def shared_tasks(provenance: Mapping[str, Any], tasks: Sequence[AnyTask]) -> list[str]:
    """Names of those tasks that a recipe was made on: by fingerprint, or by name where that is all it recorded."""
    made_on = recorded(provenance, "corpus").get("tasks") or ()
    names, fingerprints = set(made_on), set(made_on.values()) if isinstance(made_on, Mapping) else set()
    return [task.name for task in tasks if task.name in names or task.fingerprint in fingerprints]


def excluded_by(configuration: Configuration, arguments: StudyArguments, space: JointSpace) -> str | None:
    """Which option of the user's forbids this configuration; None where none does."""
    allowed = {
        "--optimizers": (arguments.optimizers, list(configuration.optimizers)),
        "--controllers": (arguments.controllers, [configuration.controller]),
        "--wrappers": (arguments.wrappers, list(configuration.wrappers)),
        "--weightings": (arguments.weightings, [configuration.weighting] if configuration.weighting else []),
        "--surgeries": (arguments.surgeries, [configuration.surgery] if configuration.surgery else []),
    }
    for option, (names, used) in allowed.items():
        if names is not None and not set(used) <= set(names):
            return option
    plugins = {*configuration.optimizers, configuration.controller, *configuration.wrappers, OWNER, OWN}
    plugins |= {configuration.weighting, configuration.surgery}
    own = stated(configuration, space.own)
    values = {**space.defaults(), **configuration.hparams, **role_values(configuration), **own}
    for name, override in space.overrides.items():
        if name.partition(".")[0] in plugins and name in values and not _admits(override, values[name]):
            return "--set"
    return None


def _admits(override: Any, value: Value) -> bool:
    if not isinstance(override, Float | Int | Categorical):
        return bool(override == value)
    try:
        override.check("value", value)
    except InputError:
        return False
    return True
