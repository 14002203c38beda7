"""Meta-gradients, checked with the plainest of tools: finite differences and a loop written out."""

import pytest
import torch
from torch.func import grad

import metaopt
from metaopt.inner import unroll
from metaopt.plugin.registry import current_registry

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(6, 20, 4, generator=GENERATOR, dtype=torch.float64)
TARGETS = (INPUTS @ torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)).sin()
BATCHES = list(zip(INPUTS, TARGETS, strict=True))
PARAMS = {
    "hidden": torch.randn(4, 5, generator=GENERATOR, dtype=torch.float64) / 2,
    "output": torch.randn(5, generator=GENERATOR, dtype=torch.float64) / 2,
}


def loss(params, inputs, targets):
    return (torch.tanh(inputs @ params["hidden"]) @ params["output"] - targets).square().mean()


def rule_and_hparams(name, **values):
    spec = current_registry().get(metaopt.OptimizerSpec, name)
    numbers = {key: value.default for key, value in spec.space.items()} | values
    tensors = {
        key: torch.tensor(float(value) if not isinstance(value, str) else 0.0, dtype=torch.float64)
        for key, value in numbers.items()
    }
    return spec.rule, dict.fromkeys(PARAMS, tensors)


def with_lr(hparams, lr):
    return {name: {**values, "lr": lr} for name, values in hparams.items()}


def final_loss(rule, hparams, lr, **options):
    end = unroll(rule, loss, PARAMS, BATCHES[:5], with_lr(hparams, lr), {}, **options)
    return loss(end.params, *BATCHES[5])


@pytest.mark.parametrize("name", ["sgd", "adagrad", "rmsprop", "adamw", "nadamw", "schedulefree_adamw", "prodigy"])
def test_the_gradient_of_the_learning_rate_matches_finite_differences(name):
    rule, hparams = rule_and_hparams(name)
    lr, step = torch.tensor(0.05, dtype=torch.float64), 1e-6
    found = grad(lambda rate: final_loss(rule, hparams, rate))(lr)
    expected = (final_loss(rule, hparams, lr + step) - final_loss(rule, hparams, lr - step)) / (2 * step)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
    assert found.abs() > 1e-6


def meta_sgd():
    """Meta-SGD (arXiv:1707.09835): a learned start, and a learned rate for each number."""

    class MetaSGD(metaopt.Rule):
        granularity = "tree"

        def init(self, params, hparams, theta, horizon):
            return {"tensors": {name: {} for name in params}, "shared": {}}

        def update(self, grads, state, params, hparams, theta, info):
            return {name: -theta[f"rate.{name}"] * value for name, value in grads.items()}, state

        def start(self, params, theta):
            return {name: theta[f"start.{name}"] for name in params}

    theta = {f"rate.{name}": torch.full_like(value, 0.1) for name, value in PARAMS.items()}
    theta |= {f"start.{name}": value + 0.1 for name, value in PARAMS.items()}
    return MetaSGD(), theta


def test_gradients_of_learned_weights_match_finite_differences():
    rule, theta = meta_sgd()

    def meta_loss(theta):
        end = unroll(rule, loss, PARAMS, BATCHES[:3], {}, theta)
        return loss(end.params, *BATCHES[5]) + end.losses.mean()

    found = grad(meta_loss)(theta)
    for name, value in theta.items():
        direction = torch.randn(value.shape, generator=GENERATOR, dtype=torch.float64)
        ahead, behind = ({**theta, name: value + sign * 1e-6 * direction} for sign in (1, -1))
        expected = (meta_loss(ahead) - meta_loss(behind)) / 2e-6
        torch.testing.assert_close((found[name] * direction).sum(), expected, rtol=1e-5, atol=1e-8)


def test_ordinary_autograd_gives_the_same_meta_gradient_as_torch_func():
    rule, theta = meta_sgd()
    leaves = {name: value.clone().requires_grad_() for name, value in theta.items()}
    end = unroll(rule, loss, PARAMS, BATCHES[:3], {}, leaves)
    loss(end.params, *BATCHES[5]).backward()
    found = grad(lambda given: loss(unroll(rule, loss, PARAMS, BATCHES[:3], {}, given).params, *BATCHES[5]))(theta)
    for name, leaf in leaves.items():
        torch.testing.assert_close(leaf.grad, found[name])


def test_first_order_ignores_how_the_weights_change_the_inner_gradients():
    rule, theta = meta_sgd()

    def meta_gradient(first_order):
        return grad(
            lambda given: loss(
                unroll(rule, loss, PARAMS, BATCHES[:2], {}, given, first_order=first_order).params, *BATCHES[5]
            )
        )(theta)

    # With constant inner gradients the end is start − Σ rate·gradient, so that d/d start is the gradient at the end.
    end = unroll(rule, loss, PARAMS, BATCHES[:2], {}, theta)
    at_end = grad(loss)(end.params, *BATCHES[5])
    first, second = meta_gradient(True), meta_gradient(False)
    for name in PARAMS:
        torch.testing.assert_close(first[f"start.{name}"], at_end[name])
        assert not torch.allclose(second[f"start.{name}"], at_end[name], rtol=1e-3)


@pytest.mark.parametrize("name", ["sgd", "adamw", "schedulefree_adamw", "prodigy"])
def test_a_truncated_unroll_continues_where_the_last_one_ended(name):
    rule, hparams = rule_and_hparams(name)
    hparams = with_lr(hparams, torch.tensor(0.05, dtype=torch.float64))
    whole = unroll(rule, loss, PARAMS, BATCHES, hparams, {})
    first = unroll(rule, loss, PARAMS, BATCHES[:2], hparams, {}, horizon=6)
    second = unroll(rule, loss, first.params, BATCHES[2:], hparams, {}, state=first.state, first_step=2, horizon=6)
    torch.testing.assert_close(second.params, whole.params, rtol=0, atol=0)
    torch.testing.assert_close(second.state, whole.state, rtol=0, atol=0)
    torch.testing.assert_close(torch.cat([first.losses, second.losses]), whole.losses, rtol=0, atol=0)


def test_an_unroll_takes_the_steps_that_torch_takes():
    rule, hparams = rule_and_hparams("adamw", weight_decay=0.1)
    found = unroll(rule, loss, PARAMS, BATCHES, hparams, {})
    leaves = {name: value.clone().requires_grad_() for name, value in PARAMS.items()}
    optimizer = torch.optim.AdamW(leaves.values(), lr=1e-3, weight_decay=0.1)
    for index, batch in enumerate(BATCHES):
        optimizer.zero_grad()
        value = loss(leaves, *batch)
        torch.testing.assert_close(found.losses[index], value.detach())
        value.backward()
        optimizer.step()
    torch.testing.assert_close(found.params, {name: leaf.detach() for name, leaf in leaves.items()})


def test_rules_see_the_signals_that_they_require():
    def update(gradient, state, param, hparams, theta, info):
        clipped = gradient / info.signals["gradient_norm"].clamp(min=1e-12)
        return -0.1 * clipped * (info.horizon - info.step) * info.loss, state

    rule = metaopt.per_tensor(lambda *_: {}, update, granularity="tensor")
    hparams = {name: {} for name in PARAMS}
    end = unroll(rule, loss, PARAMS, BATCHES[:1], hparams, {}, requires=frozenset({"gradient_norm", "loss"}), horizon=3)
    grads = grad(loss)(PARAMS, *BATCHES[0])
    norm = torch.sqrt(sum(value.square().sum() for value in grads.values()))
    for name, value in PARAMS.items():
        expected = value - 0.3 * grads[name] / norm * loss(PARAMS, *BATCHES[0])
        torch.testing.assert_close(end.params[name], expected)
