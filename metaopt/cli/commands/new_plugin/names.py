"""Which names a new plugin can have: ones that Python and pip take, and that hide nothing that metaopt needs."""

import importlib.metadata
import keyword
import re
import sys
from importlib.util import find_spec

from metaopt.errors import InputError, PluginError, quoted
from metaopt.plugin import Registry

#: Longer names would break the templates' lines of up to 120 characters.
MAX_NAME = 26

#: What the names of distributions and modules begin with.
PREFIX = "metaopt_"

_OURS = "metaopt"
_OUR_DISTRIBUTION = "metaopt-torch"


def plain_name(name: str) -> str:
    """The plugin's name; hyphens and a leading `metaopt-`, as in a distribution's name, are understood.

    Raises:
        InputError: no plugin, module and distribution can be called so.
    """
    plain = name.replace("-", "_").removeprefix(PREFIX)
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", plain) or len(plain) > MAX_NAME or keyword.iskeyword(plain):
        raise InputError(
            f"{quoted(name)} cannot be a plugin's name; take lower case letters, digits and single '_' or '-' between "
            f"them, beginning with a letter, {MAX_NAME} characters at most, and no keyword of Python."
        )
    return plain


def check_free(plain: str, registry: Registry) -> None:
    """Refuse a name that something else has already.

    Args:
        plain: name of the plugin.
        registry: what is installed.

    Raises:
        PluginError: a plugin, its distribution or its module has the name, or its file would hide a module.
    """
    distribution, module = f"{PREFIX}{plain}".replace("_", "-"), f"{PREFIX}{plain}"
    for entry in registry:
        if entry.spec.name == plain:
            raise PluginError(
                f"There is a plugin {quoted(plain)} already, the {entry.spec.kind} of {entry.source}; choose another "
                "name."
            )
    if distribution == _OUR_DISTRIBUTION or _is_installed(distribution):
        raise PluginError(f"There is a distribution {quoted(distribution)} already; choose another name.")
    if find_spec(module) is not None:
        raise PluginError(f"There is a module {quoted(module)} already; choose another name.")
    # Python that is started in the folder of the plugin's file would import that instead.
    if plain in _needed_modules():
        raise PluginError(f"{plain}.py would hide the module {quoted(plain)}, which metaopt needs; take another name.")


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _needed_modules() -> set[str]:
    """Python's own modules that a file can hide, metaopt, and those of everything that it depends on."""
    needed = {_normalized(_OUR_DISTRIBUTION)}
    waiting = [*needed]
    while waiting:
        try:
            requirements = importlib.metadata.requires(waiting.pop()) or []
        except importlib.metadata.PackageNotFoundError:  # one for another system
            continue
        for requirement in requirements:
            name, condition = re.split(r"[^\w.-]", requirement, maxsplit=1)[0], requirement.partition(";")[2]
            if "extra" not in condition and _normalized(name) not in needed:
                needed.add(_normalized(name))
                waiting.append(name)
    modules = {
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if needed & {*map(_normalized, distributions)}
    }
    return {_OURS, *modules, *(sys.stdlib_module_names - {*sys.builtin_module_names})}


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
