"""`metaopt.adapt`: a model, a recipe and a few examples; a predictor."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metaopt.contracts import BatchNormPolicy, give_shapes, is_unshaped
from metaopt.errors import InputError, check_positive, checked_function, quoted
from metaopt.learners import Backbone, ServedLearner, served
from metaopt.plugin import Registry, current_registry
from metaopt.pure_layers import FirstRows, needs_support, with_policy
from metaopt.recipe.initialization import Support, learned_start
from metaopt.recipe.provenance import recorded
from metaopt.recipe.recipe import Recipe


@final
class Predictor:
    """An adapted model, or a learner that has seen a support set; call it with inputs of shape (n, …).

    Attributes:
        model: the adapted copy, in evaluation mode; of a learner the module that compares, whose `kept` are its
            prototypes or whatever it keeps of the support set.
        losses: training loss before each step; empty for a learner.
        is_transductive: whether the output for an input depends on the others it is given with, by way of batch norm.
    """

    def __init__(self, model: nn.Module, support: Tensor, losses: list[float], is_transductive: bool) -> None:
        self.model = model.eval()
        self.losses = losses
        self.is_transductive = is_transductive
        self._support = support if needs_support(model) else None

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> Tensor:
        """The model's output."""
        if self._support is None:
            output: Tensor = self.model(inputs)
            return output
        count = len(self._support)
        with FirstRows(self.model, count):
            both: Tensor = self.model(torch.cat([self._support, inputs]))
        return both[count:]

    def extended(self, support: Support) -> "Predictor":
        """The same with further examples, of known classes or of new ones: nothing is learned anew.

        Args:
            support: inputs and class numbers, shape (n, …); new classes are numbered on without a gap.

        Raises:
            InputError: it is no learner's, or the support set is not valid.
        """
        if not isinstance(self.model, ServedLearner):
            raise InputError(
                "A model that was adapted step by step takes no further examples: call metaopt.adapt with all of them, "
                "or use a learner such as 'protonet'."
            )
        inputs, targets = _checked(support)
        return Predictor(self.model.extended(inputs, targets), inputs, [], self.is_transductive)


@checked_function()
def adapt(
    model: nn.Module,
    recipe: Recipe,
    support: Support,
    *,
    num_steps: int | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    batch_norm: BatchNormPolicy | None = None,
    features: str | None = None,
    registry: Registry | None = None,
) -> Predictor:
    """Make a predictor of a model and a few examples, as the recipe learned to; the model stays as it is.

    A rule trains a copy, from the recipe's learned initialisation where it has one, else from the model's weights. A
    learner compares features: of the recipe's weights where it has some, else of the model's. The classes are those of
    the support set, however many there were in meta-training, with any number of examples each.

    Args:
        model: of the shapes that the recipe was meta-trained with; for learners its head does not matter.
        recipe: with learned weights, or any other.
        support: inputs and targets, shape (n, …) each.
        num_steps: steps on them, all at once; as many as in meta-training if left out.
        loss: `(output, targets) -> 0-d tensor`; cross-entropy for class numbers, squared error otherwise.
        batch_norm: whose statistics batch norm layers use (see `metaopt.FewShotTask`); those of meta-training, or
            `"batch"`, if left out. Learners have a hyperparameter for it.
        features: for learners, the part of the model whose output is compared; that of meta-training if left out.
        registry: where plugins are; everything installed by default.

    Raises:
        InputError: a parameter has another name or shape than the recipe learned, the support set is not valid, or the
            number of steps is not known; a learner is given steps, a loss or statistics, a rule features.

    Example:
        >>> import torch, metaopt
        >>> from metaopt.configuration import Configuration
        >>> recipe = metaopt.Recipe.create(Configuration("sgd", hparams={"sgd.lr": 0.1}))
        >>> predictor = metaopt.adapt(torch.nn.Linear(1, 1), recipe, (torch.ones(4, 1), torch.ones(4, 1)), num_steps=5)
        >>> predictor(torch.ones(2, 1)).shape
        torch.Size([2, 1])
    """
    if not isinstance(recipe, Recipe):
        raise InputError(f"recipe must be a metaopt.Recipe, got {quoted(recipe)}; metaopt.load_recipe reads one.")
    inputs, targets = _checked(support)
    given = {"num_steps": num_steps, "loss": loss, "batch_norm": batch_norm}
    if recipe.configuration.learner:
        return _compared(model, recipe, (inputs, targets), features, given, current_registry(registry))
    if features is not None:
        raise InputError(f"features= is for learners, and {recipe.name!r} trains the whole model; leave it out.")
    steps = _steps(recipe, num_steps)
    criterion = loss or (F.mse_loss if targets.is_floating_point() else F.cross_entropy)
    trained = recorded(recipe.provenance, "meta_training")
    policy: BatchNormPolicy = batch_norm if batch_norm is not None else (trained.get("batch_norm") or ["batch"])[0]
    adapted = with_policy(model, policy)
    if is_unshaped(adapted):
        give_shapes(adapted, inputs)
    registry = current_registry(registry)
    params = {name: param.detach() for name, param in adapted.named_parameters() if param.requires_grad}
    if learned_start(recipe.assembly(registry), recipe.theta, params) is not None:
        recipe.load_initialization(adapted, (inputs, targets), registry=registry)
    # Episodes are trained at the stated rate, too: a law is for trainings that begin anew.
    run = recipe.bind(adapted, total_steps=steps, keep_best=None, scale_rate=False, distributed=None, registry=registry)
    adapted.train()
    losses = []
    with torch.enable_grad():
        for _ in range(steps):
            run.optimizer.zero_grad()
            value = criterion(adapted(inputs), targets)
            value.backward()
            run.step(value)
            losses.append(float(value.detach()))
    with run.evaluating():
        transductive = policy == "batch" and Backbone.has_batch_norm(model)
        return Predictor(copy.deepcopy(adapted), inputs, losses, transductive)


def _compared(
    model: nn.Module,
    recipe: Recipe,
    support: Support,
    features: str | None,
    given: Mapping[str, Any],
    registry: Registry,
) -> Predictor:
    """The predictor of a learner."""
    assembly = recipe.assembly(registry)
    spec = assembly.learner
    assert spec is not None, "the caller has looked"
    stated = [name for name, value in given.items() if value is not None]
    if stated:
        instead = f"; its recipe says {assembly.meta_values['batch_norm']!r}" if stated == ["batch_norm"] else ""
        raise InputError(
            f"{spec.name!r} is a learner, which takes no steps on a support set; leave out {stated[0]}={instead}."
        )
    learned = recorded(recipe.provenance, "meta_training").get("features") or [None]
    part = learned[0] if features is None else features
    module = served(spec, assembly.meta_values, recipe.theta, model, part, *support)
    return Predictor(module, support[0], [], module.comparison.backbone.is_transductive)


def _checked(support: Any) -> Support:
    if (
        not isinstance(support, tuple | list)
        or len(support) != 2
        or not all(isinstance(part, Tensor) for part in support)
    ):
        raise InputError(f"support is a pair of tensors, (inputs, targets), got {type(support).__name__}.")
    inputs, targets = support
    if len(inputs) != len(targets) or len(inputs) == 0:
        raise InputError(
            f"The support set has {len(inputs)} inputs and {len(targets)} targets; it needs as many of each."
        )
    return inputs, targets


def _steps(recipe: Recipe, num_steps: int | None) -> int:
    learned = recorded(recipe.provenance, "meta_training").get("inner_steps") or [None]
    steps = num_steps if num_steps is not None else learned[0]
    if steps is None:
        raise InputError(
            "This recipe was not meta-trained, so it does not know how many steps to take: pass num_steps=."
        )
    check_positive("num_steps", steps)
    return steps
