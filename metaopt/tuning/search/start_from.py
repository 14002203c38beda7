"""Known settings that a study judges before it proposes any of its own."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.errors import InputError, bracketed, first_line, quoted
from metaopt.files import is_file, is_folder, read_json
from metaopt.plugin import Registry
from metaopt.recipe import Recipe, load_recipe, shipped_recipes
from metaopt.tuning.own_values import stated
from metaopt.tuning.portfolio import load_portfolio
from metaopt.tuning.portfolio_folder import PORTFOLIO
from metaopt.tuning.search import opt_list
from metaopt.tuning.search.joint_space import NO_WRAPPER, JointSpace
from metaopt.tuning.search.role_choices import role_values
from metaopt.tuning.search.trial_stand_ins import FollowChooser, OutsideError

#: Lists of settings in lists of settings.
_DEEPEST = 20

_FIELDS = frozenset(field.name for field in fields(Configuration))

KnownSetting: TypeAlias = Configuration | Recipe | Mapping[str, Any] | str | os.PathLike[str]
StartFrom: TypeAlias = KnownSetting | Sequence[KnownSetting] | None


def known_settings(source: StartFrom, registry: Registry) -> list[Configuration]:
    """The configurations to begin with, in their order, each once.

    Args:
        source: a JSON file, the folder of a recipe or of a portfolio, or the name of a recipe that ships with
            metaopt; a configuration or a recipe; or several of these. A JSON file holds one entry or a list:
            configurations, recipes, paths of recipes and portfolios from where the file is, or entries of
            `opt_list.json` (see `metaopt.tuning.search.opt_list`).
        registry: where plugins are.

    Raises:
        InputError: it is not there, or an entry is not valid; the message names the entry.
    """
    configurations = [] if source is None else list(_read(source, "start_from", Path(), registry, ()))
    return list({configuration.key: configuration for configuration in configurations}.values())


def account(settings: Sequence[Configuration], n_trials: int, space: JointSpace, registry: Registry) -> str:
    """A line that says how many settings a study begins with, and how many the sampler cannot learn from."""
    used = settings[:n_trials]
    outside = sum(not sampler_params(space, configuration, registry) for configuration in used)
    line = f"Starting from {len(used):,} of {len(settings):,} known settings"
    return f"{line}; {outside:,} lie outside the search space: judged as they are, they teach the sampler nothing."


def identity(settings: Sequence[Configuration]) -> str:
    """What tells one list of settings from another, in a few words."""
    digest = hashlib.sha256(",".join(configuration.key for configuration in settings).encode()).hexdigest()[:16]
    return f"{len(settings)} settings, {digest}"


def sampler_params(space: JointSpace, configuration: Configuration, registry: Registry) -> dict[str, Any]:
    """The configuration as the sampler knows it; empty where it lies outside the space."""
    assembly = assemble(configuration, registry)
    values: dict[str, Any] = {
        "optimizer": configuration.optimizer or configuration.learner,
        "controller": configuration.controller,
        "wrapper": configuration.wrappers[0] if configuration.wrappers else NO_WRAPPER,
        **{f"{configuration.optimizer}.{name}": value for name, value in assembly.rule_values.items()},
        **dict(assembly.rule_values),  # a wrapper's are prefixed already
        **{f"{configuration.controller}.{name}": value for name, value in assembly.controller_values.items()},
        **{f"{name}.{key}": value for name, own in assembly.others.items() for key, value in own.rule_values.items()},
        **role_values(configuration),
        **{kind: getattr(configuration, kind) or NO_WRAPPER for kind in ("weighting", "surgery")},
        **{
            f"{spec.name}.{name}": value
            for spec in assembly.tasks.specs
            for name, value in assembly.values_of(spec).items()
        },
        **stated(configuration, space.own),
        **(
            {f"{configuration.learner}.{name}": value for name, value in assembly.meta_values.items()}
            if assembly.learner
            else {}
        ),
    }
    chooser = FollowChooser(values)
    try:
        same = space.suggest(chooser)
    except OutsideError:
        return {}
    is_same = _trains_as(assemble(same, registry)) == _trains_as(assembly)
    return chooser.params if is_same and stated(same, space.own) == stated(configuration, space.own) else {}


def _trains_as(assembly: Assembly) -> tuple[Any, ...]:
    """What two assemblies share that train alike."""
    configuration = assembly.configuration
    values = {name: (own.rule_values, configuration.roles[name].fan_in) for name, own in assembly.roles.items()}
    laws = {name: law.exponents for name, law in configuration.rate_law.items()}
    rates = (assembly.rule_values, values, configuration.depth_decay, laws, configuration.warmup)
    learner = (configuration.learner, assembly.meta_values if assembly.learner is not None else {})
    compared = (*learner, configuration.weighting, configuration.surgery, assembly.tasks.values)
    return (assembly.structure, *rates, assembly.controller.name, assembly.controller_values, *compared)


def _read(source: Any, where: str, home: Path, registry: Registry, inside: tuple[Any, ...]) -> Iterator[Configuration]:
    """Settings of one source; `inside` are the files and lists that it stands in."""
    if len(inside) >= _DEEPEST:
        raise InputError(f"{where:.300} is nested too deeply: lists of settings hold {_DEEPEST} others at most.")
    if isinstance(source, Recipe):
        if source.theta:
            raise InputError(f"{where}: the recipe {quoted(source.name)} has learned weights, which no study can tune.")
        yield _checked(source.configuration, where, registry)
    elif isinstance(source, Configuration):
        yield _checked(source, where, registry)
    elif isinstance(source, Mapping):
        yield _checked(_parsed(source, where), where, registry)
    elif isinstance(source, str | os.PathLike):
        yield from _open(source, home, registry, inside)
    elif isinstance(source, Sequence) and not isinstance(source, bytes):
        if not source:
            raise InputError(f"{where} holds no settings; give at least one, or leave --start-from out.")
        if any(source is other for other in inside):
            raise InputError(f"{where:.300} is the list of settings that it stands in; leave it out.")
        for number, entry in enumerate(source, start=1):
            yield from _read(entry, f"{where}, entry {number}", home, registry, (*inside, source))
    else:
        raise InputError(f"{where} must be a configuration, a recipe or a path, got {quoted(source)}.")


def _open(
    source: str | os.PathLike[str], home: Path, registry: Registry, inside: tuple[Any, ...]
) -> Iterator[Configuration]:
    path = home / source
    if isinstance(source, str) and source in shipped_recipes():
        yield from _read(load_recipe(source, registry=registry), source, home, registry, inside)
    elif is_folder(path) and is_file(path / PORTFOLIO):
        yield from _read(list(load_portfolio(path)), str(path), home, registry, inside)
    elif is_folder(path) or path.name == "recipe.json":
        yield from _read(load_recipe(path, registry=registry), str(path), home, registry, inside)
    elif path.name == PORTFOLIO:
        yield from _open(path.parent, Path(), registry, inside)
    else:
        document, real = _json(path), path.resolve()
        if real in inside:
            raise InputError(f"--start-from {quoted(path)} names itself, or a list that names it; leave that out.")
        yield from _read(document, str(path), path.parent, registry, (*inside, real))


def _json(path: Path) -> Any:
    try:
        document = read_json(path)
    except FileNotFoundError as error:
        raise InputError(
            f"--start-from {quoted(path)} does not exist; give a JSON file, or the folder of a recipe or a portfolio."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"--start-from {quoted(path)} is not readable as JSON: {first_line(error)}; write it again."
        ) from error
    if not isinstance(document, Mapping | list):
        raise InputError(f"--start-from {quoted(path)} must hold a list of settings, got {quoted(document)}.")
    return document


def _parsed(document: Mapping[str, Any], where: str) -> Configuration:
    inner = document.get("configuration", document)  # a recipe's document, or a configuration itself
    if not isinstance(inner, Mapping):
        raise InputError(f"{where} is no setting: its configuration must be an object, got {quoted(inner)}.")
    try:
        if opt_list.is_entry(inner):
            return opt_list.configuration_of(inner)
        unknown = sorted({*inner} - _FIELDS)
        if ("optimizer" not in inner and "learner" not in inner) or unknown:
            raise InputError(f"a configuration has the fields {sorted(_FIELDS)}, got {bracketed(sorted(inner), 6)}")
        return Configuration.from_json(inner)
    except (InputError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{where} is no setting: {str(error).rstrip('.')}.") from error


def _checked(configuration: Configuration, where: str, registry: Registry) -> Configuration:
    try:
        assemble(configuration, registry)
    except InputError as error:
        raise InputError(f"{where} cannot be judged: {error}") from error
    return configuration
