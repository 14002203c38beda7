"""Whose hyperparameters are whose: `"plugin.hyperparameter"` told apart by the plugin's name."""

from collections.abc import Mapping, Sequence

from metaopt.errors import InputError, listed, quoted
from metaopt.plugin import PluginSpec
from metaopt.space import Value


def by_owner(hparams: Mapping[str, Value], owners: Sequence[PluginSpec]) -> dict[str, dict[str, Value]]:
    """Values by plugin and by its own names for them.

    Raises:
        InputError: a name belongs to none of the plugins, or two of these have one name.
    """
    names = [spec.name for spec in owners]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"Hyperparameters are told apart by their plugin's name, but {listed(repeated)} comes more than once in "
            f"{listed(names)}; leave one out or rename it."
        )
    owned: dict[str, dict[str, Value]] = {name: {} for name in names}
    for full, value in hparams.items():
        owner, dot, name = full.partition(".")
        if not dot or owner not in owned:
            raise InputError(
                f"Hyperparameter {quoted(full)} belongs to none of {sorted(owned)}; "
                "write it as 'plugin.hyperparameter'."
            )
        owned[owner][name] = value
    return owned
