"""`evaluating` holds the averages for as long as one evaluates, and gives the training weights back bit for bit."""

import copy

import pytest
import torch
from torch import Tensor, nn

import metaopt
from metaopt.deploy import evaluating
from tests.ranks import fully_shards, on_ranks


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1)).to(dtype)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, num_steps: int) -> None:
    for step in range(num_steps):
        inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(step)).to(next(model.parameters()).dtype)
        optimizer.zero_grad()
        (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean().backward()
        optimizer.step()


def values(model: nn.Module) -> list[Tensor]:
    return [param.detach().clone() for param in model.parameters()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


AVERAGING = {
    "Schedule-Free's own class": lambda model: metaopt.create_optimizer("schedulefree_adamw", model, lr=0.1),
    "Schedule-Free as a rule": lambda model: metaopt.RuleOptimizer(model, "schedulefree_adamw", lr=0.1),
    "an averaged rule": lambda model: metaopt.create_optimizer("sgd", model, lr=0.1, wrappers=["averaged"]),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", AVERAGING)
def test_averages_are_in_the_parameters_within_and_the_training_weights_after(kind, dtype):
    model = network(dtype)
    optimizer = AVERAGING[kind](model)
    train(model, optimizer, 5)
    before = values(model)
    with evaluating(optimizer):
        within = values(model)
        with evaluating(optimizer):
            assert same(within, values(model))
        assert same(within, values(model))
    assert not same(before, within)
    assert same(before, values(model))
    train(model, optimizer, 1)


@pytest.mark.parametrize("kind", AVERAGING)
def test_an_exception_within_still_gives_the_training_weights_back(kind):
    model = network()
    optimizer = AVERAGING[kind](model)
    train(model, optimizer, 3)
    before = values(model)
    with pytest.raises(ZeroDivisionError), evaluating(optimizer, model):
        _ = 1 / 0
    assert same(before, values(model))
    assert model.training
    train(model, optimizer, 1)


def test_evaluating_disturbs_no_training():
    trained = []
    for disturbed in (False, True):
        model = network()
        optimizer = metaopt.RuleOptimizer(model.eval(), "schedulefree_adamw", lr=0.1)
        for _ in range(3):
            train(model, optimizer, 2)
            if disturbed:
                with evaluating(optimizer):
                    pass
        trained.append(values(model))
    assert same(*trained)


def test_the_schedule_free_rule_evaluates_where_its_reference_does():
    averages = []
    for implementation in ("native", "rule"):
        model = network().eval()
        optimizer = metaopt.create_optimizer("schedulefree_adamw", model, lr=0.1, implementation=implementation)
        train(model, optimizer, 20)
        with evaluating(optimizer):
            averages.append(values(model))
    torch.testing.assert_close(*averages, rtol=1e-5, atol=1e-5)


def test_an_optimizer_that_its_user_put_in_eval_mode_stays_there():
    model = network()
    optimizer = metaopt.create_optimizer("schedulefree_adamw", model, lr=0.1)
    train(model, optimizer, 3)
    optimizer.eval()
    averaged = values(model)
    with evaluating(optimizer):
        assert same(averaged, values(model))
    assert same(averaged, values(model))


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_nothing_happens_to_rules_that_do_not_average(implementation):
    model = network()
    optimizer = metaopt.create_optimizer("adamw", model, implementation=implementation)
    train(model, optimizer, 2)
    before = values(model)
    with evaluating(optimizer):
        assert same(before, values(model))


@pytest.mark.parametrize("kind", AVERAGING)
def test_before_the_first_step_it_evaluates_the_parameters_themselves(kind):
    model = network()
    before = values(model)
    with evaluating(AVERAGING[kind](model)):
        assert same(before, values(model))


def test_a_given_model_is_in_eval_mode_within_and_each_module_as_it_was_after():
    model = network()
    model[1].eval()
    with evaluating(metaopt.create_optimizer("adamw", model), model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model] == [True, False, True]


def test_a_step_within_is_refused():
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "adamw")
    with evaluating(optimizer), pytest.raises(RuntimeError, match=r"optimizer\.step\(\) inside `evaluating`"):
        optimizer.step()


def test_before_the_first_step_a_class_is_not_asked_for_averages():
    class Averaging(torch.optim.SGD):
        def train(self):
            raise KeyError("average")

        eval = train

    model = network()
    optimizer = Averaging(model.parameters(), lr=0.1, momentum=0.9)
    before = values(model)
    with evaluating(optimizer):
        assert same(values(model), before)
    train(model, optimizer, 1)
    with pytest.raises(KeyError, match="average"), evaluating(optimizer):
        pass


RULES = [kind for kind in AVERAGING if "class" not in kind]


@pytest.mark.parametrize("kind", AVERAGING)
def test_hosts_switch_averages_in_and_out(kind):
    model = network()
    optimizer = AVERAGING[kind](model)
    train(model, optimizer, 5)
    before = values(model)
    with evaluating(optimizer):
        averaged = values(model)
    for _ in range(2):
        optimizer.eval()
        assert same(values(model), averaged)
    for _ in range(2):
        optimizer.train()
        torch.testing.assert_close(values(model), before, rtol=1e-6, atol=1e-6)
    train(model, optimizer, 1)


@pytest.mark.parametrize("kind", RULES)
def test_the_training_weights_come_back_bit_for_bit_and_a_step_before_that_is_refused(kind):
    model = network()
    optimizer = AVERAGING[kind](model)
    train(model, optimizer, 5)
    before = values(model)
    optimizer.eval()
    with pytest.raises(RuntimeError, match=r"after eval\(\): leave the block or call train\(\)"):
        optimizer.step()
    optimizer.train()
    assert same(values(model), before)


def test_switching_to_where_one_is_writes_nothing():
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "schedulefree_adamw", lr=0.1)
    train(model, optimizer, 2)
    versions = [param._version for param in model.parameters()]
    optimizer.train()
    assert [param._version for param in model.parameters()] == versions
    optimizer.eval()
    versions = [param._version for param in model.parameters()]
    optimizer.eval()
    assert [param._version for param in model.parameters()] == versions


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", RULES)
def test_a_checkpoint_between_eval_and_train_goes_on_bit_for_bit(kind, dtype, tmp_path):
    """A Trainer's order: averages in, evaluate, save model and optimizer, and back to training."""
    model = network(dtype).eval()
    optimizer = AVERAGING[kind](model)
    train(model, optimizer, 5)
    optimizer.eval()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "saved.pt")
    optimizer.train()
    train(model, optimizer, 3)
    other = network(dtype).eval()
    resumed = AVERAGING[kind](other)
    saved = torch.load(tmp_path / "saved.pt", weights_only=True)
    other.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["optimizer"])
    with evaluating(resumed):
        assert same(values(other), list(saved["model"].values()))
    resumed.train()
    train(other, resumed, 3)
    assert same(values(model), values(other))


def test_a_checkpoint_of_training_ends_an_evaluation():
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "schedulefree_adamw", lr=0.1)
    train(model, optimizer, 2)
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    optimizer.eval()
    model.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    optimizer.train()
    assert same(values(model), list(saved[0].values()))


def test_a_copy_made_in_eval_mode_trains_on_from_the_same_weights():
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "schedulefree_adamw", lr=0.1)
    train(model, optimizer, 2)
    before = values(model)
    optimizer.eval()
    copied_model, copied = copy.deepcopy((model, optimizer))
    copied.train()
    assert same(values(copied_model), before)
    assert not same(values(model), before)


def test_training_weights_of_another_parameter_are_refused():
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "schedulefree_adamw", lr=0.1)
    train(model, optimizer, 2)
    optimizer.eval()
    saved = optimizer.state_dict()
    saved["state"][0]["training_point"] = torch.zeros(7)
    with pytest.raises(metaopt.InputError, match=r"training weights of '0\.weight' are another parameter's"):
        optimizer.load_state_dict(saved)


@pytest.mark.parametrize("finishes", [False, True])
def test_what_a_run_restores_in_eval_mode_stays(finishes):
    model = network()
    recipe = metaopt.Recipe.create(metaopt.Configuration("sgd", wrappers=("averaged",)))
    run = recipe.bind(model, total_steps=10)
    train(model, run.optimizer, 3)
    run.optimizer.eval()
    run.observe(1.0)
    best = values(model)
    run.optimizer.train()
    train(model, run.optimizer, 3)
    run.optimizer.eval()
    run.finish() if finishes else run.restore_best()
    assert same(values(model), best)
    run.optimizer.train()
    assert same(values(model), best)


def test_averages_in_the_parameters_do_not_go_on_in_a_class():
    model = network()
    optimizer = metaopt.RuleOptimizer(model, "schedulefree_adamw", lr=0.1)
    train(model, optimizer, 2)
    optimizer.eval()
    of_class = metaopt.create_optimizer("schedulefree_adamw", model, lr=0.1)
    with pytest.raises(metaopt.InputError, match=r"averaged weights in the parameters; call optimizer\.train\(\)"):
        of_class.load_state_dict(optimizer.state_dict())


def values_on_ranks(rank, name, wrappers):
    """Losses before, within and after evaluations without a backward pass, for a whole model and a sharded one."""
    from torch.distributed.fsdp import fully_shard

    inputs, seen = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), []
    for shards in (False, True):
        model = network().eval()
        if shards:  # the outermost module keeps its whole weights after a forward pass
            fully_shard(model, mesh=torch.distributed.device_mesh.init_device_mesh("cpu", (2,)))
        run = metaopt.Recipe.create(metaopt.Configuration(name, wrappers=wrappers)).bind(
            model, total_steps=9, keep_best=None
        )
        values = []
        for _ in range(4):
            run.optimizer.zero_grad()
            loss = model(inputs).square().mean()
            loss.backward()
            run.step(loss)
            with run.evaluating(), torch.no_grad():
                values += [float(loss), float(model(inputs).square().mean())]
            with torch.no_grad():
                values.append(float(model(inputs).square().mean()))
        run.finish()
        with torch.no_grad():
            seen.append([*values, float(model(inputs).square().mean())])
    return seen


@fully_shards
@pytest.mark.parametrize(
    ("name", "wrappers"), [("adamw", ("averaged",)), ("schedulefree_adamw", ())], ids=["averaged", "schedulefree"]
)
def test_a_fully_sharded_model_evaluates_averages_and_trains_on_from_its_own_weights(name, wrappers):
    for whole, sharded in on_ranks(values_on_ranks, name, wrappers):
        assert sharded == pytest.approx(whole, rel=1e-5)
        assert whole[-2] != whole[-3]


class Averaging(torch.optim.SGD):
    """Descent with an average of each parameter that it has stepped, and that it looks for in all of them."""

    def __init__(self, params, lr: float = 0.1):
        super().__init__(params, lr=lr)
        for group in self.param_groups:
            group["train_mode"] = True

    @torch.no_grad()
    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self.state[param]["average"] = param / 2

    @torch.no_grad()
    def eval(self):
        for group in self.param_groups:
            group["train_mode"] = False
            for param in group["params"]:
                self.state[param]["before"] = param.clone()
                param.copy_(self.state[param]["average"])

    @torch.no_grad()
    def train(self):
        for group in self.param_groups:
            group["train_mode"] = True
            for param in group["params"]:
                param.copy_(self.state[param].pop("before"))


def test_a_parameter_that_no_step_reached_has_no_average():
    used, unused = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = Averaging([used, unused])
    used.grad = torch.ones(2)
    optimizer.step()
    with evaluating(optimizer):
        assert used.tolist() == pytest.approx([0.45, 0.45])
        assert unused.tolist() == [1.0, 1.0]
    assert used.tolist() == pytest.approx([0.9, 0.9])
    assert unused not in optimizer.state
    assert optimizer.param_groups[0]["params"] == [used, unused]
