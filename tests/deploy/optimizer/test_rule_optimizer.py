"""RuleOptimizer keeps the promises of torch.optim.Optimizer, whatever the rule."""

import pytest
import torch
from torch import Tensor, nn

import metaopt
from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.plugin.registry import Registry

BUILT_IN = ("adagrad", "adamw", "lion", "nadamw", "prodigy", "rmsprop", "schedulefree_adamw", "sgd")


def assembly_of(rule: metaopt.Rule, **declared: object) -> Assembly:
    """The assembly of a new optimizer plugin called "mine"."""
    spec = metaopt.OptimizerSpec(
        name="mine", version="1", rule=rule, space={"lr": metaopt.Float(0, 1, default=0.1)}, **declared
    )
    registry = Registry()
    registry.register(spec)
    registry.register(
        metaopt.ControllerSpec(name="constant", version="1", controller=Constant()),
    )
    return assemble(Configuration("mine"), registry)


class Constant(metaopt.Controller):
    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        return metaopt.Rate(torch.ones(())), state


def descent(scale=lambda info: 1.0, **options):
    """Gradient descent whose step is multiplied by what `scale` makes of the StepInfo."""
    return metaopt.per_tensor(
        init=lambda param, hparams, theta, horizon: {},
        update=lambda grad, state, param, hparams, theta, info: (-hparams["lr"] * scale(info) * grad, state),
        **options,
    )


def network(seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).to(dtype)


def loss_of(model: nn.Module, seed: int = 0) -> Tensor:
    first = next(model.parameters())
    inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(seed)).to(first.dtype)
    return (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean()


def train(model: nn.Module, optimizer: torch.optim.Optimizer, num_steps: int, first: int = 0) -> None:
    for step in range(first, first + num_steps):
        optimizer.zero_grad()
        loss_of(model, step).backward()
        optimizer.step()


def values(model: nn.Module) -> list[Tensor]:
    return [param.detach().clone() for param in model.parameters()]


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_every_built_in_trains_a_network_in_any_precision(name, dtype):
    model = network(dtype=dtype)
    optimizer = metaopt.RuleOptimizer(model, name, **({"d0": 1e-3} if name == "prodigy" else {"lr": 1e-2}))
    before = loss_of(model).item()
    train(model, optimizer, 10)
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert loss_of(model).item() < before
    assert all(param.dtype == dtype for param in model.parameters())
    state_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    own = [tensor for state in optimizer.state.values() for tensor in state.values() if tensor.ndim]
    assert own
    assert all(tensor.dtype == state_dtype for tensor in own)


def test_groups_hold_hyperparameters_as_torch_packs_them():
    optimizer = metaopt.RuleOptimizer(network(), "adamw", lr=0.01, beta1=0.8)
    (group,) = optimizer.param_groups
    assert group["lr"] == 0.01
    assert group["betas"] == (0.8, 0.999)
    assert optimizer.defaults["betas"] == (0.8, 0.999)
    assert metaopt.RuleOptimizer(network(), "adamw", betas=(0.7, 0.9)).param_groups[0]["betas"] == (0.7, 0.9)


def test_each_group_steps_by_its_own_hyperparameters():
    slow, fast = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    optimizer = metaopt.RuleOptimizer([{"params": [slow], "lr": 0.1}, {"params": fast, "lr": 0.5}], "sgd")
    slow.grad = fast.grad = torch.ones(2)
    optimizer.step()
    torch.testing.assert_close(slow.detach(), torch.full((2,), -0.1))
    torch.testing.assert_close(fast.detach(), torch.full((2,), -0.5))


@pytest.mark.parametrize("lr", [0.5, torch.tensor(0.5)])
def test_an_edit_of_the_learning_rate_counts_from_the_next_step(lr):
    weight = nn.Parameter(torch.zeros(2))
    optimizer = metaopt.RuleOptimizer([weight], "sgd", lr=0.1)
    weight.grad = torch.ones(2)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = lr
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((2,), -0.6))


def test_a_tensor_learning_rate_written_in_place_counts_too():
    weight = nn.Parameter(torch.zeros(2))
    optimizer = metaopt.RuleOptimizer([weight], "sgd")
    weight.grad = torch.ones(2)
    optimizer.param_groups[0]["lr"] = torch.tensor(0.5)
    optimizer.step()
    optimizer.param_groups[0]["lr"].fill_(0.25)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((2,), -0.75))


@pytest.mark.parametrize("name", BUILT_IN)
def test_parameters_may_join_after_some_steps(name):
    model, late = network(), nn.Parameter(torch.ones(3))
    optimizer = metaopt.RuleOptimizer(model, name)
    train(model, optimizer, 3)
    optimizer.add_param_group({"params": [late], "lr": 0.5})
    late.grad = torch.ones(3)
    optimizer.step()
    assert not torch.equal(late.detach(), torch.ones(3))
    assert optimizer.param_groups[1]["lr"] == 0.5
    assert optimizer.param_groups[1]["weight_decay"] == optimizer.param_groups[0]["weight_decay"]
    names = [group["param_names"] for group in optimizer.state_dict()["param_groups"]]
    assert names == [["0.weight", "0.bias", "2.weight", "2.bias"], ["4"]]


def test_a_joining_group_with_an_invalid_hyperparameter_is_refused():
    optimizer = metaopt.RuleOptimizer(network(), "adamw")
    with pytest.raises(metaopt.InputError, match=r"adamw\.beta1 must be in \[0, 1\), got 1\.5"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))], "betas": (1.5, 0.9)})
    with pytest.raises(metaopt.InputError, match=r"adamw\.betas must be 2 numbers \(beta1, beta2\), got 0\.9"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))], "betas": 0.9})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("by_keyword", [True, False])
def test_a_closure_is_called_once_with_gradients_and_its_loss_returned(by_keyword):
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "sgd", lr=0.1)
    calls = []

    def closure():
        assert torch.is_grad_enabled()
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        calls.append(loss)
        return loss

    before = values(model)
    with torch.no_grad():
        returned = optimizer.step(closure=closure) if by_keyword else optimizer.step(closure)
    assert len(calls) == 1
    assert returned is calls[0]
    assert not torch.equal(before[0], values(model)[0])
    assert optimizer.step(closure=None) is None


def test_a_rule_that_requires_the_loss_gets_it_from_the_step_or_the_closure():
    assembly = assembly_of(descent(lambda info: info.loss), requires=frozenset({"loss"}))
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    optimizer = metaopt.RuleOptimizer([weight], assembly)
    optimizer.step(loss=torch.tensor(2.0, requires_grad=True))
    optimizer.step(loss=3.0)
    optimizer.step(lambda: torch.tensor(5.0))
    torch.testing.assert_close(weight.detach(), torch.tensor([-1.0]))


def test_a_rule_that_requires_the_loss_and_gets_none_says_so_by_name():
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    optimizer = metaopt.RuleOptimizer([weight], assembly_of(descent(), requires=frozenset({"loss"})))
    with pytest.raises(metaopt.PluginError, match=r"rule 'mine' requires the training loss.*run\.step\(loss\)"):
        optimizer.step()
    assert optimizer.steps == 0


def test_a_rule_that_requires_the_gradient_norm_gets_that_of_all_parameters():
    assembly = assembly_of(descent(lambda info: info.signals["gradient_norm"]), requires=frozenset({"gradient_norm"}))
    first, second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))
    first.grad, second.grad = torch.full((1,), 3.0), torch.full((1,), 4.0, dtype=torch.bfloat16)
    metaopt.RuleOptimizer([first, second], assembly).step()
    torch.testing.assert_close(first.detach(), torch.tensor([-0.1 * 5 * 3]))


def test_what_nobody_requires_is_not_computed():
    seen = []
    optimizer = metaopt.RuleOptimizer(network(), assembly_of(descent(lambda info: seen.append(info) or 1.0)))
    loss_of(network()).backward()
    for param in optimizer.param_groups[0]["params"]:
        param.grad = torch.zeros_like(param)
    optimizer.step(loss=1.0)
    assert seen[0].loss is None
    assert not seen[0].signals


def test_a_signal_that_no_loop_supplies_is_refused_at_set_up_by_name():
    with pytest.raises(metaopt.PluginError, match=r"'mine' requires \['metric'\], which a training loop does not"):
        metaopt.RuleOptimizer(network(), assembly_of(descent(), requires=frozenset({"metric"})))
    with pytest.raises(metaopt.PluginError, match=r"'mine' requires the planned number of steps: pass total_steps="):
        metaopt.RuleOptimizer(network(), assembly_of(descent(), requires=frozenset({"horizon"})))


def test_the_rule_sees_the_step_and_the_horizon():
    seen = []
    assembly = assembly_of(descent(lambda info: seen.append((info.step.item(), info.fraction.item())) or 1.0))
    weight = nn.Parameter(torch.zeros(1))
    optimizer = metaopt.RuleOptimizer([weight], assembly, horizon=4)
    weight.grad = torch.ones(1)
    for _ in range(3):
        optimizer.step()
    assert seen == [(0.0, 0.0), (1.0, 0.25), (2.0, 0.5)]


def test_a_learned_rule_gets_its_weights_and_refuses_to_start_without():
    rule = metaopt.per_tensor(
        init=lambda param, hparams, theta, horizon: {},
        update=lambda grad, state, param, hparams, theta, info: (-theta["rate"] * grad, state),
    )
    assembly = assembly_of(rule, meta=metaopt.MetaTraining(init_theta=lambda *_: {"rate": torch.ones(())}))
    with pytest.raises(metaopt.InputError, match="'mine' is a learned rule and has no weights here: pass theta="):
        metaopt.RuleOptimizer(network(), assembly)
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    optimizer = metaopt.RuleOptimizer([weight], assembly, theta={"rate": torch.tensor(0.25)})
    optimizer.step()
    assert weight.item() == -0.25
    other = metaopt.RuleOptimizer([nn.Parameter(torch.zeros(1))], assembly, theta={"rate": torch.tensor(9.0)})
    other.load_state_dict(optimizer.state_dict())
    assert other.theta["rate"].item() == 0.25


def test_step_hooks_run_and_may_change_the_arguments():
    optimizer = metaopt.RuleOptimizer(network(), "sgd")
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.step()
    assert seen == ["before", "after"]


def test_zero_grad_clears_or_zeroes():
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "sgd")
    loss_of(model).backward()
    optimizer.zero_grad(set_to_none=False)
    assert all(param.grad.count_nonzero() == 0 for param in model.parameters())
    optimizer.zero_grad()
    assert all(param.grad is None for param in model.parameters())


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_step_without_any_gradient_changes_nothing(name):
    model = network()
    optimizer = metaopt.RuleOptimizer(model, name)
    before = values(model)
    optimizer.step()
    assert optimizer.steps == 0
    assert not optimizer.state
    torch.testing.assert_close(values(model), before, rtol=0, atol=0)


@pytest.mark.parametrize("name", BUILT_IN)
def test_parameters_without_a_gradient_and_frozen_ones_stay(name):
    model = network()
    model[0].requires_grad_(False)
    optimizer = metaopt.RuleOptimizer(model, name)
    before = values(model)
    train(model, optimizer, 2)
    after = values(model)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[2], after[2])
    assert model[0].weight not in optimizer.state


@pytest.mark.parametrize("name", BUILT_IN)
def test_odd_shapes_and_layouts_step_as_ordinary_ones(name):
    start = torch.linspace(-1, 1, 12)
    plain = nn.Parameter(start.clone())
    transposed = nn.Parameter(start.reshape(3, 4).t().clone(memory_format=torch.preserve_format))
    scalar, empty = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.empty(0, 3))
    alone = nn.Parameter(torch.tensor([0.5]))
    for param in (plain, transposed, scalar, empty, alone):
        param.grad = param.detach().clone()
    assert not transposed.is_contiguous()
    settings = {"lr": 0.1} if name != "prodigy" else {}
    metaopt.RuleOptimizer([plain, transposed, empty], name, **settings).step()
    for single in (scalar, alone):
        metaopt.RuleOptimizer([single], name, **settings).step()
    torch.testing.assert_close(transposed.detach().t().reshape(-1), plain.detach())
    torch.testing.assert_close(scalar.detach(), alone.detach()[0])
    assert scalar.shape == ()
    assert empty.shape == (0, 3)
    assert scalar.item() < 0.5


def test_tied_weights_step_once():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    start = model[0].weight.detach().clone()
    for params in (model, [model[0].weight, model[1].weight]):
        optimizer = metaopt.RuleOptimizer(params, "sgd", lr=0.1)
        with torch.no_grad():
            model[0].weight.copy_(start)
        model[0].weight.grad = torch.ones(3, 3)
        optimizer.step()
        torch.testing.assert_close(model[0].weight.detach(), start - 0.1)
        assert len(optimizer.param_groups[0]["params"]) == 1


def test_maximize_goes_up():
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.ones(2)
    metaopt.RuleOptimizer([weight], "sgd", lr=0.1, maximize=True).step()
    torch.testing.assert_close(weight.detach(), torch.full((2,), 0.1))


def test_complex_and_integer_parameters_are_refused_in_a_sentence():
    with pytest.raises(metaopt.InputError, match=r"'sgd' takes real floating-point parameters, got torch\.complex64"):
        metaopt.RuleOptimizer([nn.Parameter(torch.zeros(2, dtype=torch.complex64))], "sgd")
    with pytest.raises(metaopt.InputError, match=r"got torch\.int64"):
        metaopt.RuleOptimizer([torch.zeros(2, dtype=torch.int64)], "sgd")


def test_sparse_gradients_are_refused_in_a_sentence():
    embedding = nn.Embedding(4, 2, sparse=True)
    optimizer = metaopt.RuleOptimizer(embedding, "sgd")
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(metaopt.InputError, match="Parameter 'weight' has a sparse gradient"):
        optimizer.step()


def test_unknown_hyperparameters_list_the_valid_ones():
    with pytest.raises(metaopt.InputError, match=r"sgd has no hyperparameter 'momentun'; did you mean 'momentum'\?"):
        metaopt.RuleOptimizer(network(), "sgd", momentun=0.9)
    with pytest.raises(
        metaopt.InputError, match=r"An Assembly has its hyperparameters and wrappers; leave out \['lr'\]"
    ):
        metaopt.RuleOptimizer(network(), assembly_of(descent()), lr=0.1)


def test_the_same_name_in_two_groups_is_two_parameters():
    first, second = nn.Linear(2, 1), nn.Linear(2, 1)
    groups = [{"params": first.named_parameters()}, {"params": second.named_parameters()}]
    optimizer = metaopt.RuleOptimizer(groups, "adamw")
    for model in (first, second):
        model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert len(optimizer.state) == 4


def test_a_whole_tree_rule_takes_hyperparameters_of_each_group_and_keeps_shared_state_once():
    model = network()
    groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "weight_decay": 0.5}]
    optimizer = metaopt.RuleOptimizer(groups, "prodigy")
    train(model, optimizer, 3)
    assert set(optimizer.param_groups[0]["shared"]) == {"step", "d", "d_max", "d_numerator"}
    assert "shared" not in optimizer.param_groups[1]
    assert optimizer.param_groups[0]["shared"]["step"].item() == 3


@pytest.mark.parametrize("loss", [torch.tensor(1.0), 0.5])
def test_a_loss_in_the_closures_place_says_where_it_goes(loss):
    optimizer = metaopt.RuleOptimizer(nn.Linear(2, 1), "lion")
    with pytest.raises(metaopt.InputError, match=r"takes a function; pass a loss by name, step\(loss=loss\)"):
        optimizer.step(loss)


@pytest.mark.slow
@pytest.mark.parametrize("compile", [False, True])
def test_a_checkpoint_may_hold_a_states_keys_in_any_order(compile):
    def turned(tree):
        return {key: turned(part) for key, part in reversed(tree.items())} if isinstance(tree, dict) else tree

    def trained(document=None):
        param = torch.nn.Parameter(torch.linspace(-1, 1, 6))
        optimizer = metaopt.RuleOptimizer([param], "adamw", lr=0.1, compile=compile)
        if document is not None:
            optimizer.load_state_dict({**document, "state": turned(document["state"])})
        param.grad = torch.linspace(1, 2, 6)
        optimizer.step()
        return param.detach(), optimizer.state_dict()

    _, document = trained()
    assert torch.equal(trained(document)[0], trained({**document, "state": turned(document["state"])})[0])
