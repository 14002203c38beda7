"""A recipe: optimizer, controller and stopper with their hyperparameters, learned weights, and where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self, final

import torch
from torch import nn

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import Mode, RateLaw, Scale, Theta, Watch
from metaopt.deploy import (
    Distributed,
    GuardPolicy,
    Implementation,
    Params,
    Run,
    StopperConfiguration,
    build_stopper,
    stopper_specs,
)
from metaopt.errors import check_positive, checked_function, known_keywords, one_line
from metaopt.files import as_path
from metaopt.plugin import PluginSpec, Registry, current_registry
from metaopt.recipe.binding import bound
from metaopt.recipe.code import plain_code
from metaopt.recipe.document import document_of, text_of
from metaopt.recipe.host_signals import host_signals
from metaopt.recipe.initialization import Support, load_start
from metaopt.recipe.provenance import MadeOn, other_stopper, provenance_of, recorded, values_of, versions
from metaopt.recipe.saving import bytes_of_theta, save_files
from metaopt.recipe.scaled_rate import peak_rate
from metaopt.recipe.sharing.push import pushed
from metaopt.space import Value


@final
@known_keywords()
@dataclass(frozen=True, eq=False, repr=False)
class Recipe:
    """What to train with. Make one with `Recipe.create`, `metaopt.tune` or `metaopt.load_recipe`.

    Two recipes are equal if all they would write to disk is equal, learned weights included.

    Attributes:
        configuration: optimizer, wrappers, controller and their hyperparameters.
        stopper: the early-stopping policy, or None.
        theta: learned weights by name, or None.
        made_on: the range of tasks it was made on, or None.
        num_validations: validations of a run, evenly spread, in which its stopper was tuned; None if unknown.
        plugins: version of each plugin's spec, by `"<kind> <name>"`.
        provenance: plain JSON: `created`, `libraries`, `distributions`, `corpus`, `seeds`, `scores`, whatever else.
    """

    configuration: Configuration
    stopper: StopperConfiguration | None = None
    theta: Theta | None = None
    made_on: MadeOn | None = None
    num_validations: int | None = None
    plugins: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def create(
        cls,
        configuration: Configuration,
        stopper: StopperConfiguration | None = None,
        *,
        registry: Registry | None = None,
        **fields: Any,
    ) -> Self:
        """A recipe whose plugins are found and checked, with their versions, the libraries' and the time on record.

        Args:
            configuration: optimizer, wrappers and controller.
            stopper: the early-stopping policy, or None.
            registry: where to find the plugins; everything installed by default.
            **fields: further attributes; entries of `provenance` come on top of those that are filled in.

        Raises:
            PluginError: a plugin is unknown.
            InputError: a hyperparameter is not valid.
        """
        registry = current_registry(registry)
        specs = cls(configuration, stopper).checked_plugins(registry)
        provenance = {**provenance_of(specs, registry), **fields.pop("provenance", {})}
        return cls(configuration, stopper, plugins=versions(specs), provenance=provenance, **fields)

    def __post_init__(self) -> None:
        check_positive("num_validations", self.num_validations, or_none=True)

    def checked_plugins(self, registry: Registry) -> tuple[PluginSpec, ...]:
        """The specs of all its plugins, each checked against its hyperparameters; raises what `create` raises."""
        assembly = self.assembly(registry)
        if self.stopper is None:
            return assembly.specs
        build_stopper(self.stopper, mode="min", registry=registry)
        return (*assembly.specs, *stopper_specs(self.stopper, registry))

    def assembly(self, registry: Registry) -> Assembly:
        """Its plugins, hyperparameters checked. Raises what `create` raises."""
        return assemble(self.configuration, registry)

    @checked_function()
    def bind(
        self,
        model: Params,
        *,
        total_steps: int | None = None,
        mode: Mode = "min",
        batch_size: int | None = None,
        keep_best: str | torch.device | None = "cpu",
        guard: GuardPolicy | bool = "fallback",
        fallback: str = "nadamw",
        roles: Mapping[str, str] | None = None,
        implementation: Implementation = "auto",
        compile: bool = False,
        pretrained: bool | None = None,
        scale_rate: bool = True,
        accelerator: Any = None,
        distributed: Distributed = "auto",
        watch: Watch | None = None,
        registry: Registry | None = None,
    ) -> Run:
        """Put the recipe to work on a model, whose parameters it leaves as they are.

        Args:
            model: its parameters that require gradients are trained; with bare ones or groups, no buffers are kept.
            total_steps: planned number of optimizer steps, `epochs * len(loader)`.
            mode: `"min"` if the metric given to `run.observe` is better when lower, `"max"` if when higher.
            batch_size: examples of one optimizer step, micro-batch × accumulation × ranks; a law of rates goes by it.
            keep_best: device of the copy of the best weights, or None to keep none.
            guard: what to do where training goes wrong. `"fallback"`: a step whose gradients are not finite, or too
                large to be squared in float32, is skipped and counted, with a warning for the first one; `run.observe`
                says stop after 20 of them in a row, and once neither metric nor weights are finite; a learned rule
                hands over to `fallback` then, and where it is out of its depth. `"raise"`: the first such step, and
                such a rule, are errors. `"off"`: none of this.
            fallback: the optimizer that takes over, at its defaults.
            roles: role by pattern of names, `{"lm_head.*": "head"}`, in place of what `metaopt.roles` finds.
            implementation: see `metaopt.create_optimizer`.
            compile: see `metaopt.create_optimizer`.
            pretrained: whether the model's weights come from a training before; None for what the recipe was made on.
            scale_rate: whether the recipe's law of rates acts; without it the rate is the `lr` that is stated.
            accelerator: of one process or DDP; prepares the optimizer, and has `run.step` wait for a batch's last part.
            distributed: a process group whose ranks train this model together and agree on losses and decisions.
                `"auto"`: that of its `DistributedDataParallel`, else torch's default one; None: train alone.
            watch: a function, or several, that is called with each `metaopt.Event`; rank 0 alone calls it.
            registry: where to find the plugins; everything installed by default.

        Raises:
            PluginError: a plugin is unknown, or requires a signal that a training loop does not supply.
            InputError: `total_steps` is missing though a plugin needs it, or not valid.

        Warns:
            UserWarning: a role's optimizer has nothing to train, or model or plan are far from what it was made on.

        Example:
            >>> import torch, metaopt
            >>> recipe = metaopt.Recipe.create(metaopt.Configuration("adamw", "cosine"))
            >>> model = torch.nn.Linear(2, 1)
            >>> run = recipe.bind(model, total_steps=100)
            >>> (loss := model(torch.ones(1, 2)).square().mean()).backward()
            >>> run.step(loss)
            >>> run.observe(loss).stop
            False
        """
        return bound(
            self,
            model,
            total_steps=total_steps,
            mode=mode,
            batch_size=batch_size,
            keep_best=keep_best,
            guard=guard,
            fallback=fallback,
            roles=roles,
            implementation=implementation,
            compile=compile,
            pretrained=pretrained,
            scale_rate=scale_rate,
            accelerator=accelerator,
            distributed=distributed,
            watch=watch,
            registry=current_registry(registry),
        )

    @property
    def requires(self) -> frozenset[str]:
        """What a host has to supply: `"loss"`, `"horizon"` (`total_steps`), `"metric"`, other keywords of `observe`."""
        return host_signals(self.assembly(current_registry()), self.stopper, current_registry())

    @property
    def values(self) -> dict[str, Value]:
        """By name, of what its tasks have of their own (`Task.space`): what to make model and loader with."""
        return values_of(self.configuration, self.provenance)

    @property
    def rate_law(self) -> Mapping[str, RateLaw]:
        """By optimizer, how its rate follows parameters, batch and steps; empty where rates are as stated."""
        return self.configuration.rate_law

    @checked_function()
    def rate_at(
        self,
        *,
        parameters: float | None = None,
        batch_size: float | None = None,
        total_steps: float | None = None,
        optimizer: str | None = None,
    ) -> float:
        """The peak rate of a training: lr · (N/10,000)^-a · (B/64)^b · (T/500)^-d; see `metaopt.RateLaw`.

        Args:
            parameters: N, trainable numbers; 10,000 if left out.
            batch_size: B, examples of one optimizer step; 64 if left out.
            total_steps: T, planned steps; 500 if left out.
            optimizer: which of several; the recipe's own if left out.

        Raises:
            InputError: a number is not above 0, or the optimizer is none of the recipe's, or has no rate.
        """
        return peak_rate(self.configuration, Scale(parameters, batch_size, total_steps), optimizer, current_registry())

    @checked_function()
    def load_initialization(
        self, model: nn.Module, support: Support | None = None, *, registry: Registry | None = None
    ) -> None:
        """Put the learned start into a model; `bind` then adapts it in an ordinary loop.

        Args:
            model: whose trained parameters have the names and shapes of meta-training.
            support: inputs and targets, for recipes that make their last layer from them (Proto-MAML).
            registry: where to find the plugins; everything installed by default.

        Raises:
            InputError: the recipe learned none, or a parameter's name or shape differs: nothing is written then.
        """
        load_start(self.assembly(current_registry(registry)), self.theta, model, support)

    def save(self, directory: str | Path) -> None:
        """Write `recipe.json` and, where there is theta, `theta.safetensors`; RecipeError if that fails.

        Written beside, then moved into place: whatever goes wrong, a recipe that was there before survives.
        """
        save_files(self.text, self.theta_bytes, as_path(directory, "The folder of a recipe"))

    def push_to_hub(self, repository: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Commit it to the Hugging Face Hub, with a card; returns the commit's address, for `metaopt.load_recipe`.

        Args:
            repository: `"user/name"`, made where it is missing; `"user/name@branch"` for a branch that is there.
            private: whether a new repository is for its owner alone; the owner's default if left out.
            token: of the Hub; that of `hf auth login` or of the environment if left out.

        Raises:
            RecipeError: huggingface-hub is missing, the name is not valid, or the Hub refuses it.
        """
        return pushed(self, repository, current_registry(), private=private, token=token)

    def code(self, registry: Registry | None = None) -> str:
        """Plain PyTorch lines that train as this recipe does without metaopt; RecipeError where a plugin has none."""
        registry = current_registry(registry)
        return plain_code(self.assembly(registry), self.stopper, registry, self.values, has_theta=bool(self.theta))

    def to_json(self) -> dict[str, Any]:
        """The document that `save` writes."""
        return document_of(self)

    @cached_property
    def theta_bytes(self) -> bytes:
        """Learned weights in the safetensors format; empty where there are none."""
        return bytes_of_theta(self.theta) if self.theta else b""

    @cached_property
    def text(self) -> str:
        """The JSON document as text, with sorted keys; RecipeError where the provenance is not plain JSON."""
        return text_of(self.to_json())

    @property
    def name(self) -> str:
        """One line for tables, such as `"adamw+cosine+patience"`."""
        return self.configuration.title + ("" if self.stopper is None else f"+{self.stopper.name}")

    def with_stopper(self, stopper: StopperConfiguration | None, registry: Registry | None = None) -> "Recipe":
        """The same recipe with another stopper."""
        return other_stopper(self, stopper, current_registry(registry))

    def __repr__(self) -> str:
        stopper, theta = self.stopper and self.stopper.name, f"{len(self.theta)} tensors" if self.theta else None
        corpus = recorded(self.provenance, "corpus").get("name", self.made_on)
        return one_line(self, name=self.name, stopper=stopper, theta=theta, made_on=corpus)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)
