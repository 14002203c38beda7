"""Muon beside torch's class, to the bit where both round alike, and beside a float32 reference."""

import pytest
import torch

import metaopt
import metaopt_optimizers.muon as muon
from metaopt import InputError, PluginError
from metaopt.deploy import RuleOptimizer
from metaopt_optimizers.muon import Muon, _multiplies_bfloat16, spec

#: torch has the class from 2.9 on.
_muon = pytest.importorskip("torch.optim._muon")

LARGE = (150, 130)
SHAPES = ((4, 3), (5, 7), (16, 16), (24, 2), LARGE)
#: Those that this machine multiplies as torch does.
AS_TORCH = SHAPES if _multiplies_bfloat16() else SHAPES[:-1]
NUMBERS = {"lr": 0.02, "momentum": 0.95, "nesterov": 1.0, "weight_decay": 0.1, "eps": 1e-7, "adjust_lr_fn": 0.0}


def parameters(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def walk(optimizers, num_steps=100):
    """Step optimizers over equal parameters along the same gradients."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(num_steps):
        for together in zip(*(optimizer.param_groups[0]["params"] for optimizer in optimizers), strict=True):
            grad = torch.randn(together[0].shape, generator=generator)
            for param in together:
                param.grad = grad.clone()
        for optimizer in optimizers:
            optimizer.step()


def updates_of(rule, params, grads, **numbers):
    hparams = {key: torch.tensor(value, dtype=torch.float64) for key, value in {**NUMBERS, **numbers}.items()}
    per_name = dict.fromkeys(params, hparams)
    state = rule.init(params, per_name, {}, None)
    return rule.update(grads, state, params, per_name, {}, metaopt.StepInfo(step=torch.tensor(0.0)))[0]


def polar(matrix, num_rounds=5):
    """Newton-Schulz by singular values: what it does to each of them, in float64."""
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.norm()
    for _ in range(num_rounds):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left @ torch.diag(values) @ right


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{}, {"adjust_lr_fn": "match_rms_adamw", "nesterov": False, "ns_steps": 3}], ids=str
)
def test_momentum_and_what_is_orthogonal_of_it_have_the_bits_of_torchs_class(settings):
    theirs, ours = parameters(AS_TORCH), parameters(AS_TORCH)
    reference = torch.optim.Muon(theirs, lr=0.02, **settings)
    rule = metaopt.create_optimizer("muon", ours, lr=0.02, implementation="rule", **settings)
    walk([reference, rule])
    for their, our in zip(theirs, ours, strict=True):
        assert torch.equal(reference.state[their]["momentum_buffer"], rule.state[our]["momentum_buffer"])
        # What bfloat16 rounds to another neighbour would show as 1e-4; this is the last digit of a float32 number.
        torch.testing.assert_close(our, their, rtol=0, atol=1e-6)


def orthogonal(grad):
    """What torch's class makes of a matrix."""
    return _muon._zeropower_via_newtonschulz(grad, (3.4445, -4.7750, 2.0315), 5, 1e-7).float()


@pytest.mark.parametrize("shape", AS_TORCH, ids=str)
def test_from_zero_a_step_is_torchs_to_the_bit(shape):
    grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    update = updates_of(Muon(), {"w": torch.zeros(shape)}, {"w": grad}, momentum=0.0, lr=1.0)["w"]
    assert torch.equal(update, -(torch.tensor(max(1, shape[0] / shape[1])).sqrt() * orthogonal(grad)))


def reordered(grad, generator):
    """How far what torch's class makes of a matrix is from the same with rows or columns in another order, at most."""
    rows, columns = (torch.randperm(size, generator=generator) for size in grad.shape)
    expected, by_row, by_column = orthogonal(grad), torch.empty_like(grad), torch.empty_like(grad)
    by_row[rows], by_column[:, columns] = orthogonal(grad[rows]), orthogonal(grad[:, columns])
    return max((by_row - expected).norm(), (by_column - expected).norm())


@pytest.mark.parametrize("multiplies", [True, False], ids=["bfloat16", "float32"])
@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("shape", [(130, 150), LARGE, (300, 200)], ids=str)
def test_however_it_multiplies_a_step_is_torchs_within_what_the_order_of_sums_makes(
    shape, together, multiplies, monkeypatch
):
    monkeypatch.setattr(muon, "_multiplies_bfloat16", lambda: multiplies)
    generator = torch.Generator().manual_seed(0)
    grads = {str(place): torch.randn(shape, generator=generator) for place in range(together)}
    zeros, factor = {name: torch.zeros(shape) for name in grads}, max(1, shape[0] / shape[1]) ** 0.5
    updates = updates_of(Muon(), zeros, grads, momentum=0.0, lr=1.0)
    for name, grad in grads.items():
        by_order = max(reordered(grad, generator) for _ in range(3))
        assert by_order > 0
        assert (-updates[name] / factor - orthogonal(grad)).norm() <= 3 * by_order


def test_members_of_a_population_are_multiplied_in_float32_where_that_gains(monkeypatch):
    monkeypatch.setattr(muon, "_multiplies_bfloat16", lambda: False)
    seen = []
    monkeypatch.setattr(muon, "_round", lambda batch, rounded: seen.append(batch.dtype) or batch)
    small, large = torch.ones(3, 8, 8, dtype=torch.bfloat16), torch.ones(64, 64, dtype=torch.bfloat16)
    torch.vmap(lambda matrix: muon._orthogonal([matrix], 1)[0])(small)
    for matrices in (list(small), [large], [small[0]], [small[0].float()]):
        muon._orthogonal(matrices, 1)
    assert seen == [torch.float32, torch.float32, torch.float32, torch.bfloat16, torch.float32]


@pytest.mark.parametrize("shape", [*SHAPES, (6, 2, 3, 3)], ids=str)
def test_in_float32_a_step_moves_singular_values_as_the_polynomial_says(shape):
    grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    update = updates_of(Muon(precision="float32"), {"w": torch.zeros(shape)}, {"w": grad}, momentum=0.0, lr=1.0)["w"]
    matrix = grad.flatten(1)
    factor = max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
    expected = -factor * polar(matrix).reshape(shape)
    torch.testing.assert_close(update.double(), expected, rtol=1e-5, atol=1e-5)


def test_matrices_of_one_shape_step_together_as_each_by_itself():
    generator = torch.Generator().manual_seed(0)
    params = {str(place): torch.randn(8, 6, generator=generator) for place in range(5)}
    grads = {name: torch.randn(8, 6, generator=generator) for name in params}
    rule = Muon(precision="float32")
    together = updates_of(rule, params, grads)
    for name, param in params.items():
        alone = updates_of(rule, {name: param}, {name: grads[name]})
        torch.testing.assert_close(together[name], alone[name], rtol=1e-5, atol=1e-6)


def test_thirds_take_packed_queries_keys_and_values_for_three_matrices():
    generator = torch.Generator().manual_seed(0)
    param, grad = torch.randn(12, 4, generator=generator), torch.randn(12, 4, generator=generator)
    rule = Muon(precision="float32", qkv="thirds")
    packed = updates_of(rule, {"qkv": param}, {"qkv": grad})["qkv"]
    parts = dict(zip("qkv", param.chunk(3), strict=True)), dict(zip("qkv", grad.chunk(3), strict=True))
    expected = updates_of(rule, *parts)
    torch.testing.assert_close(packed, torch.cat(list(expected.values())))
    whole = updates_of(Muon(precision="float32"), {"qkv": param}, {"qkv": grad})["qkv"]
    assert not torch.allclose(packed, whole, atol=1e-4)


def test_it_is_torchs_class_where_all_parameters_are_matrices():
    assert type(metaopt.create_optimizer("muon", parameters(SHAPES))) is torch.optim.Muon


@pytest.mark.parametrize(
    ("shapes", "settings"),
    [((*SHAPES, (3, 2, 2, 2)), {}), (SHAPES, {"precision": "float32"}), (SHAPES, {"qkv": "thirds"})],
    ids=["convolution", "float32", "thirds"],
)
def test_what_torchs_class_refuses_the_rule_steps(shapes, settings):
    params = parameters(shapes)
    optimizer = metaopt.create_optimizer("muon", params, **settings)
    assert isinstance(optimizer, RuleOptimizer)
    before = [param.detach().clone() for param in params]
    walk([optimizer], 1)
    assert not any(torch.equal(param, old) for param, old in zip(params, before, strict=True))


def test_the_class_can_be_asked_for_and_says_why_it_cannot_serve():
    with pytest.raises(PluginError, match=r"a parameter has 4 dimensions, and Muon takes 2\."):
        metaopt.create_optimizer("muon", parameters([(3, 2, 2, 2)]), implementation="native")
    with pytest.raises(PluginError, match=r"torch\.optim\.Muon computes in bfloat16 alone"):
        metaopt.create_optimizer("muon", parameters(SHAPES), implementation="native", precision="float32")


@pytest.mark.parametrize("implementation", ["auto", "rule"])
def test_a_vector_is_refused_with_what_to_do(implementation):
    sentence = (
        r"muon takes matrices, and the parameter 'bias' has the shape \(2,\); give the others to another optimizer"
    )
    with pytest.raises(InputError, match=sentence):
        metaopt.create_optimizer("muon", torch.nn.Linear(3, 2), implementation=implementation)


def test_a_vector_that_comes_later_is_refused_too():
    optimizer = metaopt.create_optimizer("muon", parameters(SHAPES), implementation="rule")
    with pytest.raises(InputError, match=r"muon takes matrices"):
        optimizer.add_param_group({"params": parameters([(3,)])})


@pytest.mark.parametrize("first", ["native", "rule"])
def test_the_class_and_the_rule_continue_each_others_states(first):
    second = {"native": "rule", "rule": "native"}[first]
    params, whole = parameters(AS_TORCH), parameters(AS_TORCH)
    before = metaopt.create_optimizer("muon", params, implementation=first, lr=0.01, adjust_lr_fn="match_rms_adamw")
    unbroken = metaopt.create_optimizer("muon", whole, implementation=second, lr=0.01, adjust_lr_fn="match_rms_adamw")
    walk([before, unbroken], 5)
    after = metaopt.create_optimizer("muon", params, implementation=second)
    after.load_state_dict(before.state_dict())
    assert after.param_groups[0]["adjust_lr_fn"] == "match_rms_adamw"
    walk([after, unbroken], 5)
    torch.testing.assert_close(params, whole, rtol=0, atol=1e-6)


def test_a_state_of_torchs_own_is_taken():
    params = parameters(SHAPES)
    theirs = torch.optim.Muon(params, lr=0.01)
    walk([theirs], 3)
    ours = metaopt.create_optimizer("muon", params, implementation="rule")
    assert theirs.param_groups[0]["adjust_lr_fn"] is None  # which is torch's "original"
    ours.load_state_dict(theirs.state_dict())
    assert ours.param_groups[0]["adjust_lr_fn"] == "original"
    assert torch.equal(ours.state[params[0]]["momentum_buffer"], theirs.state[params[0]]["momentum_buffer"])


def test_param_groups_share_what_decides_the_computation():
    groups = [{"params": parameters([(4, 3)])}, {"params": parameters([(4, 3)], 1), "ns_steps": 3}]
    for implementation in ("rule", "native"):
        with pytest.raises(
            InputError, match=r"muon\.ns_steps is the same for all param groups, 5, got 3; make another"
        ):
            metaopt.create_optimizer("muon", groups, implementation=implementation)
    optimizer = metaopt.create_optimizer("muon", groups[:1], implementation="rule")
    walk([optimizer], 1)
    optimizer.param_groups[0]["precision"] = "float32"
    with pytest.raises(
        InputError, match=r"muon\.precision is the same for all param groups, 'bfloat16', got 'float32'"
    ):
        walk([optimizer], 1)


def test_it_says_which_tensors_it_takes():
    assert spec.takes == "matrices"


def test_a_parameter_without_numbers_is_stepped_by_the_rule():
    empty, full = torch.nn.Parameter(torch.zeros(3, 0)), torch.nn.Parameter(torch.ones(3, 2))
    optimizer = metaopt.create_optimizer("muon", [empty, full])
    for param in (empty, full):
        param.grad = torch.ones_like(param)
    optimizer.step()
    assert not torch.equal(full, torch.ones(3, 2))
