"""One batch whose gradients overflow is no step for any recipe, and where they go on a run says so and ends."""

import copy
import io
import math
import pickle
import warnings

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.gradient_guard import GradientGuard, SkippedSteps
from metaopt.deploy.ranks.rank_group import RankGroup
from metaopt.deploy.step_hooks import observe_steps
from metaopt.errors import OutOfDepthError
from metaopt.plugin.optimizer import OptimizerSpec
from metaopt.plugin.registry import Registry, current_registry
from metaopt.signals.overflow import LARGEST_NORM, MAX_SKIPS
from tests.ranks import on_ranks

SPECS = [spec for spec in current_registry().specs(OptimizerSpec) if spec.rule is not None]
OPTIMIZERS = [
    (spec.name, implementation)
    for spec in SPECS
    for implementation in (("native", "rule") if spec.native is not None else ("rule",))
    if spec.meta is None and spec.takes == "all"
]


def model_of(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)


INPUTS = torch.randn(32, 3, generator=torch.Generator().manual_seed(1))
TARGETS = INPUTS.sum(1, keepdim=True)


def bind(model, optimizer="adamw", controller="constant", wrappers=(), guard="fallback", **keywords):
    recipe = metaopt.Recipe.create(Configuration(optimizer, controller, wrappers=wrappers))
    return recipe.bind(model, total_steps=100, guard=guard, **keywords)


def loss_of(model):
    dtype = model[0].weight.dtype
    return (model(INPUTS.to(dtype)) - TARGETS.to(dtype)).square().mean()


def train(run, model, steps, bad=None):
    """`steps` steps, each with one gradient entry of `bad` if that is given."""
    for _ in range(steps):
        run.optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        if bad is not None:
            model[0].weight.grad[0, 0] = bad
        run.step(loss)


def everything(run, model):
    """Weights, state and settings, but not how many planned steps are done."""
    document = copy.deepcopy(run.optimizer.state_dict())
    document["param_groups"][0].pop("steps", None)
    return {"weights": {name: param.clone() for name, param in model.state_dict().items()}, **document}


def equal(first, second):
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return first == second


def validated(run, value):
    """A validation's metric, measured with the weights that are kept as best."""
    with run.evaluating():
        return run.observe(value)


@pytest.mark.parametrize("bad", [math.nan, 1e30])
@pytest.mark.parametrize(("optimizer", "implementation"), OPTIMIZERS)
def test_a_bad_batch_moves_nothing_whatever_the_optimizer(optimizer, implementation, bad):
    model, unbroken = model_of(), model_of()
    run, reference = (bind(its_model, optimizer, implementation=implementation) for its_model in (model, unbroken))
    train(run, model, 3)
    train(reference, unbroken, 3)
    before = everything(run, model)
    with pytest.warns(RuntimeWarning, match="At step 3 the gradients are not finite, or too large"):
        train(run, model, 1, bad)
    train(run, model, 2, bad)
    assert equal(everything(run, model), before)
    train(run, model, 3)
    train(reference, unbroken, 3)
    assert equal(everything(run, model), everything(reference, unbroken)), "as if the batch had never been"
    assert run.skipped == SkippedSteps(by_guard=3)
    assert run.num_steps == 9
    assert not validated(run, 1.0).stop


@pytest.mark.parametrize(("optimizer", "implementation"), OPTIMIZERS)
def test_a_bad_first_batch_leaves_no_trace(optimizer, implementation):
    model, unbroken = model_of(), model_of()
    run, reference = (bind(its_model, optimizer, implementation=implementation) for its_model in (model, unbroken))
    with pytest.warns(RuntimeWarning, match="At step 0 the gradients"):
        train(run, model, 1, math.inf)
    train(run, model, 3)
    train(reference, unbroken, 3)
    assert equal(everything(run, model), everything(reference, unbroken))


@pytest.mark.parametrize("wrapper", current_registry().names(metaopt.WrapperSpec))
def test_a_wrapper_does_not_see_a_bad_batch_either(wrapper):
    model = model_of()
    run = bind(model, "adamw", wrappers=[wrapper])
    train(run, model, 3)
    before = everything(run, model)
    with pytest.warns(RuntimeWarning, match="At step 3 the gradients"):
        train(run, model, 1, 1e30)
    assert equal(everything(run, model), before)
    assert run.optimizer.steps == 4, "what follows the plan goes on"


@pytest.mark.parametrize("controller", ["adagrad_norm", "greedy", "hypergradient", "polyak"])
def test_a_controller_that_looks_at_gradients_does_not_see_a_bad_batch(controller):
    model, unbroken = model_of(), model_of()
    run, reference = bind(model, "sgd", controller), bind(unbroken, "sgd", controller)
    train(run, model, 3)
    train(reference, unbroken, 3)
    rate = run.scheduler.get_last_lr()
    state = copy.deepcopy(run.scheduler.state_dict()["state"])
    with pytest.warns(RuntimeWarning, match="At step 3 the gradients"):
        train(run, model, 1, math.nan)
    assert run.scheduler.get_last_lr() == rate
    assert equal(run.scheduler.state_dict()["state"], state)
    train(run, model, 3)
    assert all(bool(param.isfinite().all()) for param in model.parameters())
    assert run.scheduler.get_last_lr()[0] > 0


def test_the_learning_rates_plan_goes_on_through_a_skipped_step():
    model = model_of()
    run, other = bind(model, controller="linear"), bind(model_of(), controller="linear")
    with pytest.warns(RuntimeWarning, match="At step 0"):
        train(run, model, 1, math.inf)
    train(other, other.model, 1)
    assert run.scheduler.get_last_lr() == other.scheduler.get_last_lr()


@pytest.mark.parametrize(
    ("dtype", "value", "skipped"),
    [
        (torch.float32, 1e19, 0),
        (torch.float32, 2e19, 1),
        (torch.float64, 1e19, 0),
        (torch.float64, 2e19, 1),
        (torch.float64, 1e200, 1),
        (torch.bfloat16, 1e19, 0),
        (torch.bfloat16, 1e30, 1),
        (torch.float16, 6e4, 0),
        (torch.float16, math.inf, 1),
    ],
)
def test_the_limit_is_that_of_squares_in_float32_whatever_the_dtype(dtype, value, skipped):
    param = nn.Parameter(torch.zeros(8, dtype=dtype))
    run = bind([param], "sgd", implementation="rule")
    param.grad = torch.zeros_like(param)
    param.grad[3] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run.step(1.0)
    assert run.skipped.by_guard == skipped
    assert bool(param.any()) == (not skipped)


def test_gradients_whose_squares_overflow_only_together_are_skipped():
    params = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    run = bind(params)
    for param in params:
        param.grad = torch.full((2,), LARGEST_NORM / 2)
    with pytest.warns(RuntimeWarning, match="At step 0"):
        run.step(1.0)
    assert run.skipped.by_guard == 1


def test_parameters_without_gradients_and_mixed_kinds_of_gradients_are_looked_at():
    table, bias = nn.Embedding(5, 2, sparse=True), nn.Parameter(torch.zeros(2))
    wide = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    run = bind([table.weight, bias, wide, nn.Parameter(torch.zeros(3))], "sgd", implementation="native")
    (table(torch.tensor([1, 1, 3])).sum() + bias.sum() + wide.sum()).backward()
    run.step(1.0)
    assert run.skipped.by_guard == 0
    before = table.weight.detach().clone()
    table.weight.grad = torch.sparse_coo_tensor([[1]], [[math.nan, 1.0]], (5, 2), check_invariants=True)
    with pytest.warns(RuntimeWarning, match="At step 1"):
        run.step(1.0)
    assert torch.equal(table.weight, before)


def test_users_find_their_gradients_where_they_were():
    model = model_of()
    run = bind(model, "nadamw")
    loss_of(model).backward()
    model[0].weight.grad[0, 0] = math.inf
    grads = [param.grad for param in model.parameters()]
    with pytest.warns(RuntimeWarning, match="At step 0"):
        run.step(1.0)
    assert all(param.grad is grad for param, grad in zip(model.parameters(), grads, strict=True))


class Counting(torch.optim.Optimizer):
    """Counts in its groups and in itself, whether or not there are gradients, as some libraries' classes do."""

    def __init__(self, params):
        self.calls = 0
        super().__init__(params, {"lr": 0.1, "k": 0, "sums": [0.0], "decay": torch.ones(())})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else closure()
        self.calls += 1
        for group in self.param_groups:
            group["k"] += 1
            group["sums"][0] += 0.5
            group["decay"].mul_(0.9)
            group.setdefault("late", 0)
            for param in group["params"]:
                if param.grad is not None:
                    param.sub_(param.grad, alpha=group["lr"])
        return loss


def observed(optimizer, **keywords):
    guard = GradientGuard(**keywords)
    observe_steps(optimizer, guard)
    return guard


def test_a_librarys_class_has_its_counters_put_back():
    param = nn.Parameter(torch.ones(2))
    optimizer = Counting([param])
    guard = observed(optimizer)
    decay = optimizer.param_groups[0]["decay"]
    param.grad = torch.full((2,), math.nan)
    with pytest.warns(RuntimeWarning, match="At step 0"):
        optimizer.step()
    group = optimizer.param_groups[0]
    assert (optimizer.calls, group["k"], group["sums"], float(group["decay"])) == (0, 0, [0.0], 1.0)
    assert group["decay"] is decay
    assert "late" not in group
    param.grad = torch.ones(2)
    optimizer.step()
    assert (optimizer.calls, group["k"], group["sums"]) == (1, 1, [0.5])
    assert guard.skipped == SkippedSteps(by_guard=1)


FUSED = [
    (torch.optim.Adam, {}),
    (torch.optim.AdamW, {"amsgrad": True}),
    (torch.optim.SGD, {"momentum": 0.9}),
    (torch.optim.SGD, {}),
    (torch.optim.Adagrad, {}),
]


@pytest.mark.parametrize("warm", [0, 2], ids=["first step", "later"])
@pytest.mark.parametrize(("kind", "settings"), FUSED, ids=lambda value: getattr(value, "__name__", str(value)))
def test_every_fused_class_of_torch_goes_on_as_if_the_batch_had_never_been(kind, settings, warm):
    params = [nn.Parameter(torch.ones(5)) for _ in range(2)]
    try:
        optimizer, reference = (kind([param], lr=0.1, fused=True, **settings) for param in params)
    except RuntimeError as error:
        pytest.skip(str(error))
    observed(optimizer)
    for step in range(warm + 3):
        if step == warm:
            params[0].grad = torch.tensor([1.0, 1e30, 0.0, math.nan, 1.0])
            with pytest.warns(RuntimeWarning, match=f"At step {warm}"):
                optimizer.step()
            assert not hasattr(optimizer, "found_inf")
        for param, either in zip(params, (optimizer, reference), strict=True):
            param.grad = torch.arange(5.0)
            either.step()
    assert torch.equal(*params)
    assert equal(optimizer.state_dict(), reference.state_dict())


@pytest.mark.parametrize("how", ["none", "positional", "keyword"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "schedulefree_adamw", "lion"])
def test_hosts_that_step_by_themselves_are_guarded_in_each_way_of_calling(optimizer, how):
    """skorch passes a closure by position, Lightning by name, and gradients are not there before it has run."""
    model = model_of()
    run = bind(model, optimizer)
    bad = None

    def closure():
        run.optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        if bad is not None:
            model[0].weight.grad[0, 0] = bad
        return loss

    def step():
        if how == "positional":
            return run.optimizer.step(closure)
        if how == "keyword":
            return run.optimizer.step(closure=closure)
        closure()
        return run.optimizer.step(None)

    step()
    before = everything(run, model)
    bad = math.inf
    with pytest.warns(RuntimeWarning, match="At step 1 the gradients"):
        loss = step()
    assert how == "none" or loss.isfinite()
    assert equal(everything(run, model), before)
    assert model[0].weight.grad[0, 0] == math.inf
    bad = None
    step()
    assert not equal(everything(run, model), before)
    assert run.skipped == SkippedSteps(by_guard=1)


def test_a_closure_that_is_called_several_times_a_step_counts_once():
    param = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.LBFGS([param], line_search_fn="strong_wolfe")
    guard = observed(optimizer)
    before = param.detach().clone()

    def closure():
        param.grad = torch.full((2,), math.inf)
        return param.sum()

    with pytest.warns(RuntimeWarning, match="At step 0"):
        optimizer.step(closure)
    assert torch.equal(param, before)
    assert guard.skipped == SkippedSteps(by_guard=1, in_a_row=1)


class AfterItsBase(torch.optim.SGD):
    """Calls the step of its base, whose hooks torch runs once more, and goes on."""

    fails = False

    @torch.no_grad()
    def step(self, closure=None):
        super().step(closure)
        if self.fails:
            raise KeyError("from a library")
        for param in self.param_groups[0]["params"]:
            if param.grad is not None:
                param.sub_(param.grad)


def test_a_class_that_calls_its_bases_step_skips_both_halves_and_counts_once():
    torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1)  # from now on torch runs hooks in the base too
    param = nn.Parameter(torch.ones(2))
    optimizer = AfterItsBase([param], lr=0.1)
    guard = observed(optimizer)
    param.grad = torch.full((2,), math.inf)
    with pytest.warns(RuntimeWarning, match="At step 0"):
        optimizer.step()
    assert torch.equal(param, torch.ones(2))
    assert guard.skipped == SkippedSteps(by_guard=1, in_a_row=1)
    param.grad = torch.ones(2)
    optimizer.step()
    torch.testing.assert_close(param.detach(), torch.full((2,), -0.1))


def test_a_skipped_step_that_raises_does_not_spoil_the_next_one():
    param = nn.Parameter(torch.ones(2))
    optimizer = AfterItsBase([param], lr=0.1)
    observed(optimizer)
    optimizer.fails = True
    param.grad = torch.full((2,), math.inf)
    with pytest.warns(RuntimeWarning, match="At step 0"), pytest.raises(KeyError):
        optimizer.step()
    optimizer.fails = False
    param.grad = torch.ones(2)
    optimizer.step()
    torch.testing.assert_close(param.detach(), torch.full((2,), -0.1))
    assert torch.equal(param.grad, torch.ones(2))


def scaled_steps(run, model, scaler, steps, bad=None):
    for _ in range(steps):
        run.optimizer.zero_grad()
        scaler.scale(loss_of(model)).backward()
        if bad is not None:
            model[0].weight.grad[0, 0] = bad
        scaler.step(run.optimizer)
        scaler.update()
        run.scheduler.step()


@pytest.mark.parametrize("optimizer", ["adamw", "adagrad", "nadamw", "schedulefree_adamw", "lion"])
def test_what_a_grad_scaler_skips_is_counted_apart_and_never_ends_a_run(optimizer):
    model = model_of()
    run = bind(model, optimizer)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=10_000)
    scaled_steps(run, model, scaler, 2)
    before = everything(run, model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled_steps(run, model, scaler, MAX_SKIPS + 5, math.inf)
    assert equal(everything(run, model), before)
    assert run.skipped.by_guard == run.skipped.in_a_row == 0
    assert run.skipped.by_scaler in (0, MAX_SKIPS + 5), "who is not called cannot count"
    assert not validated(run, 1.0).stop
    assert scaler.get_scale() < 1e-3, "the scaler goes its own way"
    scaled_steps(run, model, scaler, 1)
    assert not equal(everything(run, model), before)


@pytest.mark.parametrize("optimizer", ["adamw", "lion"])
def test_under_a_grad_scaler_the_gradients_count_as_they_will_be_used(optimizer):
    """Scaled gradients of 2¹⁶ · 1e18 overflow squared, true ones do not; 1e30 does, and no scaler minds."""
    model = model_of()
    run = bind(model, optimizer)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=10_000)
    scaled_steps(run, model, scaler, 1)
    before = everything(run, model)
    scaled_steps(run, model, scaler, 1, 2.0**16 * 1e18)
    assert not equal(everything(run, model), before)
    before = everything(run, model)
    with pytest.warns(RuntimeWarning, match="At step 2"):
        scaled_steps(run, model, scaler, 1, 2.0**16 * 1e21)
    assert equal(everything(run, model), before)
    assert run.skipped == SkippedSteps(by_guard=1, in_a_row=1)
    assert scaler.get_scale() == 2.0**16


@pytest.mark.parametrize("optimizer", ["adamw", "schedulefree_adamw", "lion"])
def test_a_run_that_only_skips_ends_and_says_so_once(optimizer):
    model = model_of()
    run = bind(model, optimizer)
    train(run, model, 2)
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        train(run, model, MAX_SKIPS - 1, math.nan)
        assert not validated(run, 1.0).stop
        train(run, model, MAX_SKIPS, math.nan)
    assert [message.category for message in messages] == [RuntimeWarning] * 2
    assert "At step 2 the gradients are not finite" in str(messages[0].message)
    assert f"At step {MAX_SKIPS + 1} {MAX_SKIPS} steps in a row were skipped" in str(messages[1].message)
    decision = validated(run, 0.5)
    assert decision.stop
    assert "training diverged" in decision.reason
    assert decision.best_value == 0.5
    train(run, model, 1)
    assert validated(run, 0.4).stop, "it goes on saying so"


def test_bad_batches_now_and_then_never_end_a_run():
    model = model_of()
    run = bind(model)
    with pytest.warns(RuntimeWarning, match="At step 0"):
        train(run, model, 1, math.inf)
    for _ in range(30):
        train(run, model, 2, math.inf)
        train(run, model, 1)
    assert run.skipped == SkippedSteps(by_guard=61)
    assert not validated(run, 1.0).stop


def test_raising_raises_at_the_first_and_leaves_the_weights():
    model = model_of()
    run = bind(model, guard="raise")
    train(run, model, 2)
    before = everything(run, model)
    with pytest.raises(OutOfDepthError, match=r"At step 2 the gradients are not finite, .*guard='fallback'"):
        train(run, model, 1, 1e30)
    assert equal(everything(run, model), before)


@pytest.mark.parametrize("guard", ["off", False])
def test_without_the_guard_the_optimizer_is_left_alone(guard):
    model = model_of()
    run = bind(model, guard=guard)
    train(run, model, 1, math.nan)
    assert bool(model[0].weight.isnan().any())
    assert run.skipped == SkippedSteps()
    alone = metaopt.create_optimizer("adamw", model_of())
    # There are the run's own hooks, which count steps.
    assert len(run.optimizer._optimizer_step_pre_hooks) == len(alone._optimizer_step_pre_hooks) + 1
    assert len(run.optimizer._optimizer_step_post_hooks) == 1


def test_counts_are_part_of_a_runs_state_and_older_states_have_none():
    model = model_of()
    run = bind(model)
    train(run, model, 2)
    older = run.state_dict()
    del older["skipped"]
    with pytest.warns(RuntimeWarning, match="At step 2"):
        train(run, model, MAX_SKIPS - 1, math.inf)
    file = io.BytesIO()
    torch.save(run.state_dict(), file)
    file.seek(0)
    resumed = bind(model)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.skipped == SkippedSteps(by_guard=MAX_SKIPS - 1, in_a_row=MAX_SKIPS - 1)
    with pytest.warns(RuntimeWarning, match=f"At step {MAX_SKIPS + 1} {MAX_SKIPS} steps in a row"):
        train(resumed, model, 1, math.inf)
    assert validated(resumed, 1.0).stop

    resumed = bind(model)
    resumed.load_state_dict(older)
    assert resumed.skipped == SkippedSteps()
    with pytest.warns(RuntimeWarning, match="At step 2 the gradients"):
        train(resumed, model, 1, math.inf)
    unguarded = bind(model, guard="off")
    unguarded.load_state_dict(run.state_dict())
    bind(model).load_state_dict(unguarded.state_dict())


@pytest.mark.parametrize("optimizer", ["adamw", "schedulefree_adamw", "lion"])
def test_copies_and_pickles_of_the_optimizer_have_no_hook_of_the_run(optimizer):
    model = model_of()
    run = bind(model, optimizer)
    train(run, model, 1)
    file = io.BytesIO()
    torch.save(run.optimizer, file)
    file.seek(0)
    copies = [
        copy.deepcopy(run.optimizer),
        pickle.loads(pickle.dumps(run.optimizer)),
        torch.load(file, weights_only=False),
    ]
    for other in copies:
        assert not other._optimizer_step_pre_hooks
        assert not other._optimizer_step_post_hooks
        param = other.param_groups[0]["params"][0]
        param.grad = torch.full_like(param, math.inf)
        other.step()
    assert run.skipped == SkippedSteps()


def test_a_rule_of_somebody_elses_is_guarded_too():
    lion, registry = current_registry().get(OptimizerSpec, "lion"), Registry()
    registry.register(OptimizerSpec(name="theirs", version="1", api=1, rule=lion.rule, space=lion.space))
    registry.register(current_registry().get(metaopt.ControllerSpec, "constant"))
    model = model_of()
    recipe = metaopt.Recipe.create(Configuration("theirs", "constant"), registry=registry)
    run = recipe.bind(model, total_steps=10, registry=registry)
    with pytest.warns(RuntimeWarning, match="At step 0"):
        train(run, model, 1, math.nan)
    assert all(bool(param.isfinite().all()) for param in model.parameters())


def test_an_error_of_the_class_is_forgiven_only_in_a_skipped_step():
    class Failing(torch.optim.SGD):
        fails = False  # not yet where it is tried out

        def step(self, closure=None):
            if self.fails:
                raise ValueError("no step")

    registry = Registry()
    registry.register(metaopt.optimizer_spec(Failing, lr=metaopt.Float(1e-3, 1.0, log=True, default=0.1)))
    registry.register(current_registry().get(metaopt.ControllerSpec, "linear"))
    model = model_of()
    recipe = metaopt.Recipe.create(Configuration("failing", "linear"), registry=registry)
    run = recipe.bind(model, total_steps=10, registry=registry)
    Failing.fails = True
    loss_of(model).backward()
    with pytest.raises(ValueError, match="no step"):
        run.step()
    assert (run.num_steps, run.scheduler.last_epoch) == (0, 0)
    model[0].weight.grad.fill_(math.nan)
    with pytest.warns(RuntimeWarning, match="the step is skipped"):
        run.step()
    assert (run.skipped.by_guard, run.num_steps, run.scheduler.last_epoch) == (1, 1, 1)
    loss_of(model).backward()
    model[0].weight.grad.fill_(1.0)
    with pytest.raises(ValueError, match="no step"):
        run.step()


def parts(rank):
    """Each rank has half of the parameters; a gradient overflows on the second one alone."""
    param = torch.ones(2, requires_grad=True)
    optimizer, guard = torch.optim.SGD([param], lr=1.0), GradientGuard(parts=RankGroup(torch.distributed.group.WORLD))
    observe_steps(optimizer, guard)
    norms = []
    for grad in ([3.0, 0.0], [math.nan if rank else 1.0, 1.0], [1.0, 1.0]):
        param.grad = torch.tensor(grad)
        norms.append(float(guard.gradient_norm(optimizer)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optimizer.step()
    return norms, guard.skipped.by_guard, param.tolist()


def test_where_ranks_have_parts_of_the_gradients_all_of_them_skip_a_step():
    first, second = on_ranks(parts)
    assert first[0][0] == second[0][0] == pytest.approx(math.sqrt(18))
    assert first[0][2] == second[0][2] == 2.0
    assert first[1:] == second[1:] == (1, [-3.0, 0.0])
