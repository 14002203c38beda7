"""A rule's compiled update: one graph for all sizes, the eager rule's numbers, no recompiling."""

import shutil
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

import metaopt
from metaopt.plugin.registry import current_registry
from metaopt.tracing import compiled_rules
from metaopt.tracing.compiled_rules import compiled_update, update_tensor

pytestmark = pytest.mark.thorough

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None, reason="needs a C++ compiler"
)
SHAPES = ((7, 5), (64,), (3, 2, 4, 4), (), (1,), (0, 3), (2,))


def tensors(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    """Parameters of many shapes; the last two are transposed, and channels-last."""
    generator = torch.Generator().manual_seed(0)
    made = [nn.Parameter(torch.randn(shape, generator=generator).to(dtype)) for shape in SHAPES]
    made.append(nn.Parameter(torch.randn(4, 6, generator=generator).to(dtype).t()))
    images = torch.randn(2, 3, 4, 5, generator=generator).to(dtype)
    made.append(nn.Parameter(images.contiguous(memory_format=torch.channels_last)))
    return made


@pytest.fixture
def nothing_compiled():
    """What another test of this process compiled is forgotten, so that graphs can be counted."""
    compiled_rules._shared_by_equal_rules.cache_clear()
    counters.clear()


def run(optimizer: torch.optim.Optimizer, num_steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    params = optimizer.param_groups[0]["params"]
    for step in range(num_steps):
        for index, param in enumerate(params):
            missing = index == 1 and step == 0
            param.grad = None if missing else torch.randn(param.shape, generator=generator).to(param.dtype)
        optimizer.param_groups[0]["lr"] = 1e-2 / (step + 1)
        optimizer.step()


def values(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [param.detach().clone() for param in optimizer.param_groups[0]["params"]]


@needs_compiler
@pytest.mark.slow
@pytest.mark.usefixtures("nothing_compiled")
def test_one_graph_steps_every_shape_at_fifty_learning_rates_as_the_eager_rule_does():
    eager = metaopt.RuleOptimizer(tensors(), "adamw")
    compiled = metaopt.RuleOptimizer(tensors(), "adamw", compile=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, on import of its compiler
        run(compiled, 50)
    run(eager, 50)
    assert counters["stats"]["unique_graphs"] == 1
    torch.testing.assert_close(values(compiled), values(eager), rtol=1e-5, atol=1e-6)

    again = metaopt.RuleOptimizer(tensors(), "adamw", compile=True)
    again.load_state_dict(compiled.state_dict())
    run(again, 2)
    assert counters["stats"]["unique_graphs"] == 1, "a second optimizer compiled the same rule again"


@needs_compiler
@pytest.mark.slow
def test_compiled_steps_in_low_precision_keep_float32_state():
    pair = [metaopt.RuleOptimizer(tensors(torch.bfloat16), "lion", compile=compile) for compile in (False, True)]
    for optimizer in pair:
        run(optimizer, 4)
    for eager, compiled in zip(*map(values, pair), strict=True):
        torch.testing.assert_close(eager, compiled, rtol=2e-2, atol=1e-3)
    assert all(state["exp_avg"].dtype == torch.float32 for state in pair[1].state.values())


@pytest.mark.parametrize(("name", "acts_on"), [("prodigy", "all tensors at once")])
def test_a_rule_that_cannot_be_one_graph_says_why_and_runs_eagerly(name, acts_on):
    with pytest.warns(RuntimeWarning, match=f"The rule '{name}' acts on {acts_on}: compile=True has no effect"):
        optimizer = metaopt.RuleOptimizer(tensors(), name, compile=True)
    run(optimizer, 2)
    assert optimizer.steps == 2


def test_equal_rules_share_their_graphs():
    rule = current_registry().get(metaopt.OptimizerSpec, "adamw").rule
    assert compiled_update(rule, ("lr",)) is compiled_update(rule, ("lr",))
    assert compiled_update(rule, ("lr",)) is not compiled_update(rule, ("lr", "eps"))


def test_the_update_of_one_tensor_is_pure_and_vmaps():
    rule = current_registry().get(metaopt.OptimizerSpec, "sgd").rule
    hparams = {name: torch.tensor(0.5) for name in ("lr", "momentum", "nesterov", "weight_decay")}
    params, grads = torch.randn(3, 4), torch.randn(3, 4)
    state = {"momentum_buffer": torch.randn(3, 4)}
    info = metaopt.StepInfo(step=torch.tensor(0.0))

    def one(grad, own, param):
        return update_tensor(rule, grad, own, param, hparams, {}, info)

    updates, new = torch.vmap(one)(grads, state, params)
    expected = [one(grads[i], {"momentum_buffer": state["momentum_buffer"][i]}, params[i]) for i in range(3)]
    torch.testing.assert_close(updates, torch.stack([update for update, _ in expected]))
    torch.testing.assert_close(new["momentum_buffer"], torch.stack([own["momentum_buffer"] for _, own in expected]))


@needs_compiler
@pytest.mark.slow
@pytest.mark.usefixtures("nothing_compiled")
def test_a_rule_that_measures_tensors_compiles_into_two_passes_for_all_matrices():
    spec = current_registry().get(metaopt.OptimizerSpec, "mlp_lopt")
    theta = spec.meta.init_theta({}, torch.Generator().manual_seed(0), {"hidden_size": 2})
    theta = {name: one + 0.01 for name, one in theta.items()}

    def matrices() -> list[nn.Parameter]:
        generator = torch.Generator().manual_seed(0)
        shapes = ((8, 8), (6, 4), (3, 9))  # square first: that is no promise for the others
        return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]

    pair = [metaopt.RuleOptimizer(matrices(), "mlp_lopt", theta=theta, compile=compile) for compile in (False, True)]
    for optimizer in pair:
        generator = torch.Generator().manual_seed(1)
        for _ in range(5):
            for param in optimizer.param_groups[0]["params"]:
                param.grad = torch.randn(param.shape, generator=generator)
            optimizer.step()
    assert counters["stats"]["unique_graphs"] == 2
    torch.testing.assert_close(values(pair[1]), values(pair[0]), rtol=1e-5, atol=1e-6)
    for eager, compiled in zip(pair[0].state.values(), pair[1].state.values(), strict=True):
        for key, value in eager.items():
            torch.testing.assert_close(compiled[key], value, rtol=1e-4, atol=1e-6)
