"""`metaopt import`: weights that others trained, as a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from metaopt.cli.plugin_files import PluginFiles, load_plugin_files


def import_weights(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A learned optimizer, such as celo.")],
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A checkpoint of its authors: flax's msgpack, .npz or .safetensors; or a repository of the Hugging "
            "Face Hub, owner/name or owner/name/file.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the recipe.")],
    plugin: PluginFiles = None,
) -> None:
    """Turn weights that others trained into a recipe."""
    import metaopt

    load_plugin_files(plugin)
    recipe = metaopt.import_recipe(name, file)
    recipe.save(out)
    numbers = sum(tensor.numel() for tensor in (recipe.theta or {}).values())
    print(f"{recipe.configuration.optimizer} with {numbers:,} learned numbers: {out}")
