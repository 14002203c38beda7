"""A page for each plugin that comes with metaopt, made from its docstrings and its spec."""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from measured import measured, recipes_with
from memory import memory_of
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import metaopt
from metaopt.plugin.registry import Registry

FOLDER = "catalogue"
DISTRIBUTION = "metaopt-torch"
TITLES = {
    "optimizer": "Optimizers",
    "wrapper": "Wrappers",
    "controller": "Controllers",
    "stopper": "Stoppers",
    "learner": "Learners",
    "weighting": "Weightings",
    "surgery": "Surgeries",
    "corpus": "Corpora",
}
#: The paragraph of a module's docstring that says what the plugin is for.
USE = "When to use it: "


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages in the place of the navigation's entry for the folder."""
    pages: list[Any] = [f"{FOLDER}/index.md"]
    for kind, title in TITLES.items():
        pages.append({title: [{spec.name: _uri(spec)} for spec in built_in() if spec.kind == kind]})
    config.nav = [_replaced(entry, pages) for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    root = Path(config.config_file_path).parent
    files.append(File.generated(config, f"{FOLDER}/index.md", content=overview()))
    for spec in built_in():
        files.append(File.generated(config, _uri(spec), content=page(spec, root)))
    return files


def built_in() -> list[metaopt.PluginSpec]:
    """The specs of the plugins that come with metaopt, by kind and name; classes of other libraries have no page."""
    entries = [entry for entry in Registry.discover(strict=True) if entry.source.distribution == DISTRIBUTION]
    specs = [entry.spec for entry in entries if not isinstance(entry.spec, metaopt.DeferredOptimizer)]
    return sorted(specs, key=lambda spec: (list(TITLES).index(spec.kind), spec.name))


def overview() -> str:
    """The page that lists them."""
    lines = ["# Plugins that come with it", "", "What `metaopt plugins` lists. A plugin is used by its name."]
    for kind, title in TITLES.items():
        lines += ["", f"## {title}", "", "| name | what it does |", "|---|---|"]
        for spec in built_in():
            if spec.kind == kind:
                lines.append(f"| [`{spec.name}`]({kind}/{spec.name}.md) | {_sentence(spec.summary)} |")
    return "\n".join([*lines, ""])


def page(spec: metaopt.PluginSpec, root: Path) -> str:
    """The page of one plugin."""
    module = module_of(spec)
    text, use = described(module)
    lines = [f"# `{spec.name}`", "", f"{_KINDS[spec.kind]}. {_sentence(spec.summary)}", ""]
    lines += ["## When to use it", "", use, ""]
    if isinstance(spec, metaopt.CorpusSpec):
        lines += ["## What it holds", "", text, "", *_tasks(spec), "## Use", "", *_use(spec), ""]
    else:
        function = list(_function(spec))
        own = text if not function or "\n\n" in text else ""  # a module's one sentence is the summary again
        lines += ["## What it computes", "", *([own, ""] if own else []), *function]
        lines += ["## Hyperparameters", "", *_hyperparameters(spec), "", "## Use", "", *_use(spec), ""]
        lines += memory_of(spec)
        lines += ["## What it scored", "", *_scores(spec, root)]
    if spec.references:
        lines += ["## Source", "", *(f"- <{reference}>" for reference in spec.references), ""]
    path = Path(inspect.getfile(module)).relative_to(root).as_posix()
    lines += [f"The code is in [`{path}`](../../../{path}), version {spec.version} of the plugin.", ""]
    return "\n".join(lines)


def module_of(spec: metaopt.PluginSpec) -> ModuleType:
    """The module in which a built-in plugin is written."""
    if isinstance(spec, metaopt.CorpusSpec):
        return sys.modules[spec.load.__module__]
    holders = [
        module
        for name, module in sorted(sys.modules.items())
        if re.match(r"metaopt_\w+\.", name) and any(value is spec for value in vars(module).values())
    ]
    named = [module for module in holders if module.__name__.endswith(f".{spec.name}")]
    return (named or holders)[0]


def described(module: ModuleType) -> tuple[str, str]:
    """A module's docstring without, and as the second only, the paragraph that says when to use the plugin."""
    paragraphs = inspect.cleandoc(module.__doc__ or "").split("\n\n")
    uses = [paragraph for paragraph in paragraphs if paragraph.startswith(USE)]
    if len(uses) != 1:
        raise ValueError(f"{module.__name__}: its docstring needs one paragraph that begins with {USE!r}.")
    use = uses[0].removeprefix(USE)
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph not in uses), use[0].upper() + use[1:]


_KINDS = {
    "optimizer": "An [optimizer](../../glossary.md#optimizer)",
    "wrapper": "A [wrapper](../../glossary.md#wrapper)",
    "controller": "A [controller](../../glossary.md#controller)",
    "stopper": "A [stopper](../../glossary.md#stopper)",
    "learner": "A [learner](../../glossary.md#learner)",
    "weighting": "A [weighting](../../glossary.md#weighting)",
    "surgery": "A [surgery](../../glossary.md#surgery)",
    "corpus": "A [corpus](../../glossary.md#corpus)",
}


def _function(spec: metaopt.PluginSpec) -> Iterator[str]:
    """What the docstring of the policy itself adds: its formula, and what its hyperparameters mean."""
    documented = _policy(spec)
    docstring = inspect.cleandoc(documented.__doc__ or "") if documented is not None else ""
    if not docstring:
        return
    body, _, sections = docstring.partition("\n\nArgs:\n")
    yield from (re.split(r"\n\n(?:Returns|Raises|Attributes|Example):\n", body)[0], "")
    meaning = re.search(r"^    hparams: (.*?)(?=^    \w+: |^\w+:|\Z)", sections, flags=re.MULTILINE | re.DOTALL)
    if meaning:
        first, *others = inspect.cleandoc(meaning[1]).splitlines()
        sentence = " ".join([first, *(line.strip() for line in others)]).strip()
        sentence = _SHAPES.sub("", sentence)
        yield from (f"Hyperparameters: {sentence}", "")


#: What matters to whoever plays many policies at once, and not to whoever sets one.
_SHAPES = re.compile(
    r" Numbers, or arrays of shape \(policies, 1, 1\)\.|; a number, or an array of shape \(policies, 1, 1\)"
)


def _policy(spec: metaopt.PluginSpec) -> Any:
    """The function or class whose docstring says what a controller or a stopper does."""
    if isinstance(spec, metaopt.StopperSpec):
        return spec.fires or spec.factory
    if isinstance(spec, metaopt.ControllerSpec):
        return getattr(spec.controller, "formula", type(spec.controller))
    return None


def _tasks(spec: metaopt.CorpusSpec) -> Iterator[str]:
    """A row a task, where the corpus needs no data that may be absent."""
    try:
        corpus = spec.load()
    except metaopt.MissingDataError:
        return
    yield from ("| task | family | steps | better when |", "|---|---|---|---|")
    for task in corpus.tasks:
        better = {"min": "lower", "max": "higher"}[task.mode]
        yield f"| `{task.name}` | {task.family} | {task.num_steps} | {better} |"
    yield ""


def _hyperparameters(spec: metaopt.PluginSpec) -> Iterator[str]:
    space = spec.full_space
    if not space:
        yield "None."
        return
    yield from ("| name | default | tuning proposes | you may give |", "|---|---|---|---|")
    for name in [*spec.space, *(name for name in space if name not in spec.space)]:
        distribution = space[name]
        note = f"; {_condition(distribution.when)}" if distribution.when else ""
        cells = (f"`{name}`", _value(distribution.default), _proposed(distribution) + note, _valid(distribution))
        yield f"| {' | '.join(cells)} |"
    if any(isinstance(value, metaopt.Categorical) and isinstance(value.default, str) for value in space.values()):
        yield from ("", "Give strings as they stand here. Formulas see their place in the row, from 0.")
    meta = sorted(set(space) - set(spec.space))
    if meta and not isinstance(spec, metaopt.SurgerySpec):
        yield from ("", f"{_names(meta)} belong to [meta-training](../../glossary.md#meta-training) alone.")


def _proposed(distribution: metaopt.Float | metaopt.Int | metaopt.Categorical) -> str:
    if isinstance(distribution, metaopt.Categorical):
        return ", ".join(_value(choice) for choice in distribution.tuned)
    if distribution.low == distribution.high:
        return f"{distribution.low:g} alone"
    scale = ", log scale" if distribution.log else ""
    return f"{distribution.low:g} to {distribution.high:g}{scale}"


def _valid(distribution: metaopt.Float | metaopt.Int | metaopt.Categorical) -> str:
    if isinstance(distribution, metaopt.Categorical):
        return ", ".join(_value(choice) for choice in distribution.choices)
    whole = "whole numbers in " if isinstance(distribution, metaopt.Int) else ""
    return f"{whole}{distribution.domain}".replace(", ", ",\N{NO-BREAK SPACE}")


def _condition(when: metaopt.When) -> str:
    if when.among is not None:
        return f"where `{when.name}` is {' or '.join(_value(value) for value in when.among)}"
    return f"where `{when.name}` is above {when.above:g}"


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else f"`{value!r}`" if isinstance(value, str) else str(value)


def _use(spec: metaopt.PluginSpec) -> list[str]:
    signals = sorted(spec.requires)
    needs = ["", f"It needs {', '.join(_signal(name) for name in signals)}."] if signals else []
    return ["```python", use_line(spec), "```", *needs]


def _signal(name: str) -> str:
    """A signal, and what it is."""
    if name == "horizon":
        return "the planned number of steps (`total_steps`)"
    return f"the [signal](../../glossary.md#signal) `{name}`"


def use_line(spec: metaopt.PluginSpec) -> str:
    """The line of Python that makes the plugin by its name, or its weights where none ship."""
    plan = ", total_steps=1_000" if "horizon" in spec.requires else ""
    if isinstance(spec, metaopt.CorpusSpec):
        return f'corpus = metaopt.load_corpus("{spec.name}")'
    if isinstance(spec, metaopt.StopperSpec):
        others = ', stoppers=["patience", "divergence"]' if spec.combines else ""
        theta = ", theta=theta" if spec.fit is not None and spec.shipped is None else ""
        why = "  # theta: what `metaopt replay --json` learned from recorded curves" if theta else ""
        return f'stopper = metaopt.create_stopper("{spec.name}", mode="min"{others}{theta}){why}'
    if isinstance(spec, metaopt.ControllerSpec) and spec.cadence == "step":  # which only a run can ask
        return f'recipe = metaopt.Recipe.create(metaopt.Configuration("sgd", "{spec.name}"))'
    if isinstance(spec, metaopt.ControllerSpec):
        return f'scheduler = metaopt.create_scheduler("{spec.name}", optimizer{plan})'
    if isinstance(spec, metaopt.WrapperSpec):
        return f'optimizer = metaopt.create_optimizer("adamw", model, wrappers=["{spec.name}"]{plan})'
    if isinstance(spec, metaopt.WeightingSpec | metaopt.SurgerySpec):
        return f'configuration = metaopt.Configuration("adamw", {spec.kind}="{spec.name}")'
    if isinstance(spec, metaopt.LearnerSpec):
        return f'result = metaopt.meta_train("{spec.name}", corpus)  # episodes, such as load_corpus("omniglot")'
    if isinstance(spec, metaopt.OptimizerSpec) and spec.meta is not None and spec.meta.shipped is None:
        return f'result = metaopt.meta_train("{spec.name}", corpus)  # no weights ship'
    matrices = isinstance(spec, metaopt.OptimizerSpec) and spec.takes == "matrices"
    params = "[param for param in model.parameters() if param.ndim > 1]" if matrices else "model"
    return f'optimizer = metaopt.create_optimizer("{spec.name}", {params}{plan})'


def _scores(spec: metaopt.PluginSpec, root: Path) -> Iterator[str]:
    recipes = recipes_with(root, spec.kind, spec.name)
    if recipes:
        yield from ("Recipes that ship and use it:", "", "| recipe | score of the whole recipe |", "|---|---|")
        yield from (*recipes, "")
    lines = measured(root, spec.kind, spec.name)
    yield from lines
    if not recipes and not lines:
        yield from ("Not measured by itself.", "")


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _sentence(summary: str) -> str:
    return f"{summary[:1].upper()}{summary[1:]}{'' if summary.endswith('.') else '.'}"


def _uri(spec: metaopt.PluginSpec) -> str:
    return f"{FOLDER}/{spec.kind}/{spec.name}.md"


def _replaced(entry: Any, pages: list[Any]) -> Any:
    """An entry of the navigation, with the pages where it names the folder."""
    if isinstance(entry, dict):
        return {title: pages if below == f"{FOLDER}/" else below for title, below in entry.items()}
    return entry
