"""What every learner must do."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from metaopt.configuration import Configuration
from metaopt.contracts import BACKBONE, SupportSet, Tensors
from metaopt.learners import Backbone, Comparison, one_hot, served
from metaopt.plugin import LearnerSpec, Registry
from metaopt.space import Value, resolve
from metaopt.testing.answers import call_plugin, describe, require_answer, require_tensors
from metaopt.testing.comparison import require_close, require_finite, require_same
from metaopt.testing.errors import NotApplicable, require
from metaopt.testing.rules.subject import CONSTANT
from metaopt.testing.samples import draws, generator
from metaopt.testing.stoppers.recipes import require_survives

#: Of one example, as vectors and as maps.
VECTOR, MAP = (6,), (4, 3, 3)
#: Examples of each class: none of them alike.
SHOTS = (3, 1, 2)


def answers_soundly(spec: LearnerSpec) -> None:
    """From features and one-hot labels it makes finite logits, a row for each query and a column for each class."""
    for values in _values(spec):
        for shots in ((1, 1), SHOTS, (2, 2, 2, 2, 2)):
            support, labels, queries = _episode(spec, shots)
            theta = _theta(spec, values)
            kept = _kept(spec, support, labels, theta, values)
            logits = call_plugin(spec.predict, "kept, queries, theta, hparams", kept, queries, theta, values)
            wanted = (len(queries), len(shots))
            require_answer(
                isinstance(logits, Tensor) and tuple(logits.shape) == wanted,
                f"predict must give logits of shape {wanted}, got {describe(logits)}.",
                spec.predict,
            )
            require_finite(logits, f"Logits of {len(shots)} classes with {list(shots)} examples", spec.predict)


def leaves_inputs_alone(spec: LearnerSpec) -> None:
    """It writes nothing in place: features, labels, theta and what was kept stay as they are."""
    for values in _values(spec):
        support, labels, queries = _episode(spec, SHOTS)
        theta = _theta(spec, values)
        given = {"support": support.clone(), "labels": labels.clone(), "queries": queries.clone()}
        kept = _kept(spec, support, labels, theta, values)
        before = {name: value.clone() for name, value in kept.items()}
        spec.predict(kept, queries, theta, values)
        require_same({"support": support, "labels": labels, "queries": queries}, given, "Inputs", spec.fit)
        require_same(kept, before, "What was kept", spec.predict)
        require_same(theta, _theta(spec, values), "Theta", spec.fit)


def is_deterministic(spec: LearnerSpec) -> None:
    """The same support set and queries give the same logits."""
    for values in _values(spec):
        require_same(_logits(spec, values, SHOTS), _logits(spec, values, SHOTS), "Logits of a second call", spec.fit)


def theta_is_reproducible(spec: LearnerSpec) -> None:
    """Equal generators give equal first weights, finite tensors by name."""
    if spec.init_theta is None:
        raise NotApplicable("It has no weights of its own.")
    for values in _values(spec):
        first = call_plugin(spec.init_theta, "shape, generator, hparams", _shape(spec), generator(5), values)
        require_tensors(first, "What init_theta returns", spec.init_theta)
        require_finite(first, "First weights", spec.init_theta)
        require_same(spec.init_theta(_shape(spec), generator(5), values), first, "First weights", spec.init_theta)


def queries_do_not_see_each_other(spec: LearnerSpec) -> None:
    """The logits of a query are the same alone and among others."""
    for values in _values(spec):
        support, labels, queries = _episode(spec, SHOTS)
        theta = _theta(spec, values)
        kept = _kept(spec, support, labels, theta, values)
        together = spec.predict(kept, queries, theta, values)
        alone = torch.cat([spec.predict(kept, query, theta, values) for query in queries.split(1)])
        require_close(alone, together, "Logits of queries one by one", rtol=1e-4, atol=1e-4, at=spec.predict)


def numbers_of_classes_mean_nothing(spec: LearnerSpec) -> None:
    """Classes that are numbered another way have the same logits, in the other order."""
    order = torch.tensor([2, 0, 1])
    for values in _values(spec):
        support, labels, queries = _episode(spec, SHOTS)
        theta = _theta(spec, values)
        one, other = (
            spec.predict(_kept(spec, support, own, theta, values), queries, theta, values)
            for own in (labels, labels[:, order])
        )
        require_close(other, one[:, order], "Logits of classes in another order", rtol=1e-4, atol=1e-4, at=spec.fit)


def runs_side_by_side(spec: LearnerSpec) -> None:
    """`torch.vmap` over episodes gives what one after the other does."""
    if spec.trains_backbone:
        raise NotApplicable("It trains the backbone, episode by episode.")
    for values in _values(spec):
        theta = _theta(spec, values)
        episodes = [_episode(spec, (2, 2, 2), seed) for seed in range(3)]

        def single(
            support: Tensor, labels: Tensor, queries: Tensor, theta: Tensors = theta, values: Any = values
        ) -> Tensor:
            return spec.predict(spec.fit(support, labels, theta, values), queries, theta, values)

        stacked = [torch.stack(parts) for parts in zip(*episodes, strict=True)]
        side_by_side: Callable[..., Tensor] = torch.vmap(single, randomness="different")
        require_close(
            side_by_side(*stacked),
            torch.stack([single(support, labels, queries) for support, labels, queries in episodes]),
            "Logits under torch.vmap",
            rtol=1e-4,
            atol=1e-4,
            at=spec.fit,
        )


def gradients_pass(spec: LearnerSpec) -> None:
    """The gradient of a loss on queries reaches the features, and all of theta in a learner that has some."""
    if spec.classify is not None:
        raise NotApplicable("Its features are trained on all classes at once.")
    for values in _values(spec):
        support, labels, queries = (tensor.requires_grad_() for tensor in _episode(spec, SHOTS))
        theta = {name: value.requires_grad_() for name, value in _theta(spec, values).items()}
        logits = spec.predict(spec.fit(support, labels.detach(), theta, values), queries, theta, values)
        named = {"the support set": support, "the queries": queries, **theta}
        targets = torch.arange(len(queries)) % len(SHOTS)
        loss = nn.functional.cross_entropy(logits, targets)
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        for name, gradient in zip(named, gradients, strict=True):
            require(gradient is not None, f"No gradient reaches {name}.", spec.predict)
            if gradient is not None:
                require_finite({name: gradient}, "Gradients", spec.predict)


def keeps_dtype(spec: LearnerSpec) -> None:
    """From float64 features and weights it makes float64 logits."""
    for values in _values(spec):
        logits = _logits(spec, values, SHOTS, torch.float64)
        require(logits.dtype == torch.float64, f"Logits of float64 features are {logits.dtype}.", spec.predict)


def classifies_classes(spec: LearnerSpec) -> None:
    """Logits of all classes that features are trained on have a row for each example and a column for each class."""
    if spec.classify is None:
        raise NotApplicable("It is trained in episodes.")
    for values in _values(spec):
        features = torch.randn(5, 6, generator=generator(1))
        weights = torch.randn(7, 6, generator=generator(2))
        logits = call_plugin(spec.classify, "features, weights, hparams", features, weights, values)
        require_answer(
            isinstance(logits, Tensor) and tuple(logits.shape) == (5, 7),
            f"classify must give logits of shape (5, 7), got {describe(logits)}.",
            spec.classify,
        )


def learner_survives_a_recipe(spec: LearnerSpec) -> None:
    """A recipe with it comes back from disk as it was."""
    registry = Registry()
    registry.register(spec)
    registry.register(CONSTANT)
    for values in draws(spec.space, 3):
        hparams = {f"{spec.name}.{name}": value for name, value in values.items()}
        require_survives(
            Configuration(learner=spec.name, hparams=hparams), registry, theta=_theta(spec, values) or None
        )


def serves_a_model(spec: LearnerSpec) -> None:
    """On a model with batch norm it predicts alike for a query alone and among others, and takes a class more."""
    values = resolve(spec.full_space, {}, spec.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)
        )
    inputs = torch.randn(6, 1, 4, 4, generator=generator(7))
    targets = torch.tensor([0, 1, 0, 1, 1, 1])
    comparison = Comparison(spec, values, Backbone(model, inputs[:2], None, "running"))
    module = served(spec, values, comparison.init_theta(generator(8)), model, None, inputs, targets).eval()
    queries = torch.randn(3, 1, 4, 4, generator=generator(9))
    alone = torch.cat([module(query) for query in queries.split(1)])
    require_close(alone, module(queries), "Logits of queries one by one", rtol=1e-4, atol=1e-4, at=spec.predict)
    more = module.extended(queries[:1], torch.tensor([2]))
    shape = tuple(more(queries).shape)
    require(shape == (3, 3), f"With a class added, logits have shape {shape}, expected (3, 3).", spec.predict)


CHECKS: tuple[Callable[[LearnerSpec], None], ...] = (
    theta_is_reproducible,
    answers_soundly,
    leaves_inputs_alone,
    is_deterministic,
    queries_do_not_see_each_other,
    numbers_of_classes_mean_nothing,
    runs_side_by_side,
    gradients_pass,
    keeps_dtype,
    classifies_classes,
    learner_survives_a_recipe,
    serves_a_model,
)


def _values(spec: LearnerSpec) -> list[dict[str, Value]]:
    """Hyperparameters to try, those that every learner has at their defaults."""
    return [resolve(spec.full_space, values, spec.name) for values in draws(spec.space, 4)]


def _shape(spec: LearnerSpec) -> tuple[int, ...]:
    return MAP if spec.takes_maps else VECTOR


def _theta(spec: LearnerSpec, values: Mapping[str, Value], dtype: torch.dtype = torch.float32) -> Tensors:
    own = {} if spec.init_theta is None else spec.init_theta(_shape(spec), generator(5), values)
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in own.items()}


def _episode(
    spec: LearnerSpec, shots: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    """Features of a support set, its one-hot labels, features of four queries."""
    source = generator(seed)
    targets = torch.repeat_interleave(torch.arange(len(shots)), torch.tensor(shots))
    support = torch.randn(len(targets), *_shape(spec), generator=source).to(dtype)
    queries = torch.randn(4, *_shape(spec), generator=source).to(dtype)
    return support, one_hot(targets, len(shots), dtype), queries


def _kept(spec: LearnerSpec, support: Tensor, labels: Tensor, theta: Tensors, values: Mapping[str, Value]) -> Tensors:
    given: Any = support
    if spec.trains_backbone:  # a backbone that stretches the features
        given = SupportSet({"stretch": torch.ones(support.shape[1:])}, lambda weights: support * weights["stretch"])
    kept = call_plugin(spec.fit, "support, labels, theta, hparams", given, labels, theta, values)
    require_tensors(kept, "What fit returns", spec.fit)
    require_finite(kept, "What fit returns", spec.fit)
    known = {f"{BACKBONE}stretch"} if spec.trains_backbone else set()
    unknown = sorted(name for name in kept if name.startswith(BACKBONE) and name not in known)
    require(not unknown, f"What fit returns has {unknown}, which are no weights of the backbone.", spec.fit)
    return dict(kept)


def _logits(
    spec: LearnerSpec, values: Mapping[str, Value], shots: tuple[int, ...], dtype: torch.dtype = torch.float32
) -> Tensor:
    support, labels, queries = _episode(spec, shots, dtype=dtype)
    theta = _theta(spec, values, dtype)
    if spec.trains_backbone:
        stretch = torch.ones(support.shape[1:], dtype=dtype)
        given: Any = SupportSet({"stretch": stretch}, lambda weights: support * weights["stretch"])
        return spec.predict(spec.fit(given, labels, theta, values), queries, theta, values)
    return spec.predict(spec.fit(support, labels, theta, values), queries, theta, values)
