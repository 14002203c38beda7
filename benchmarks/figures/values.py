"""Numbers and tables in the text of pages: each is read from a stored result by its name."""

import re
from collections.abc import Callable

from benchmarks.figures import tables
from benchmarks.figures.results import Results


def value(name: str, results: Results) -> str:
    """What stands at `<!-- value: NAME -->`.

    Raises:
        LookupError: nothing has this name, or its result is not stored or reads otherwise than it did.
    """
    if name in TABLES:
        return f"\n\n{TABLES[name](results)}\n\n"
    if name in RANGES:
        result, pattern = RANGES[name]
        numbers = [int(number) for number in re.findall(pattern, results.output(result))]
        return f"{min(numbers)} to {max(numbers)}"
    if name not in NUMBERS:
        raise LookupError(f"benchmarks/figures/values.py knows no value {name!r}; add it there.")
    result, pattern = NUMBERS[name]
    match = re.search(pattern, results.output(result), re.MULTILINE | re.DOTALL)
    if match is None:
        raise LookupError(f"Value {name!r}: {results.path(result).name} has nothing like {pattern!r}.")
    return " ".join(part.strip() for part in match.groups())


#: Result and pattern; what its groups match is shown, blanks between them.
NUMBERS: dict[str, tuple[str, str]] = {
    # the default recipe
    "default.tasks": ("show_default", r"Tuned on .*? \((\d+) tasks"),
    "default.families": ("default_recipe", r"^\d+ tasks of (\d+) families"),
    "default.lr": ("show_default", r"optimizer schedulefree_adamw\s+lr\s+(\S+)"),
    "default.score": ("show_default", r"recipe (-?[\d.]+ \[.*?\])"),
    "default.worth": ("show_default", r"first run on a new task is worth (\S+ \[.*?\])"),
    "default.parameters": ("show_default", r"Made on models and budgets of (\S+ to \S+) parameters"),
    "default.largest": ("show_default", r"Made on models and budgets of \S+ to (\S+) parameters"),
    "first_script.adamw": ("first_script", r"^AdamW 1e-3 (\d+%)"),
    "first_script.default": ("first_script", r"^default recipe (\d+%)"),
    # the recipe of the starter corpus
    "starter.worth": ("tune_starter", r"first run of a new model is worth ((?:> )?\S+ \[.*?\])"),
    "starter.tasks": ("tune_starter", r"^Recipe scores .*? on (\d+) tasks"),
    "starter.score": ("tune_starter", r"^Recipe scores (\S+ \[.*?\])"),
    "starter.trainings": ("tune_starter", r"It cost (\S+) trainings"),
    "starter.paid_after": ("tune_starter", r"After ((?:≤ )?\S+ \[.*?\])\s+later models"),
    # models of users
    "resnet.parameters": ("drop_in_resnet", r"; ([\d,]+) parameters"),
    "resnet.default": ("drop_in_resnet", r"^recipe \(default\)\s+([\d.]+)"),
    "resnet.adamw": ("drop_in_resnet", r"^AdamW 1e-3\s+([\d.]+)"),
    "transformer.parameters": ("drop_in_transformer", r"; ([\d,]+) parameters"),
    "transformer.default": ("drop_in_transformer", r"^recipe \(default\)\s+([\d.]+)"),
    "transformer.adamw": ("drop_in_transformer", r"^AdamW 1e-3\s+([\d.]+)"),
    "travel.tasks": ("travel", r"^(\d+) tasks, \d+ trainings each"),
    "travel.below_adamw": ("travel", r"^recipe \(default\).*? (\d+ of \d+) "),
    "travel.to_grid": ("travel", r"^recipe \(default\)\s+-([\d.]+)\s+\+[\d.]+ \w+\s+\d+ of"),
    "travel.worst": ("travel", r"^recipe \(default\)\s+-[\d.]+\s+\+([\d.]+) \w+\s+\d+ of"),
    "travel.worst_of": ("travel", r"^recipe \(default\)\s+-[\d.]+\s+\+([\d.]+) (\w+)\s+\d+ of"),
    "unseen.tasks": ("held_out_curves", r"^(\d+) tasks of"),
    "unseen.families": ("held_out_curves", r"^\d+ tasks of (\d+) families"),
    "unseen.end": ("held_out_curves", r"^default recipe\s+(?:\S+\s+){3}(\S+)"),
    "unseen.below": ("held_out_curves", r"^default recipe.*?(\d+ of \d+)$"),
    "unseen.schedulefree_below": ("held_out_curves", r"^Schedule-Free.*?(\d+ of \d+)$"),
    # controllers
    "base_rate.kept": ("base_rate", r"^polyak on sgd\s+\S+\s+(\S+)"),
    "shelf.ahead": ("shelf", r"^shelf - few (.*?\]): the shelf is ahead"),
    "shelf.shelf": ("shelf", r"^shelf\s+(\S+)"),
    "shelf.few": ("shelf", r"^few\s+(\S+)"),
    "shelf.candidates": ("shelf", r"^(\d+) candidates a search"),
    "shelf.small": ("shelf", r"^shelf - few (\S+ \S+ \S+\]): nothing is claimed"),
    "shelf.small_candidates": ("shelf", r"the shelf is ahead.*?^(\d+) candidates a search"),
    # stoppers
    "stop_signal.roc": ("stop_signal", r"tasks of other families: .*?area under ROC (\S+)"),
    "stop_signal.saved": ("stop_signal", r"0\.90\s+\S+\s+(\S+)"),
    "stop_signal.lost": ("stop_signal", r"0\.90\s+\S+\s+\S+\s+(\S+)"),
    "stop_signal.saved_half": ("stop_signal", r"54 trainings.*?0\.90\s+\S+\s+(\S+)"),
    "stop_signal.lost_half": ("stop_signal", r"54 trainings.*?0\.90\s+\S+\s+\S+\s+(\S+)"),
    "stop_signal.other_half": ("stop_signal", r"54 trainings.*?0\.90(?:\s+\S+){4}\s+(\S+)"),
    # learned schedules
    "schedule.score": ("learned_schedule_scores", r"Recipe scores (\S+ \[.*?\])"),
    "schedule.default_score": ("learned_schedule_scores", r"^default$.*?Recipe scores (\S+ \[.*?\])"),
    "steered.class": ("steered_step", r"learned_schedule\(nadamw\), the class\s+(\S+) ms"),
    "steered.rule": ("steered_step", r"learned_schedule\(nadamw\), the rule\s+(\S+) ms"),
    "steered.alone": ("steered_step", r"nadamw, the library's class\s+(\S+) ms"),
    # speed
    "lopt.mlp_lopt": ("lopt_step", r"mlp_lopt, compiled\s+(\S+) ms"),
    "lopt.mlp_lopt_eager": ("lopt_step", r"mlp_lopt, eager\s+(\S+) ms"),
    "lopt.celo": ("lopt_step", r"celo, compiled\s+(\S+) ms"),
    "lopt.celo_adam": ("lopt_step", r"celo_adam, compiled\s+(\S+) ms"),
    "lopt.adamw": ("lopt_step", r"torch AdamW, foreach\s+(\S+) ms"),
}

#: What is made of several numbers: how far apart the runs of a result are.
RANGES: dict[str, tuple[str, str]] = {
    "pes.metaopt": ("pes_speed", r"metaopt, compiled.*?(\d+) µs"),
    "pes.jax": ("pes_speed", r"JAX, concat_weights=False.*?(\d+) µs"),
}

TABLES: dict[str, Callable[[Results], str]] = {
    "table.scores": tables.scores,
    "table.speed": tables.speed,
}
