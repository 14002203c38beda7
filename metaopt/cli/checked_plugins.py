"""The plugins that people mean by names, files, distributions and entry points."""

import re
from collections.abc import Sequence
from pathlib import Path

from metaopt.cli.package_folder import plugin_files_in
from metaopt.errors import PluginError, did_you_mean, quoted
from metaopt.files import folders_like, is_folder
from metaopt.plugin import KINDS, DeferredOptimizer, Entry, PluginSource, PluginSpec, Registry


def chosen(names: Sequence[str], kind: str, known: Registry) -> list[PluginSpec]:
    """The plugins that are meant, each once, in the order in which they are named.

    Args:
        names: of plugins, of distributions, of entry points, or what these point to; paths of files with
            plugins, or of folders of packages of plugins.
        kind: restricts all of them to plugins of a kind; empty for every kind.
        known: what is installed; plugins of files are added.

    Raises:
        PluginError: nothing has one of the names, the kind is unknown, a plugin is defined twice or cannot be loaded,
            or a folder is not that of such a package.
    """
    if kind and kind not in KINDS:
        raise PluginError(f"There is no kind {quoted(kind)} of plugin; kinds: {', '.join(KINDS)}.")
    specs_by_name: dict[tuple[str, str], PluginSpec] = {}
    for name in names:
        files = [Path(name)] if name.endswith(".py") else _files_in(name, known)
        specs = _of_files(name, files, kind, known) if files else _of_name(name, kind, known)
        specs_by_name.update({(spec.kind, spec.name): spec for spec in specs})
    return list(specs_by_name.values())


def _files_in(name: str, known: Registry) -> list[Path]:
    """The files with plugins of a folder, or none where a plugin is called so, or its distribution or entry point."""
    sources = [*(entry.source for entry in known), *(fault.source for fault in known.faults)]
    names = {*(entry.spec.name for entry in known), *(each for source in sources for each in names_of(source))}
    return plugin_files_in(Path(name)) if name and name not in names and is_folder(name) else []


def _of_files(name: str, files: Sequence[Path], kind: str, known: Registry) -> list[PluginSpec]:
    specs = [spec for file in files for spec in known.load_file(file)]
    chosen_specs = [spec for spec in specs if kind in ("", spec.kind)]
    if not chosen_specs:
        offered = ", ".join(f"{spec.kind} {spec.name!r}" for spec in specs) or "nothing"
        raise PluginError(
            f"{quoted(Path(name))} has no plugin{f' of kind {kind!r}' if kind else ''}; it offers {offered}."
        )
    return chosen_specs


def _of_name(name: str, kind: str, known: Registry) -> list[PluginSpec]:
    kinds = [each for each in KINDS if any((entry.spec.kind, entry.spec.name) == (each, name) for entry in known)]
    if kinds and kind in ("", *kinds):
        return [known.get(KINDS[each], name) for each in kinds if kind in ("", each)]
    specs = [entry.spec for entry in known if name in _names_to_check(entry)]
    broken = [fault for fault in known.faults if name in names_of(fault.source)]
    if broken:
        raise PluginError(f"Plugin {broken[0].source} cannot be loaded: {broken[0].cause}")
    chosen_specs = [known.get(KINDS[spec.kind], spec.name) for spec in specs if kind in ("", spec.kind)]
    if not chosen_specs and kind and not specs:
        return [known.get(KINDS[kind], name)]
    if not chosen_specs:
        raise PluginError(_unknown(name, kind, known))
    return chosen_specs


def _names_to_check(entry: Entry) -> set[str]:
    """By which sources it is checked: classes of another library by their entry point, and not with all the rest."""
    if not isinstance(entry.spec, DeferredOptimizer):
        return names_of(entry.source)
    point, _, value = entry.source.entry_point.partition(" = ")
    return {point, value}


def names_of(source: PluginSource) -> set[str]:
    """What people may call a source: its distribution, however spelt, its entry point, and what that points to."""
    point, _, value = source.entry_point.partition(" = ")
    spellings = {source.distribution, *(re.sub(r"[-_.]+", mark, source.distribution.lower()) for mark in "-_.")}
    return {*spellings, *({point, value} if value else ())} - {""}


def _unknown(name: str, kind: str, known: Registry) -> str:
    if kind:
        return f"{quoted(name)} has no plugin of kind {kind!r}; `metaopt plugins` lists what there is."
    names = sorted({word for entry in known for word in (entry.spec.name, *names_of(entry.source))})
    hint = did_you_mean(name, [*names, *folders_like(name)], " {}")
    return (
        f"There is no plugin, distribution or entry point {quoted(name)};{hint} `metaopt plugins` lists them, and a "
        "file ends in .py."
    )
