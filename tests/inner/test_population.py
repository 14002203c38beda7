import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.inner import train

OPTIMIZERS = ("sgd", "adagrad", "rmsprop", "adamw", "nadamw", "lion", "schedulefree_adamw", "prodigy")
RATES = {"prodigy": 1.0, "sgd": 0.1, "lion": 1e-3}


def everyone(member, **options):
    """Every built-in optimizer with three kinds of controller, plain and averaged."""
    plateau = {"plateau__patience": 0, "plateau__threshold": 0.05, "plateau__factor": 0.3}
    return [
        member(name, controller, *wrappers, **{f"{name}__lr": RATES.get(name, 1e-2)}, **hparams, **options)
        for name in OPTIMIZERS
        for controller, hparams in (("constant", {}), ("cosine", {}), ("plateau", plateau))
        for wrappers in ((), ("averaged",))
    ]


def values(results):
    return np.stack([result.curve.values for result in results])


def test_a_member_trains_as_a_plain_torch_loop_does_for_200_steps(task, member, plain_loop, groups):
    digits = task(dtype=torch.float32, num_steps=200, num_validations=10, batch_size=64)
    hparams = {"adamw__lr": 3e-3, "adamw__weight_decay": 0.1, "adamw__beta2": 0.99, "linear__warmup": 0.1}
    company = [member("sgd"), member("adamw", adamw__lr=0.05), member("lion", "cosine", "averaged")]
    trained = train(digits, [*company, member("adamw", "linear", **hparams)])[-1].curve

    def factor(step):
        return min(1, (step + 1) / 20) * (1 - max(0, (step - 20) / 180))

    expected, expected_test = plain_loop(
        digits,
        0,
        lambda model: torch.optim.AdamW(groups(model, 0.1), lr=3e-3, betas=(0.9, 0.99)),
        lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, factor),
    )
    np.testing.assert_allclose(trained.values, expected, rtol=2e-4)
    np.testing.assert_allclose(trained.test, expected_test, rtol=2e-4)
    assert trained.steps.tolist() == list(range(20, 201, 20))
    assert trained.values[-1] < 1 < trained.values[0]


def test_a_validation_driven_controller_works_as_torchs_plateau_scheduler(task, member, plain_loop):
    digits = task(num_steps=60, num_validations=20)
    plateau = {"patience": 1, "factor": 0.5, "threshold": 0.02, "min_ratio": 0.0}
    hparams = {f"plateau__{name}": value for name, value in plateau.items()}
    trained = train(digits, [member("sgd", "plateau", sgd__lr=0.5, sgd__momentum=0.9, **hparams)])[0].curve
    expected, _ = plain_loop(
        digits,
        0,
        lambda model: torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9),
        lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, patience=1, factor=0.5, threshold=0.02, eps=0.0
        ),
    )
    np.testing.assert_allclose(trained.values, expected, rtol=1e-4)


def test_an_averaged_member_validates_with_its_average_as_torchs_averaged_model(task, member, plain_loop):
    digits = task(num_steps=50)
    trained = train(digits, [member("sgd", "constant", "averaged", sgd__lr=0.2, averaged__decay=0.9), member("sgd")])
    expected, _ = plain_loop(
        digits,
        0,
        lambda model: torch.optim.SGD(model.parameters(), lr=0.2),
        averaged=lambda model: torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
        ),
    )
    np.testing.assert_allclose(trained[0].curve.values, expected, rtol=1e-5)


@pytest.mark.slow
def test_the_loop_and_the_population_agree_for_every_optimizer_controller_and_wrapper(task, member):
    digits, members = task(), everyone(member)
    together, alone = (train(digits, members, engine=engine) for engine in ("population", "loop"))
    np.testing.assert_allclose(values(together), values(alone), rtol=1e-6)
    for first, second in zip(together, alone, strict=True):
        np.testing.assert_allclose(first.curve.test, second.curve.test, rtol=1e-6)
        np.testing.assert_allclose(first.curve.signals["train_loss"], second.curve.signals["train_loss"], rtol=1e-6)


def test_a_mixed_population_trains_each_member_as_if_it_were_alone(task, member):
    digits, members = task(), everyone(member)[::5]
    alone = [train(digits, [one])[0] for one in members]
    np.testing.assert_allclose(values(train(digits, members)), values(alone), rtol=1e-6)


def test_the_order_of_members_does_not_matter(task, member):
    digits, members = task(dtype=torch.float32), everyone(member)
    forwards, backwards = train(digits, members), train(digits, members[::-1])
    np.testing.assert_allclose(values(forwards), values(backwards[::-1]), rtol=1e-4)


def test_a_diverged_member_leaves_the_others_bit_identical(task, member):
    digits = task(dtype=torch.float32)

    def others_with(rate):
        lost = member("sgd", sgd__lr=rate)
        results = train(digits, [member("sgd", sgd__lr=0.1), lost, *everyone(member)])
        return values(results)

    calm, wild = others_with(0.1), others_with(1e38)
    assert np.isfinite(calm).all()
    assert not np.isfinite(wild[1]).any()
    assert np.array_equal(np.delete(calm, 1, 0), np.delete(wild, 1, 0))


def test_several_seeds_at_once_train_each_as_alone(task, member):
    digits = task()
    members = [member("adamw", seed=seed, adamw__lr=1e-2) for seed in (0, 7, 7, 3)]
    together = values(train(digits, members))
    np.testing.assert_allclose(together, values([train(digits, [one])[0] for one in members]), rtol=1e-6)
    assert np.array_equal(together[1], together[2])
    assert abs(together[0] - together[1]).min() > 1e-4


class FixedFeatures(nn.Module):
    """Random features in a buffer, a frozen layer and a trained one."""

    def __init__(self):
        super().__init__()
        self.register_buffer("features", torch.randn(64, 24, dtype=torch.float64) / 8)
        self.frozen = nn.Linear(24, 24).double().requires_grad_(False)
        self.trained = nn.Linear(24, 10).double()

    def forward(self, inputs):
        return self.trained(torch.tanh(self.frozen(inputs @ self.features)))


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_buffers_and_frozen_parameters_belong_to_the_seed_and_stay_as_they_are(task, member, plain_loop, engine):
    digits = task(FixedFeatures)
    results = train(digits, [member("sgd", seed=seed, sgd__lr=0.5) for seed in (0, 1)], engine=engine)
    for seed, result in enumerate(results):
        expected, _ = plain_loop(digits, seed, lambda model: torch.optim.SGD(model.parameters(), lr=0.5))
        np.testing.assert_allclose(result.curve.values, expected, rtol=1e-6)


class TwoHeads(nn.Module):
    """A network with a head that nothing uses."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(64, 10).double(), nn.Linear(64, 10).double()

    def forward(self, inputs):
        return self.used(inputs)


@pytest.mark.parametrize("name", ["adamw", "prodigy"])
@pytest.mark.parametrize("engine", ["population", "loop"])
def test_parameters_that_nothing_uses_do_no_harm(task, member, name, engine):
    digits = task(TwoHeads)
    found = train(digits, [member(name)], engine=engine)
    torch.manual_seed(0)
    np.testing.assert_allclose(values(found), values(train(digits, [member(name)])), rtol=1e-6)
    assert found[0].curve.values[-1] < found[0].curve.values[0]


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_integer_inputs_are_embedded(member, plain_loop, engine):
    words = torch.randint(0, 30, (200, 6), generator=torch.Generator().manual_seed(0))
    split = metaopt.Split(words, words.sum(1) % 2)
    task = metaopt.Task(
        "parity",
        "words",
        lambda: nn.Sequential(nn.Embedding(30, 8), nn.Flatten(), nn.Linear(48, 2)),
        metaopt.Splits(split, split, split),
        F.cross_entropy,
        num_steps=30,
        num_validations=3,
    )
    members = [member("sgd", sgd__lr=0.3, seed=seed) for seed in (0, 1)]
    expected, _ = plain_loop(task, 1, lambda model: torch.optim.SGD(model.parameters(), lr=0.3))
    np.testing.assert_allclose(train(task, members, engine=engine)[1].curve.values, expected, rtol=1e-4)


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_metrics_that_are_better_when_higher_come_back_negated(task, member, engine):
    def accuracy(output, targets):
        return (output.argmax(1) == targets).double().mean()

    digits = task(metric=accuracy, mode="max", num_steps=100)
    curve = train(digits, [member("adamw", adamw__lr=1e-2)], engine=engine)[0].curve
    assert -1 <= curve.values[-1] < -0.8
    assert -1 <= curve.test[-1] < -0.8


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_a_task_whose_loss_is_nan_from_the_start_gives_curves_of_nan(task, member, engine):
    digits = task(loss=lambda output, targets: F.cross_entropy(output, targets) * math.nan)
    for result in train(digits, everyone(member)[::7], engine=engine):
        assert np.isnan(result.curve.values).all()
        assert result.curve.diverged
        assert result.curve.best_index() is None


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_a_run_whose_weights_are_lost_has_no_metric_even_where_the_formula_gives_one(task, member, engine):
    def accuracy(output, targets):
        return (output.argmax(1) == targets).double().mean()

    digits = task(metric=accuracy, mode="max")
    lost, kept = train(digits, [member("sgd", sgd__lr=1e200), member("sgd")], engine=engine)
    assert np.isnan(lost.curve.values).all()
    assert np.isnan(lost.curve.test).all()
    assert np.isfinite(kept.curve.values).all()


def test_weight_decay_spares_biases_unless_asked(task, member, plain_loop, groups):
    digits = task()
    hparams = {"adamw__lr": 1e-2, "adamw__weight_decay": 1.0}
    members = [member("adamw", **hparams), member("adamw", **hparams, no_decay="none")]
    spared, decayed = train(digits, members)
    expected, _ = plain_loop(digits, 0, lambda model: torch.optim.AdamW(groups(model, 1.0), lr=1e-2))
    np.testing.assert_allclose(spared.curve.values, expected, rtol=1e-5)
    expected, _ = plain_loop(digits, 0, lambda model: torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1.0))
    np.testing.assert_allclose(decayed.curve.values, expected, rtol=1e-5)


class HalfAndHalf(nn.Module):
    """A layer in float32 before one in float64."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 16), nn.Linear(16, 10).double()

    def forward(self, inputs):
        return self.second(torch.tanh(self.first(inputs.float())).double())


@pytest.mark.parametrize("engine", ["population", "loop"])
def test_parameters_of_different_precision_keep_theirs(task, member, plain_loop, engine):
    digits = task(HalfAndHalf)
    found = train(digits, [member("sgd", sgd__lr=0.2), member("adamw")], engine=engine)[0]
    expected, _ = plain_loop(digits, 0, lambda model: torch.optim.SGD(model.parameters(), lr=0.2))
    np.testing.assert_allclose(found.curve.values, expected, rtol=1e-4)


def test_more_members_than_fit_side_by_side_are_trained_in_further_chunks(task, member):
    digits = task(num_steps=4, num_validations=1)
    rates = [0.001 * (1 + index) for index in range(300)]
    done: list[int] = []
    results = train(digits, [member("sgd", sgd__lr=rate) for rate in rates], progress=done.append)
    last = values(results)[:, -1]
    assert (np.diff(last) < 0).all(), "a larger rate learns more in four steps"
    assert done == [256 * 4, 44 * 4]
    assert all(result.seconds > 0 for result in results)


def test_nobody_to_train_is_no_error(task):
    assert train(task(), []) == []


def test_training_leaves_the_global_generator_as_it_was(task, member):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for engine in ("population", "loop"):
        train(task(num_steps=2, num_validations=1), [member("sgd")], engine=engine)
    assert torch.equal(before, torch.get_rng_state())


def test_an_optimizer_of_matrices_alone_cannot_train_a_model_with_vectors(task, member):
    digits = task(num_steps=2, num_validations=1)
    for engine in ("population", "loop"):
        with pytest.raises(
            metaopt.InputError, match=r"muon takes matrices, and the parameter '.*bias' .*has the shape"
        ):
            train(digits, [member("muon")], engine=engine)


def test_what_decides_the_computation_parts_a_population(task, member):
    digits = task(lambda: nn.Linear(64, 10, bias=False).double(), num_steps=3, num_validations=1)
    members = [member("muon", muon__lr=0.05, muon__precision=precision) for precision in ("bfloat16", "float32")]
    together = train(digits, members)
    for trained, alone in zip(together, members, strict=True):
        expected = train(digits, [alone])[0].curve
        np.testing.assert_allclose(trained.curve.values, expected.values, rtol=1e-4)
    assert together[0].curve.values[-1] != together[1].curve.values[-1]
