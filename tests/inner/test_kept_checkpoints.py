"""The metric of the checkpoint that each member keeps, on examples drawn with replacement."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.inner import train
from metaopt.inner.gradients.batches import batch_indices
from metaopt.inner.gradients.resampling import DRAWS, drawn_rows
from metaopt.inner.gradients.vmapped import Constants, VmappedGradients, VmappedTask
from metaopt.inner.kept_checkpoints import KeptCheckpoints

COUNTS = {"train": 24, "validation": 10, "test": 14}


def split(count, seed):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    noise = 3 * torch.randn(count, 1, generator=generator, dtype=torch.float64)
    return metaopt.Split(inputs, inputs.sum(1, keepdim=True) + noise)


def line(**fields):
    """Linear regression that soon fits its noise: the best validation is not the last one."""
    given = {
        "name": "line",
        "family": "lines",
        "model": lambda: nn.Linear(3, 1).double(),
        "data": metaopt.Splits(*(split(count, seed) for seed, count in enumerate(COUNTS.values()))),
        "loss": F.mse_loss,
        "batch_size": 8,
        "num_steps": 24,
        "num_validations": 12,
        **fields,
    }
    return metaopt.Task(**given)


def root(output, targets):
    return F.mse_loss(output, targets).sqrt()


def worst(output, targets):
    """The largest error: no mean over examples, and a bootstrap that never exceeds it."""
    return (output - targets).abs().max()


def closeness(output, targets):
    """Better when higher."""
    return 1 / (1 + F.mse_loss(output, targets))


METRICS = {"the loss": (None, "min"), "root": (root, "min"), "worst": (worst, "min"), "closeness": (closeness, "max")}
RATES = (0.02, 0.3, 0.1)


def plain_sgd(member, rate, seed):
    return member("sgd", sgd__lr=rate, sgd__momentum=0.0, sgd__weight_decay=0.0, seed=seed)


def by_hand(task, seed, rate):
    """SGD as a user would write it: the metric of its best checkpoint on each draw, and that one's step."""
    model, metric = task.build(seed), task.metric or task.loss
    data, best, found, at = task.splits, float("inf"), {}, 0
    for step, rows in enumerate(batch_indices(len(data.train), task.batch_size, task.num_steps, seed), start=1):
        loss = task.loss(model.train()(data.train.inputs[rows]), data.train.targets[rows])
        grads = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, grad in zip(model.parameters(), grads, strict=True):
                parameter -= rate * grad
            if step not in task.validation_steps:
                continue
            outputs = {name: model.eval()(getattr(data, name).inputs) for name in ("validation", "test")}
            value = task.sign * float(metric(outputs["validation"], data.validation.targets))
            if value < best:
                best, at = value, step
                found = {
                    name: [
                        task.sign * float(metric(output[draw], getattr(data, name).targets[draw]))
                        for draw in drawn_rows(len(output))
                    ]
                    for name, output in outputs.items()
                }
    return found, at


@pytest.mark.parametrize("engine", ["population", "loop"])
@pytest.mark.parametrize("metric", METRICS)
def test_the_values_are_those_of_the_kept_checkpoint(member, engine, metric):
    measure, mode = METRICS[metric]
    task = line(metric=measure, mode=mode)
    members = [plain_sgd(member, rate, seed) for seed, rate in enumerate(RATES)]
    ends = []
    for seed, (rate, result) in enumerate(
        zip(RATES, train(task, members, engine=engine, compile="off", resampled=True), strict=True)
    ):
        expected, at = by_hand(task, seed, rate)
        assert set(result.curve.resampled) == {"validation", "test"}
        for name, values in expected.items():
            assert result.curve.resampled[name].shape == (DRAWS,)
            np.testing.assert_allclose(result.curve.resampled[name], values, rtol=2e-5)
        assert result.curve.steps[result.curve.best_index()] == at
        ends.append(at)
    assert min(ends) < task.num_steps  # else the last checkpoint would have done


@pytest.mark.parametrize("metric", METRICS)
def test_both_engines_have_the_same_values(member, metric):
    measure, mode = METRICS[metric]
    task = line(metric=measure, mode=mode)
    members = [member("adamw", adamw__lr=rate, seed=seed) for seed in (0, 1) for rate in RATES]
    looped, vmapped = (
        train(task, members, engine=engine, compile="off", resampled=True) for engine in ("loop", "population")
    )
    for first, second in zip(looped, vmapped, strict=True):
        for name in ("validation", "test"):
            np.testing.assert_allclose(first.curve.resampled[name], second.curve.resampled[name], rtol=2e-5)


def test_who_else_is_there_changes_nothing(member):
    """Rows that only fill a block are nobody's."""
    task = line()
    members = [member("adamw", adamw__lr=rate) for rate in np.geomspace(0.01, 0.3, 11)]
    together = train(task, members, engine="population", compile="off", resampled=True)
    for one, result in zip(members, together, strict=True):
        alone = train(task, [one], engine="population", compile="off", resampled=True)[0]
        np.testing.assert_allclose(result.curve.resampled["test"], alone.curve.resampled["test"], rtol=2e-5)


def test_models_with_running_statistics_are_evaluated_with_those_of_their_checkpoint(member):
    """Measured again at the end, they would be off: BatchNorm's statistics move with each batch."""
    task = line(model=lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).double())
    members = [plain_sgd(member, rate, 0) for rate in RATES]
    for rate, result in zip(RATES, train(task, members, resampled=True), strict=True):
        expected, at = by_hand(task, 0, rate)
        for name, values in expected.items():
            np.testing.assert_allclose(result.curve.resampled[name], values, rtol=2e-4)
        assert result.curve.steps[result.curve.best_index()] == at


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_a_metric_that_wants_all_examples_in_their_order_has_no_such_values(member, engine):
    known = [part.targets for part in parts_of(line())]

    def metric(output, targets):
        if not any(targets.shape == whole.shape and torch.equal(targets, whole) for whole in known):
            raise ValueError("not the examples that I know")
        return F.mse_loss(output, targets)

    result = train(line(metric=metric), [member("adamw")], engine=engine, compile="off", resampled=True)[0]
    assert np.isfinite(result.curve.values).all()
    assert result.curve.resampled == {}


def test_nothing_is_kept_unless_somebody_asks(member):
    assert train(line(), [member("adamw")], compile="off")[0].curve.resampled == {}


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_a_member_that_is_lost_has_the_values_of_what_it_kept_before(member, engine):
    parts = [metaopt.Split(part.inputs.float(), part.targets.float()) for part in parts_of(line())]
    task = line(model=lambda: nn.Linear(3, 1), data=metaopt.Splits(*parts), num_steps=60, num_validations=30)
    members = [plain_sgd(member, rate, 0) for rate in (3.0, 0.01)]
    wild, tame = train(task, members, engine=engine, compile="off", resampled=True)
    assert wild.curve.diverged
    assert not tame.curve.diverged
    for rate, result in zip((3.0, 0.01), (wild, tame), strict=True):
        for name, values in by_hand(task, 0, rate)[0].items():
            np.testing.assert_allclose(result.curve.resampled[name], values, rtol=1e-4)


def parts_of(task):
    return task.splits.train, task.splits.validation, task.splits.test


# By itself


def kept_by(task, seeds, count=None):
    modules = [task.build(seed) for seed in seeds]
    vmapped = VmappedTask(task, modules[0])
    flats = vmapped.layout.stack([dict(module.named_parameters()) for module in modules])
    flats = {key: flat.detach() for key, flat in flats.items()}
    source = VmappedGradients(vmapped, Constants.of(modules), shared=True, mode="eager")
    return KeptCheckpoints(source, task.splits, count or len(seeds)), source, flats


def test_each_member_keeps_what_was_best_for_itself():
    task = line()
    kept, source, flats = kept_by(task, [0, 1])
    doubled = {key: 2 * flat for key, flat in flats.items()}
    kept.validated(flats, torch.tensor([1.0, 5.0]))
    kept.validated(doubled, torch.tensor([2.0, 4.0]))
    kept.validated(
        {key: 3 * flat for key, flat in flats.items()}, torch.tensor([1.0, float("nan")])
    )  # a tie: the first
    mixed = {key: torch.stack([flat[0], doubled[key][1]]) for key, flat in flats.items()}
    for name, values in kept.resampled().items():
        part = getattr(task.splits, name)
        torch.testing.assert_close(values, source.resampled(mixed, part, drawn_rows(len(part))).float())


def test_what_is_kept_does_not_change_with_the_parameters():
    task = line()
    kept, source, flats = kept_by(task, [0])
    before = source.resampled(flats, task.splits.test, drawn_rows(COUNTS["test"])).float()
    kept.validated(flats, torch.tensor([1.0]))
    for flat in flats.values():
        flat.zero_()
    torch.testing.assert_close(kept.resampled()["test"], before)


def test_idle_rows_are_nobody_s():
    task = line()
    kept, source, flats = kept_by(task, [0, 1, 1, 1], count=2)
    kept.validated(flats, torch.tensor([1.0, 1.0]))
    kept.validated({key: 2 * flat for key, flat in flats.items()}, torch.tensor([1.0, 2.0]))
    values = kept.resampled()["test"]
    assert values.shape == (2, DRAWS)
    torch.testing.assert_close(
        values, source.resampled(flats, task.splits.test, drawn_rows(COUNTS["test"]))[:2].float()
    )


def test_members_that_never_had_a_finite_value_have_none():
    kept, _, flats = kept_by(line(), [0, 1])
    assert kept.resampled()["test"].isnan().all()
    kept.validated(flats, torch.tensor([float("nan"), 2.0]))
    values = kept.resampled()["validation"]
    assert values[0].isnan().all()
    assert values[1].isfinite().all()
