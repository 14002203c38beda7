"""Who trains in `travel`: recipes, what people use otherwise, and a grid of rates on the task itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import metaopt
from benchmarks.recipes.drop_in import label
from benchmarks.recipes.peers import ADAMW, PEERS, SCHEDULE_FREE, adamw_cosine
from benchmarks.recipes.travel.training import Contender

#: Peak rates of AdamW with warm-up and cosine.
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
GRID = tuple(f"AdamW {rate:.0e}, cosine".replace("e-0", "e-") for rate in RATES)
#: The entry of the grid that is best by validation, a peer by itself.
BEST = "grid's best"
UNSCALED = ", rate unscaled"


def peers() -> list[Contender]:
    """AdamW at a constant rate, Schedule-Free, Prodigy, and the grid."""
    configurations = {name: PEERS[name] for name in (ADAMW, SCHEDULE_FREE, "Prodigy")}
    configurations |= {name: adamw_cosine(rate) for name, rate in zip(GRID, RATES, strict=True)}
    return [created(name, configuration) for name, configuration in configurations.items()]


def large_peers() -> list[Contender]:
    rates = {ADAMW: 1e-3, "AdamW 3e-4": 3e-4}
    return [
        created(name, metaopt.Configuration("adamw", "constant", hparams={"adamw.lr": rate}))
        for name, rate in rates.items()
    ]


def created(name: str, configuration: metaopt.Configuration) -> Contender:
    return Contender(name, metaopt.Recipe.create(configuration))


def recipes(folders: Sequence[str], *, also_unscaled: bool = False) -> list[Contender]:
    """Recipes by name or folder, each followed by its twin without the law of the rate if asked for.

    Raises:
        MetaOptError: one cannot be loaded.
    """
    loaded = {name: metaopt.load_recipe(folder) for name, folder in labels(folders).items()}
    scalings = {"": None, UNSCALED: False} if also_unscaled else {"": None}
    return [
        Contender(name + suffix, recipe, scale_rate)
        for name, recipe in loaded.items()
        for suffix, scale_rate in scalings.items()
    ]


def left_out(folder: str, kinds: Iterable[str]) -> dict[str, Contender]:
    """One contender by kind of task: the recipe in `folder/KIND`, made with nothing of that kind.

    Raises:
        MetaOptError: one is missing or cannot be loaded.
    """
    name = f"{label(folder)}, kind left out"
    return {kind: Contender(name, metaopt.load_recipe(Path(folder) / kind)) for kind in kinds}


def labels(folders: Sequence[str]) -> dict[str, str]:
    """Short names of folders; those of the same short name keep the whole folder."""
    unique = list(dict.fromkeys(folders))
    counts = Counter(map(label, unique))
    return {label(folder) if counts[label(folder)] == 1 else f"recipe ({folder})": folder for folder in unique}
