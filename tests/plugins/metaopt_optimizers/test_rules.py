"""What every rule promises besides its reference: it vectorises, differentiates and keeps its precision."""

import importlib
import inspect

import pytest
import torch

import metaopt
from metaopt_wrappers.averaged import Averaged

INFO = metaopt.StepInfo(step=torch.tensor(0.0), horizon=torch.tensor(10.0))
WRAPPED = {"averaged.kind": 0.0, "averaged.decay": 0.9, "averaged.start": 0.0, "averaged.power": 8.0}


@pytest.fixture(params=[False, True], ids=["bare", "averaged"])
def wrapped(request):
    return request.param


@pytest.fixture
def rule(optimizer_spec, wrapped):
    defaults = {name: distribution.default for name, distribution in optimizer_spec.space.items()}
    precise = optimizer_spec.formed(optimizer_spec.rule, {**defaults, **optimizer_spec.precise})
    return Averaged(precise) if wrapped else precise


@pytest.fixture
def lay(optimizer_spec):
    """`lay(tensor)`: the tensor in a form that the optimizer takes."""
    return torch.atleast_2d if optimizer_spec.takes == "matrices" else lambda tensor: tensor


@pytest.fixture
def numbers(optimizer_spec):
    """Numbers for the rule that switch every part of it on."""
    space = optimizer_spec.space
    numbers = {name: space[name].encode(space[name].default) for name in space}
    flags = {name: 1.0 for name in space if isinstance(space[name], metaopt.Categorical)}
    chosen = {"weight_decay": 0.1, "momentum": 0.9, "lr_decay": 0.1, "growth_rate": 2.0, "r": 1.0}
    return {**numbers, **flags, **{name: value for name, value in chosen.items() if name in space}, **WRAPPED}


def _walk(rule, params, gradients, hparams):
    """Parameters after the gradients, and those to evaluate with."""
    per_name = dict.fromkeys(params, hparams)
    state = rule.init(params, per_name, {}, INFO.horizon)
    for grads in gradients:
        updates, state = rule.update(grads, state, params, per_name, {}, INFO)
        params = {name: param + updates[name] for name, param in params.items()}
    return params, rule.evaluation_params(params, state, per_name)


def test_a_population_under_vmap_equals_its_members_in_a_loop(rule, numbers, lay):
    num_members = 4
    factors = torch.tensor([0.25, 0.5, 0.75, 1.0])
    hparams = {name: value * (factors if 0 < value < 2 else torch.ones(4)) for name, value in numbers.items()}
    generator = torch.Generator().manual_seed(0)
    shapes = {"w": (num_members, 3, 2), "b": (num_members,)}
    params = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    gradients = [{name: torch.randn(shape, generator=generator) for name, shape in shapes.items()} for _ in range(4)]

    def walk(params, gradients, hparams):
        laid = [{name: lay(tensor) for name, tensor in tensors.items()} for tensors in (params, *gradients)]
        return _walk(rule, laid[0], laid[1:], hparams)

    together = torch.vmap(walk)(params, gradients, hparams)

    for member in range(num_members):
        one = walk(
            {name: param[member] for name, param in params.items()},
            [{name: grad[member] for name, grad in grads.items()} for grads in gradients],
            {name: value[member] for name, value in hparams.items()},
        )
        for population, alone in zip(together, one, strict=True):
            torch.testing.assert_close({name: value[member] for name, value in population.items()}, alone)


def test_meta_gradients_are_finite_where_gradients_are_zero(rule, numbers, lay):
    hparams = {name: torch.tensor(value) for name, value in numbers.items()}

    def meta_loss(hparams, start, scale):
        params = {"w": lay(start), "dead": lay(torch.zeros(2))}
        gradients = [{"w": lay(scale * torch.tensor([0.0, 1.0, -1.0])), "dead": lay(torch.zeros(2) * scale)}] * 3
        trained, evaluated = _walk(rule, params, gradients, hparams)
        return sum((tensor**2).sum() for tensor in (*trained.values(), *evaluated.values()))

    start, scale = torch.tensor([1.0, 2.0, 3.0]), torch.tensor(1.0)
    for gradient in torch.utils._pytree.tree_leaves(torch.func.grad(meta_loss, (0, 1, 2))(hparams, start, scale)):
        assert torch.isfinite(gradient).all()
    for gradient in torch.utils._pytree.tree_leaves(
        torch.func.grad(meta_loss, (0, 1, 2))(hparams, start, torch.tensor(0.0))
    ):
        assert torch.isfinite(gradient).all()


def test_meta_gradients_are_finite_at_the_defaults(rule, optimizer_spec, lay):
    space = optimizer_spec.space
    hparams = {name: torch.tensor(space[name].encode(space[name].default)) for name in space}
    hparams |= {name: torch.tensor(value) for name, value in WRAPPED.items()}

    def meta_loss(hparams, scale):
        gradient = lay(scale * torch.tensor([0.0, 1.0]))
        trained, _ = _walk(rule, {"w": lay(torch.ones(2))}, [{"w": gradient}] * 3, hparams)
        return (trained["w"] ** 2).sum()

    gradients = torch.func.grad(meta_loss, (0, 1))(hparams, torch.tensor(1.0))
    assert all(torch.isfinite(gradient).all() for gradient in torch.utils._pytree.tree_leaves(gradients))


@pytest.mark.parametrize("hparams_dtype", [torch.float32, torch.float64])
def test_state_keeps_float32_beside_bfloat16_parameters(rule, numbers, hparams_dtype, lay):
    params = {"w": lay(torch.ones(3, dtype=torch.bfloat16)), "b": lay(torch.ones((), dtype=torch.bfloat16))}
    hparams = {name: torch.tensor(value, dtype=hparams_dtype) for name, value in numbers.items()}
    per_name = dict.fromkeys(params, hparams)
    state = rule.init(params, per_name, {}, None)
    updates, new_state = rule.update(params, state, params, per_name, {}, INFO)
    assert all(update.dtype == torch.bfloat16 for update in updates.values())
    old, new = (torch.utils._pytree.tree_leaves(one) for one in (state, new_state))
    assert all(tensor.dtype == torch.float32 for tensor in (*old, *new))
    assert [tensor.shape for tensor in old] == [tensor.shape for tensor in new]
    assert new_state.keys() == state.keys()


def test_state_keeps_float64_beside_float64_parameters(rule, numbers, lay):
    params = {"w": lay(torch.ones(3, dtype=torch.float64))}
    per_name = {"w": {name: torch.tensor(value) for name, value in numbers.items()}}
    state = rule.init(params, per_name, {}, None)
    for _ in range(2):
        _, state = rule.update(params, state, params, per_name, {}, INFO)
        for key, tensor in state["tensors"]["w"].items():
            assert tensor.ndim == 0 or tensor.dtype == torch.float64, key


def test_a_step_without_any_gradient_moves_nothing(rule, numbers):
    params = {"w": torch.ones(3)}
    per_name = {"w": {name: torch.tensor(value) for name, value in numbers.items()}}
    updates, _ = rule.update({}, rule.init(params, per_name, {}, None), params, per_name, {}, INFO)
    assert updates == {}


def test_defaults_are_those_of_the_native_class(optimizer_spec):
    native = optimizer_spec.native
    if native is None:
        pytest.skip(f"{optimizer_spec.name} has no native class")
    parameters = inspect.signature(getattr(importlib.import_module(native.module), native.qualname)).parameters
    defaults = {name: distribution.default for name, distribution in optimizer_spec.space.items()}
    packed = native.arguments(defaults) if native.arguments else optimizer_spec.pack(defaults)
    theirs = {name: parameters[name].default for name in packed}
    assert packed == {**theirs, **({"adjust_lr_fn": "original"} if "adjust_lr_fn" in packed else {})}  # torch's None


def test_the_native_class_takes_every_hyperparameter(optimizer_spec):
    native = optimizer_spec.native
    if native is None:
        pytest.skip(f"{optimizer_spec.name} has no native class")
    cls = getattr(importlib.import_module(native.module), native.qualname)
    for unit in (0.0, 1.0):
        values = {name: distribution.from_unit(unit) for name, distribution in optimizer_spec.space.items()}
        arguments = native.arguments(values) if native.arguments else optimizer_spec.pack(values)
        fused = {"fused": True} if native.fused else {}
        cls([torch.zeros((1,) * (native.dims or 1), requires_grad=True)], **arguments, **native.fixed, **fused)


def test_nothing_decays_and_nothing_moves_at_rate_zero(optimizer_spec, numbers, lay):
    hparams = {name: torch.tensor(value) for name, value in {**numbers, "lr": 0.0}.items()}
    params = {"w": lay(torch.tensor([1.0, -2.0]))}
    trained, _ = _walk(optimizer_spec.rule, params, [{"w": lay(torch.ones(2))}] * 3, hparams)
    torch.testing.assert_close(trained, params, rtol=0, atol=0)
