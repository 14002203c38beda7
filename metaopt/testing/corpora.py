"""What every corpus must hold."""

from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from metaopt.contracts import Corpus, Episodes, FewShotTask, Split, Splits, Task, check_trains, default_for
from metaopt.errors import InputError, MissingDataError, quoted
from metaopt.inner import loop_reason
from metaopt.meta import InnerLoop, Unrolls, Window, check_adapts
from metaopt.plugin import CorpusSpec
from metaopt.tasks import PARTITIONS
from metaopt.testing.answers import call_plugin, describe, require_answer
from metaopt.testing.comparison import require_same
from metaopt.testing.errors import ConformanceError, NotApplicable, require
from metaopt.testing.rules.subject import DESCENT, Subject


def loads_a_corpus(spec: CorpusSpec) -> None:
    """It loads, and the models and losses of its tasks take its data."""
    for task in _corpus(spec):
        if isinstance(task, Task):
            splits, model = task.splits, task.build(0)
            message = (
                f"Task {task.name!r}: data must be metaopt.Splits, or a function that makes them; "
                f"got {describe(splits)}."
            )
            require(isinstance(splits, Splits), message, task.data if callable(task.data) else spec.load)
            message = f"Task {task.name!r}: model must make a torch.nn.Module, got {describe(model)}."
            require(isinstance(model, nn.Module), message, task.model)
            trains = any(param.requires_grad for param in model.parameters())
            require(trains, f"Task {task.name!r}: its model has nothing to train.", task.model)
            train = splits.train
            count = min(task.batch_size, len(train))
            with default_for(partial(tuple, (train.inputs, train.targets))):
                task.loss(model(train.inputs[:count]), train.targets[:count])


def loads_the_same_twice(spec: CorpusSpec) -> None:
    """Two loads give a corpus with the same tasks and the same fingerprint."""
    first, second = _corpus(spec), spec.load()
    for task in first:
        later = second[task.name].fingerprint
        require(
            later == task.fingerprint,
            f"The fingerprint of task {task.name!r} is {task.fingerprint} at first and {later} later; "
            "make data and models from seeds of their own.",
            spec.load,
        )
    require(first.fingerprint == second.fingerprint, "The fingerprint changes from load to load.", spec.load)


def splits_are_sound(spec: CorpusSpec) -> None:
    """Train, validation and test splits are finite, alike in shape and type, and share no examples."""
    for task in _tasks(spec):
        splits = task.splits
        parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
        for name, part in parts.items():
            for tensor in (part.inputs, part.targets):
                require(
                    not tensor.is_floating_point() or bool(torch.isfinite(tensor).all()),
                    f"Task {task.name!r}: the {name} split holds NaN or infinite numbers.",
                )
            kinds = {_kind(part), _kind(splits.train)}
            require(len(kinds) == 1, f"Task {task.name!r}: train and {name} examples differ: {sorted(kinds)}.")
        for name in ("validation", "test"):
            require(parts[name] is not splits.train, f"Task {task.name!r}: {name} and train are the same object.")
            share = _share_known(parts[name], splits.train)
            require(share < 0.5, f"Task {task.name!r}: {share:.0%} of the {name} examples are in the train split.")


def models_follow_the_seed(spec: CorpusSpec) -> None:
    """A task's model factory gives the same weights for the same seed."""
    for task in _tasks(spec):
        first, second = (dict(task.build(3).state_dict()) for _ in range(2))
        require_same(second, first, f"Task {task.name!r}: weights of a second model", task.model)


def losses_are_differentiable(spec: CorpusSpec) -> None:
    """At fresh weights a task's loss is one finite number with finite gradients, and so is its metric on each split."""
    for task in _tasks(spec):
        with default_for(partial(tuple, (task.splits.train.inputs, task.splits.train.targets))):
            _require_differentiable(task)


def runs_as_a_population(spec: CorpusSpec) -> None:
    """Every task trains as a vmapped population; one that cannot trains in a loop, for the reason given."""
    reasons = {task.name: loop_reason(task) for task in _tasks(spec)}
    loops = [f"{name}: {reason}" for name, reason in reasons.items() if reason is not None]
    if loops:
        raise NotApplicable(f"{len(loops)} of {len(reasons)} tasks train in a loop. " + "; ".join(loops) + ".")


def episodes_follow_the_generator(spec: CorpusSpec) -> None:
    """Equal generators draw equal episodes from every partition; episodes of one draw differ."""
    for task in _few_shot(spec):
        for partition in PARTITIONS:
            first, second = (task.source.sample(partition, 3, torch.Generator().manual_seed(4)) for _ in range(2))
            require(len(first) == 3, f"Task {task.name!r}: 3 {partition} episodes were asked for, {len(first)} came.")
            same = all(torch.equal(tensor, again) for tensor, again in zip(first.tensors, second.tensors, strict=True))
            require(same, f"Task {task.name!r}: equal generators draw different {partition} episodes.")
            alike = all(torch.equal(episodes[0], episodes[1]) for episodes in first.tensors)
            require(not alike, f"Task {task.name!r}: the {partition} episodes of one draw are all the same.")


def episodes_are_adapted_to_side_by_side(spec: CorpusSpec) -> None:
    """Gradient descent on several episodes at once gives finite losses and metrics; a loop where vmap cannot."""
    loops = []
    for task in _few_shot(spec):
        inner_loop = InnerLoop(task, Subject(DESCENT).assemble())
        episodes = task.source.sample("train", 2, torch.Generator().manual_seed(4))
        try:
            check_trains(task.name, task.build(0))
            check_adapts(inner_loop, episodes)
            reason = inner_loop.loop_reason
        except InputError as error:
            raise ConformanceError(str(error), task.model) from error
        window = Window(episodes, None if task.batch_size is None else _batches(episodes), 0, 1, 1)
        _, losses, metrics = Unrolls(inner_loop, {}, "eager").adapted({}, window, inner_loop.starts([0, 1]))
        fine = bool(torch.isfinite(losses).all()) and bool(torch.isfinite(metrics).all())
        require(
            fine, f"Task {task.name!r}: losses {losses.tolist()}, metrics {metrics.tolist()} are not finite.", task.loss
        )
        if reason is not None:
            loops.append(f"{task.name}: {reason}")
    if loops:
        raise NotApplicable("Episodes are adapted to one after the other. " + "; ".join(loops) + ".")


CHECKS: tuple[Callable[[CorpusSpec], None], ...] = (
    loads_a_corpus,
    loads_the_same_twice,
    splits_are_sound,
    models_follow_the_seed,
    losses_are_differentiable,
    runs_as_a_population,
    episodes_follow_the_generator,
    episodes_are_adapted_to_side_by_side,
)


@lru_cache(maxsize=1)
def _loaded(load: Callable[[], Corpus]) -> Corpus:
    try:
        corpus: Corpus = call_plugin(load, "")
        return corpus
    except MissingDataError as error:
        raise NotApplicable(str(error)) from error


def _corpus(spec: CorpusSpec) -> Corpus:
    corpus = _loaded(spec.load)
    require_answer(isinstance(corpus, Corpus), f"load must return a metaopt.Corpus, got {describe(corpus)}.", spec.load)
    return corpus


def _tasks(spec: CorpusSpec) -> list[Task]:
    """The ordinary tasks, whose data and model can be examined; black-box tasks hide theirs."""
    tasks = [task for task in _corpus(spec) if isinstance(task, Task)]
    if not tasks:
        raise NotApplicable("None of its tasks is an ordinary one.")
    return tasks


def _few_shot(spec: CorpusSpec) -> list[FewShotTask]:
    tasks = [task for task in _corpus(spec) if isinstance(task, FewShotTask)]
    if not tasks:
        raise NotApplicable("None of its tasks comes in episodes.")
    return tasks


def _batches(episodes: Episodes) -> tuple[Tensor, Tensor]:
    """One batch of the first two examples of each episode."""
    return episodes.support_inputs[:, None, :2], episodes.support_targets[:, None, :2]


def _require_differentiable(task: Task) -> None:
    model = task.build(0)
    train = task.splits.train
    count = min(task.batch_size, len(train))
    loss = task.loss(model(train.inputs[:count]), train.targets[:count])
    _require_number(loss, f"Task {task.name!r}: the loss", task)
    require(loss.requires_grad, f"Task {task.name!r}: the loss depends on no parameter.", task.loss)
    gradients = torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad], allow_unused=True)
    known = [gradient for gradient in gradients if gradient is not None]
    require(
        all(bool(torch.isfinite(gradient).all()) for gradient in known),
        f"Task {task.name!r}: gradients at fresh weights are not finite.",
        task.loss,
    )
    model.eval()
    for part in (task.splits.validation, task.splits.test):
        with torch.no_grad():
            metric = task.measure(model(part.inputs), part.targets)
        _require_number(metric, f"Task {task.name!r}: the metric", task)


def _require_number(value: Tensor, claim: str, task: Task) -> None:
    at = task.metric or task.loss
    if not isinstance(value, Tensor) or value.ndim:
        raise ConformanceError(f"{claim} must be a 0-d tensor, got {quoted(getattr(value, 'shape', value))}.", at)
    require(bool(torch.isfinite(value)), f"{claim} at fresh weights is {value.item()}.", at)


def _kind(split: Split) -> str:
    return " → ".join(f"{tensor.dtype}{list(tensor.shape[1:])}" for tensor in (split.inputs, split.targets))


def _share_known(part: Split, train: Split) -> float:
    """Share of a split's examples that are in the train split too; 0 where equal examples are normal."""
    known = set(_rows(train))
    if len(known) < len(train) / 2:
        return 0.0
    rows = _rows(part)
    return sum(row in known for row in rows) / len(rows)


def _rows(split: Split) -> list[bytes]:
    inputs = split.inputs.detach().reshape(len(split), -1).numpy()
    targets = split.targets.detach().reshape(len(split), -1).numpy()
    return [row.tobytes() + target.tobytes() for row, target in zip(inputs, targets, strict=True)]
