"""Discovery of plugins: each loaded in its own `try`, each with its provenance, faults kept apart."""

import importlib.metadata
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from metaopt.errors import InputError, MetaOptError, PluginError, did_you_mean, is_interrupt, listed, named_line, quoted
from metaopt.files import is_file
from metaopt.plugin.deferred import DeferredOptimizer
from metaopt.plugin.file import import_file, line_in
from metaopt.plugin.hook import check_spec, offered
from metaopt.plugin.plugin_spec import PluginSpec
from metaopt.plugin.source import FILE, SESSION, PluginSource

GROUP = "metaopt"
RESTRICTION = "METAOPT_PLUGINS"

SpecType = TypeVar("SpecType", bound=PluginSpec)


@dataclass(frozen=True, slots=True)
class Entry:
    """A plugin that works: its spec and where it came from."""

    spec: PluginSpec
    source: PluginSource


@dataclass(frozen=True, slots=True)
class Fault:
    """A plugin that does not work: where it came from and why."""

    source: PluginSource
    cause: str


class Registry:
    """All plugins of a process.

    Args:
        strict: raise the first fault instead of keeping it.
        restriction: names of entry points or distributions to load; None for all. Built-ins count like any other.

    Attributes:
        faults: plugins that do not work.
    """

    def __init__(self, *, strict: bool = False, restriction: Sequence[str] | None = None) -> None:
        self.strict = strict
        self.restriction = restriction
        self.faults: list[Fault] = []
        self._entries: dict[tuple[str, str], list[Entry]] = {}

    @classmethod
    def discover(cls, *, strict: bool = False, restriction: Sequence[str] | None = None) -> "Registry":
        """A registry of everything installed; `restriction` defaults to the environment's `METAOPT_PLUGINS`."""
        if restriction is None and RESTRICTION in os.environ:
            restriction = [part.strip() for part in os.environ[RESTRICTION].split(",") if part.strip()]
        registry = cls(strict=strict, restriction=restriction)
        points = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda point: (point.name, point.value))
        registry._check_restriction(points)
        for point in points:
            registry._load_entry_point(point)
        return registry

    def register(self, spec: PluginSpec) -> None:
        """Add one plugin for this session; doing it again replaces the earlier one.

        Raises:
            PluginError: an installed plugin of this kind has the name already.
        """
        check_spec(spec)
        source = PluginSource(SESSION)
        key = (spec.kind, spec.name)
        others = [entry for entry in self._entries.get(key, []) if entry.source != source]
        if others:
            raise PluginError(_duplicate(spec, others[0].source, source))
        self._entries[key] = [Entry(spec, source)]

    def load_file(self, path: str | Path) -> list[PluginSpec]:
        """Load a plugin file (`--plugin file.py`): a module with a `metaopt_plugins` hook.

        Where it is the very file of an installed plugin, it takes that one's place.

        Raises:
            PluginError: the file cannot be imported, has no hook, or one of its specs is not valid.
        """
        source = PluginSource(FILE, entry_point=str(path))
        if not is_file(path) or Path(path).suffix != ".py":
            raise PluginError(f"Plugin file {quoted(Path(path))} does not exist or is not a Python file (.py).")
        try:
            specs = _distinct(offered(import_file(Path(path)), str(source)), source)
        except BaseException as error:
            if is_interrupt(error):
                raise
            line = line_in(Path(path), error)
            raise PluginError(f"Plugin file {quoted(Path(path))}{line} cannot be loaded: {_cause(error)}") from error
        for spec in specs:
            self._add(Entry(spec, source), strict=True)
        return specs

    def get(self, spec_type: type[SpecType], name: str) -> SpecType:
        """The plugin of a kind by name.

        Raises:
            PluginError: unknown (the message lists the known ones and mentions faults) or defined twice.
        """
        if not isinstance(name, str):
            raise PluginError(f"A plugin ({spec_type.kind}) is looked up by its name, a string, got {quoted(name)}.")
        entries = self._entries.get((spec_type.kind, name), [])
        if not entries:
            raise PluginError(self._unknown(spec_type, name))
        if len(entries) > 1:
            raise PluginError(_duplicate(entries[0].spec, entries[0].source, entries[1].source))
        spec = entries[0].spec
        if isinstance(spec, DeferredOptimizer):
            spec = spec.made()
            self._entries[spec.kind, name] = [replace(entries[0], spec=spec)]
        assert isinstance(spec, spec_type)
        return spec

    def specs(self, spec_type: type[SpecType]) -> list[SpecType]:
        """The plugins of a kind that can be used, by name; deferred ones that nobody has named yet are left out."""
        entries = (self._entries[spec_type.kind, name][0].spec for name in self.names(spec_type))
        return [spec for spec in entries if isinstance(spec, spec_type)]

    def names(self, spec_type: type[PluginSpec]) -> list[str]:
        """Names of the plugins of a kind that can be used, sorted."""
        return sorted(
            name for (kind, name), entries in self._entries.items() if kind == spec_type.kind and len(entries) == 1
        )

    def source(self, spec: PluginSpec) -> PluginSource:
        """Where a plugin came from."""
        return self._entries[spec.kind, spec.name][0].source

    def of_session(self) -> list[Entry]:
        """Plugins that are known in this process alone: of files, or registered by hand."""
        return [entry for entry in self if entry.source.distribution in (SESSION, FILE)]

    def adopt(self, entry: Entry) -> None:
        """Take over a plugin of `of_session` from another process, in place of one that has its name here."""
        self._entries[entry.spec.kind, entry.spec.name] = [entry]

    def __iter__(self) -> Iterator[Entry]:
        for key in sorted(self._entries):
            yield from self._entries[key]

    def rows(self) -> list[dict[str, Any]]:
        """One plain dict a plugin or fault, as `metaopt plugins --json` prints them."""
        rows: list[dict[str, Any]] = [
            {
                "name": entry.spec.name,
                "kind": entry.spec.kind,
                "version": entry.spec.version,
                "distribution": entry.source.distribution,
                "distribution_version": entry.source.version,
                "entry_point": entry.source.entry_point,
                "status": "ok" if len(self._entries[entry.spec.kind, entry.spec.name]) == 1 else "duplicate",
                "summary": entry.spec.summary,
            }
            for entry in self
        ]
        return rows + [_fault_row(fault) for fault in self.faults]

    def _check_restriction(self, points: Sequence[importlib.metadata.EntryPoint]) -> None:
        known = {name for point in points for name in (point.name, point.dist.name if point.dist else "") if name}
        for name in self.restriction or ():
            if name not in known:
                error = PluginError(
                    f"{RESTRICTION} names {quoted(name)}, but no entry point or distribution is called so; "
                    f"there are: {', '.join(sorted(known))}."
                )
                self._fault(PluginSource(f"({RESTRICTION})"), error)

    def _load_entry_point(self, point: importlib.metadata.EntryPoint) -> None:
        distribution = point.dist
        source = PluginSource(
            distribution.name if distribution else "(unknown)",
            distribution.version if distribution else "",
            f"{point.name} = {point.value}",
        )
        if self.restriction is not None and not {point.name, source.distribution} & set(self.restriction):
            return
        try:
            specs = _distinct(offered(point.load(), str(source)), source)
        except BaseException as error:  # whatever a stranger's import raises must not stop the others
            if is_interrupt(error):
                raise
            self._fault(source, error)
            return
        for spec in specs:
            self._add(Entry(spec, source), strict=self.strict)

    def _add(self, entry: Entry, *, strict: bool) -> None:
        key = (entry.spec.kind, entry.spec.name)
        others = [other for other in self._entries.get(key, []) if not entry.source.replaces(other.source)]
        error = PluginError(_duplicate(entry.spec, others[0].source, entry.source)) if others else None
        if error and strict:
            raise error
        self._entries[key] = [*others, entry]
        if error:
            self.faults.append(Fault(entry.source, str(error)))

    def _fault(self, source: PluginSource, error: BaseException) -> None:
        cause = _cause(error)
        if self.strict:
            raise PluginError(f"Plugin {source} cannot be loaded: {cause}") from error
        self.faults.append(Fault(source, cause))
        warnings.warn(f"metaopt plugin {source} is left out: {cause}", RuntimeWarning, stacklevel=2)

    def _unknown(self, spec_type: type[PluginSpec], name: str) -> str:
        known = self.names(spec_type)
        hint = did_you_mean(name, known, " {}")
        count = f"{len(self.faults)} plugin{'s' if len(self.faults) > 1 else ''}"
        broken = f" {count} could not be loaded; see `metaopt plugins`." if self.faults else ""
        restricted = "" if self.restriction is None else f" {RESTRICTION} leaves only {listed(self.restriction)}."
        most = len(known) if sum(map(len, known)) <= _MAX_KNOWN else 8
        there_are = f"known: {listed(known, most) or 'none'}."
        return f"There is no {spec_type.kind} {quoted(name)};{hint} {there_are}{broken}{restricted}"


#: Letters of names that a message lists in full: whoever has many plugins sees the first few.
_MAX_KNOWN = 250

_current: Registry | None = None


def current_registry(given: Registry | None = None) -> Registry:
    """The registry that a caller was given; without one the process's, discovered when it is first needed."""
    if given is not None and not isinstance(given, Registry):
        raise InputError(f"registry={quoted(given)} is no metaopt.plugin.Registry; leave it out for what is installed.")
    if given is not None:
        return given
    global _current  # the one thing a process has once: what is installed in it
    if _current is None:
        _current = Registry.discover()
    return _current


def register(spec: PluginSpec) -> None:
    """Make a plugin known for this session, with no packaging.

    Args:
        spec: what the plugin declares.

    Raises:
        PluginError: there is another plugin of its kind and name.
    """
    current_registry().register(spec)


def _cause(error: BaseException) -> str:
    return str(error) if isinstance(error, MetaOptError) else named_line(error)


def _distinct(specs: list[PluginSpec], source: PluginSource) -> list[PluginSpec]:
    seen: set[tuple[str, str]] = set()
    for spec in specs:
        if (spec.kind, spec.name) in seen:
            raise PluginError(_duplicate(spec, source, source))
        seen.add((spec.kind, spec.name))
    return specs


def _duplicate(spec: PluginSpec, first: PluginSource, second: PluginSource) -> str:
    installed = second.distribution == FILE and first.entry_point and first.distribution != FILE
    if second.distribution == SESSION:
        return (
            f"The {spec.kind} {spec.name!r} is defined twice, by {first} and by {second}; give this another name, "
            f"such as name='my_{spec.name}'."
        )
    choose = f"choose with {RESTRICTION}"
    ways = f"{choose}, or check the installed one with `metaopt check {spec.name}`" if installed else f"or {choose}"
    return (
        f"The {spec.kind} {spec.name!r} is defined twice, by {first} and by {second}; "
        f"rename one, uninstall one, {ways}."
    )


def _fault_row(fault: Fault) -> dict[str, Any]:
    return {
        "name": "",
        "kind": "",
        "version": "",
        "distribution": fault.source.distribution,
        "distribution_version": fault.source.version,
        "entry_point": fault.source.entry_point,
        "status": f"broken: {fault.cause}",
        "summary": "",
    }
