"""`metaopt predict`: new rows, images or texts, by a recipe and what it trains on, or by a saved predictor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metaopt.cli.output_folder import named, writable, writable_file, write_text
from metaopt.cli.plugin_files import PluginFiles, load_plugin_files
from metaopt.errors import InputError, quoted

if TYPE_CHECKING:
    from metaopt.prediction import FittedPredictor


def predict(
    source: Annotated[
        str,
        typer.Argument(metavar="RECIPE|PREDICTOR", help="A recipe, with --trained-on; or what --save wrote before."),
    ],
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="What to predict: a table, images or texts; a file or a folder.")
    ],
    trained_on: Annotated[
        str | None,
        typer.Option(metavar="TABLE", help="What to train on: a table, or a folder of images or texts by class."),
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="A CSV file for the rows with their predictions, else printed.")
    ] = None,
    save: Annotated[
        str | None, typer.Option(metavar="DIR", help="Keep the trained model and its preprocessing.")
    ] = None,
    num_steps: Annotated[int | None, typer.Option(metavar="N", help="Planned training steps.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of initial weights and batches.")] = 0,
    plugin: PluginFiles = None,
) -> None:
    """Predict rows, images or texts with a model that a recipe trains on all of --trained-on, or that was saved."""
    load_plugin_files(plugin)
    from metaopt.cli.spreadsheet import as_csv
    from metaopt.contracts import to_stderr
    from metaopt.tasks import unknown_labels

    place = None if out is None else writable_file(out, "--out")
    kept = None if save is None else writable(named(save, "--save"))
    if not Path(table).exists():
        raise InputError(f"{quoted(table)} does not exist; what to predict is a table, or images or texts in a folder.")
    predictor = _saved(source, save, num_steps) if trained_on is None else _trained(source, trained_on, num_steps, seed)
    if kept is not None:
        predictor.save(kept)
        to_stderr(f"saved: metaopt predict {save} TABLE predicts other rows without training")
    rows = predictor.reader.read(table)
    for sentence in unknown_labels(rows):
        to_stderr(f"note: {sentence}")
    text = as_csv(predictor.with_predictions(rows))
    if place is None:
        print(text, end="")
    else:
        write_text(place, text)
        to_stderr(f"{len(rows.cells):,} {predictor.reader.unit} with their predictions are in {place}")


def _saved(source: str, save: str | None, num_steps: int | None) -> "FittedPredictor":
    from metaopt.prediction import is_predictor, load_predictor

    if not is_predictor(source):
        raise InputError(
            f"{quoted(source)} is no saved predictor; a recipe needs --trained-on TABLE, what to train on."
        )
    given = "--save" if save is not None else "--num-steps" if num_steps is not None else None
    if given is not None:
        raise InputError(f"{given} is about a training, and {quoted(source)} is trained; leave it out.")
    return load_predictor(source)


def _trained(source: str, table: str, num_steps: int | None, seed: int) -> "FittedPredictor":
    from metaopt.cli.commands.show import kind_of
    from metaopt.contracts import to_stderr
    from metaopt.prediction import fit, is_predictor
    from metaopt.recipe import load_recipe

    if is_predictor(source):
        raise InputError(f"{quoted(source)} is a predictor, trained already; leave --trained-on out, or name a recipe.")
    kind, name = kind_of(source)
    if kind != "recipe":
        raise InputError(f"{quoted(source)} is a {kind}; predict takes a recipe, such as default.")
    predictor = fit(load_recipe(name), table, num_steps=num_steps, seed=seed, announce=to_stderr)
    record, unit = predictor.record, predictor.reader.unit
    to_stderr(f"predictions are of {record.num_rows:,} {unit} ({record.rows_why}), {record.num_steps:,} steps")
    return predictor
