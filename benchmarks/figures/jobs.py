"""What `make figures` runs: the commands whose results README and docs show, where they run on any checkout."""

from dataclasses import dataclass
from typing import Literal

#: When a job runs: whenever what it depends on has changed; or only where it is named or with --all, because it takes
#: more than ten minutes or because it measures time, for which the machine must be idle.
When = Literal["stale", "dear", "timing"]


@dataclass(frozen=True)
class ResultJob:
    """A command whose output is stored.

    Attributes:
        result: name of the file under `benchmarks/results/`; several jobs may share one.
        command: as a reader pastes it into a shell at the root of the checkout.
        minutes: that it takes on two idle cores, roughly.
        when: when it runs.
        after: results whose commands leave files that this one reads.
        leaves: a file that it leaves for others; without it the job has not run here.
    """

    result: str
    command: str
    minutes: float
    when: When = "stale"
    after: tuple[str, ...] = ()
    leaves: str = ""


DROP_IN = "python -m benchmarks.recipes.drop_in --recipe default --seeds 3 --threads 1"
SCORES = "benchmarks.corpora.development_corpus:corpus --against nadamw+cosine,prodigy"

JOBS = (
    ResultJob("first_script", "python -m benchmarks.figures.first_script README.md", 0.1),
    ResultJob("show_default", "metaopt show default", 0.1),
    ResultJob(
        "tune_starter",
        "metaopt tune starter --n-trials 100 --folds 5 --workers 2 --out out/starter --seed 0",
        3,
        leaves="out/starter/recipe/recipe.json",
    ),
    ResultJob("tables", "python -m benchmarks.corpora.tables tables", 0.1, leaves="tables/wine.csv"),
    ResultJob(
        "tune_tables", "metaopt tune tables --n-trials 40 --folds 4 --out out/tables --seed 0", 2, after=("tables",)
    ),
    ResultJob("drop_in_resnet", f"{DROP_IN} --task resnet", 3),
    ResultJob("drop_in_transformer", DROP_IN, 8),
    ResultJob(
        "held_out_curves",
        "python -m benchmarks.recipes.held_out_curves --out benchmarks/results/held_out_curves.json",
        2,
    ),
    ResultJob(
        "default_recipe",
        "python -m benchmarks.recipes.default_recipe --storage sqlite:///out/default.db --out out/default "
        "--n-trials 320 --folds 0 --study-name muon --start-from benchmarks/recipes/known_settings.json",
        60,
        "dear",
    ),
    ResultJob("travel", "python -m benchmarks.recipes.travel --recipe default --seeds 1", 60, "dear"),
    ResultJob("base_rate", "python -m benchmarks.recipes.base_rate --json", 8, "dear"),
    ResultJob(
        "shelf",
        "python -m benchmarks.recipes.shelf --n-trials 150 --folds 2 --searches 1 --storage sqlite:///out/shelf.db "
        "--json",
        60,
        "dear",
    ),
    ResultJob("learned_schedule_scores", f"metaopt evaluate learned_schedule {SCORES}", 5, "dear"),
    ResultJob("learned_schedule_scores", f"metaopt evaluate default {SCORES}", 5, "dear"),
    ResultJob("sinusoid", "python -m benchmarks.few_shot.sinusoid", 6, "timing"),
    ResultJob("tune_cost", "python -m benchmarks.tuning.tune_cost", 3, "timing"),
    ResultJob("tune_cost", "python -m benchmarks.tuning.tune_cost --workers 2", 2, "timing"),
    ResultJob("imports", "python -m benchmarks.house.imports", 1, "timing"),
    ResultJob("step", "python -m benchmarks.steps.step", 1, "timing"),
    ResultJob("population", "python -m benchmarks.tuning.population --rounds 7", 2, "timing"),
    ResultJob("population", "python -m benchmarks.tuning.population --batches shared --rounds 7", 2, "timing"),
    ResultJob("lopt_step", "python -m benchmarks.steps.lopt_step", 5, "timing"),
    ResultJob("composite_step", "python -m benchmarks.steps.composite_step", 1, "timing"),
    ResultJob("steered_step", "python -m benchmarks.steps.steered_step", 1, "timing"),
)

#: Other names of commands on pages.
OTHER_NAMES = {"make tune": "tune_starter", "the script above": "first_script"}


def of_command(command: str) -> ResultJob | None:
    """The job of a command, or of another name for it."""
    result = OTHER_NAMES.get(command)
    return next((job for job in JOBS if job.command == command or job.result == result), None)
