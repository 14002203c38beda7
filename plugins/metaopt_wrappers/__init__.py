"""The built-in wrappers: they set a rule's rate, clip gradients, place iterates or average them, one file each."""

import metaopt
from metaopt_wrappers.averaged import AVERAGED
from metaopt_wrappers.cautious import CAUTIOUS
from metaopt_wrappers.clip import CLIP
from metaopt_wrappers.dog import DOG
from metaopt_wrappers.dowg import DOWG
from metaopt_wrappers.ldog import LDOG
from metaopt_wrappers.lookahead import LOOKAHEAD
from metaopt_wrappers.mechanic import MECHANIC


@metaopt.hookimpl
def metaopt_plugins() -> list[metaopt.PluginSpec]:
    """The wrappers of this package."""
    return [AVERAGED, CAUTIOUS, CLIP, DOG, LDOG, DOWG, MECHANIC, LOOKAHEAD]
