"""The card of a recipe: what a repository of the Hugging Face Hub says of it."""

import json
from typing import TYPE_CHECKING, Any

from metaopt.errors import without_long_words
from metaopt.plugin import Registry
from metaopt.recipe.provenance import recorded
from metaopt.recipe.sharing.origin import origin

if TYPE_CHECKING:
    from metaopt.recipe.recipe import Recipe

_TEMPLATE = """\
---
{header}
---

# {name}

A training recipe of [metaopt](https://pypi.org/project/metaopt-torch/): optimizer, learning-rate controller and early
stopping, tuned together. It trains any PyTorch model:

```python
import metaopt

recipe = metaopt.load_recipe("hf://{repository}")
run = recipe.bind(model, total_steps=epochs * len(loader))
```

## What is in it

{parts}

## Where it comes from

{origin}

The repository holds `recipe.json`{weights}; nothing in it is code, and nothing else is read.
"""


def card_of(recipe: "Recipe", repository: str, registry: Registry) -> str:
    """The text of a `README.md`, its header in YAML.

    Args:
        recipe: it is about.
        repository: `"user/name"`, where it will be.
        registry: where to find its plugins.

    Raises:
        RecipeError: the recipe's scores are not what `tune` wrote.
    """
    theta = f", and `theta.safetensors` with {len(recipe.theta)} learned tensors" if recipe.theta else ""
    return _TEMPLATE.format(
        header=_header(recipe),
        name=recipe.name,
        repository=repository,
        parts="\n".join(_parts(recipe, registry)),
        origin="\n".join(f"- {_plain(line)}" for line in (*origin(recipe), *_price(recipe))),
        weights=theta,
    )


def _header(recipe: "Recipe") -> str:
    """YAML, whose strings are written as JSON: every JSON string is one of YAML."""
    tags = ["metaopt", "training-recipe", *recipe.configuration.optimizers, recipe.configuration.controller]
    return "\n".join(["library_name: metaopt", "tags:", *(f"- {json.dumps(tag)}" for tag in dict.fromkeys(tags))])


def _parts(recipe: "Recipe", registry: Registry) -> list[str]:
    """A line a plugin, with its hyperparameters."""
    assembly = recipe.assembly(registry)
    parts = [(f"{spec.kind} `{spec.name}`", dict(assembly.values_of(spec))) for spec in assembly.specs]
    stoppers = [] if recipe.stopper is None else [recipe.stopper, *recipe.stopper.stoppers]
    parts += [(f"stopper `{stopper.name}`", dict(stopper.hparams)) for stopper in stoppers]
    return [f"- {what}{_values(values)}" for what, values in parts]


def _values(values: dict[str, Any]) -> str:
    shown = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
    return f": {_plain(shown)}" if shown else ""


def _price(recipe: "Recipe") -> list[str]:
    """What it took to find it."""
    cost = recorded(recipe.provenance, "cost")
    counts = [cost.get(f"{part}evaluations") for part in ("", "reference_", "comparison_")]
    seconds = cost.get("seconds")
    numbers = [number for number in counts if isinstance(number, int)]
    if len(numbers) < len(counts) or not isinstance(seconds, int | float):
        return []
    return [f"Finding it took {sum(numbers):,} trainings, {seconds:,.0f} s of computing time."]


def _plain(line: str) -> str:
    """One line that neither ends the list nor opens a tag, however a task was named."""
    return without_long_words(" ".join(line.split())).replace("<", "&lt;").replace("|", "\\|")
