"""What torch's own tests ask of each optimizer (`test/test_optim.py`, over `OptimizerInfo`), asked of each of ours.

Every optimizer that ships is gone through, once as the library's class and once as the rule. The gradients are fixed
numbers, so that what is compared can be compared bit for bit.
"""

import copy
import importlib.util
import io
import pickle
import warnings

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import metaopt
from metaopt.plugin import current_registry

REGISTRY = current_registry()


def ready(spec):
    """Whether it can be made without a meta-training first."""
    return getattr(spec, "rule", None) is not None and (spec.meta is None or spec.meta.shipped is not None)


SPECS = {spec.name: spec for spec in REGISTRY.specs(metaopt.OptimizerSpec) if ready(spec)}


def has_class(spec):
    return spec.native is not None and importlib.util.find_spec(spec.native.module.partition(".")[0]) is not None


CASES = [
    (name, implementation)
    for name, spec in SPECS.items()
    for implementation in ("native", "rule")
    if implementation == "rule" or has_class(spec)
]
each = pytest.mark.parametrize(("name", "implementation"), CASES, ids=["-".join(case) for case in CASES])


def tensors_for(name, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 3), (3, 5)] if SPECS[name].takes == "matrices" else [(4, 3), (3,), ()]
    return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in shapes]


def made(name, implementation, params, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of no_decay="1d" without a model
        return metaopt.create_optimizer(name, params, implementation=implementation, **settings)


def give_gradients(params, step):
    generator = torch.Generator().manual_seed(1 + step)
    for param in params:
        param.grad = torch.randn(param.shape, generator=generator, dtype=param.dtype)


def take(optimizer, params, steps, begin=0):
    for step in range(begin, begin + steps):
        give_gradients(params, step)
        if needs_loss(optimizer):
            optimizer.step(loss=torch.tensor(1.0 / (1 + step)))
        else:
            optimizer.step()


def needs_loss(optimizer):
    assembly = getattr(optimizer, "assembly", None)
    return assembly is not None and "loss" in assembly.rule_requires


def same(one, other):
    return all(torch.equal(a.detach(), b.detach()) for a, b in zip(one, other, strict=True))


def horizon_of(name):
    return {"total_steps": 50} if "horizon" in SPECS[name].requires else {}


def optimizer_and_params(name, implementation, groups=lambda params: params, dtype=torch.float32, **settings):
    params = tensors_for(name, dtype)
    return made(name, implementation, groups(params), **horizon_of(name), **settings), params


@each
def test_without_gradients_a_step_moves_nothing(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    before = copy.deepcopy(params)
    optimizer.step(loss=torch.tensor(1.0)) if needs_loss(optimizer) else optimizer.step()
    assert same(params, before)


@each
def test_a_step_moves_every_parameter_that_has_a_gradient_and_no_other(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    before = copy.deepcopy(params)
    for step in range(4):
        give_gradients(params, step)
        params[1].grad = None
        optimizer.step(loss=torch.tensor(1.0)) if needs_loss(optimizer) else optimizer.step()
    assert not torch.equal(params[0], before[0])
    assert torch.equal(params[1], before[1])


@each
def test_a_step_leaves_gradients_as_they_are(name, implementation):
    if (name, implementation) == ("schedulefree_adamw", "native"):
        pytest.skip("The package schedulefree writes into gradients.")
    optimizer, params = optimizer_and_params(name, implementation)
    take(optimizer, params, 2)
    give_gradients(params, 2)
    before = [param.grad.clone() for param in params]
    optimizer.step(loss=torch.tensor(1.0)) if needs_loss(optimizer) else optimizer.step()
    assert same([param.grad for param in params], before)


@each
def test_a_closure_is_run_and_its_loss_is_returned(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    reference, others = optimizer_and_params(name, implementation)
    calls = []

    def closure():
        assert torch.is_grad_enabled()
        calls.append(None)
        give_gradients(params, 0)
        return torch.tensor(1.0)

    assert float(optimizer.step(closure)) == 1.0
    assert len(calls) == 1
    take(reference, others, 1)
    assert same(params, others)


@each
def test_a_group_at_rate_0_stays_where_it_is(name, implementation):
    if not SPECS[name].has_lr:
        pytest.skip(f"{name} has no rate.")

    def groups(params):
        return [{"params": params[:1]}, {"params": params[1:]}]

    optimizer, params = optimizer_and_params(name, implementation, groups)
    for group in optimizer.param_groups:
        if group["params"][0] is not params[0]:
            group["lr"] = 0.0  # as a schedule ends
    before = copy.deepcopy(params)
    take(optimizer, params, 3)
    assert same(params[1:], before[1:])
    if name != "prodigy":  # which shares one estimate over all groups, and moves by less than can be seen at first
        assert not torch.equal(params[0], before[0])


@each
def test_a_rate_that_is_a_tensor_is_a_rate(name, implementation):
    if not SPECS[name].has_lr:
        pytest.skip(f"{name} has no rate.")
    plain, expected = optimizer_and_params(name, implementation)
    optimizer, params = optimizer_and_params(name, implementation)
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(float(group["lr"]), dtype=torch.float64)
        for flag in ("foreach", "fused"):
            if group.get(flag) is not None and implementation == "native":
                group["foreach"] = False  # torch's own condition for a tensor in place of a rate
    try:
        take(optimizer, params, 3)
    except (ValueError, RuntimeError) as error:
        assert implementation == "native", f"A rule takes any rate: {error}"  # noqa: PT017
        pytest.skip(f"The class refuses it: {error}")
    take(plain, expected, 3)
    torch.testing.assert_close(params, expected, rtol=1e-5, atol=1e-6)


@each
def test_a_state_that_went_through_a_file_goes_on_bit_for_bit(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    take(optimizer, params, 3)
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    other, others = optimizer_and_params(name, implementation)
    with torch.no_grad():
        for param, value in zip(others, params, strict=True):
            param.copy_(value)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    take(optimizer, params, 3, begin=3)
    take(other, others, 3, begin=3)
    assert same(params, others)


@each
def test_a_state_of_other_groups_is_refused(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    take(optimizer, params, 1)
    state = optimizer.state_dict()
    state["param_groups"] = [*state["param_groups"], dict(state["param_groups"][0])]
    with pytest.raises(ValueError, match=r"group|parameter"):
        optimizer.load_state_dict(state)


@each
def test_hooks_of_states_are_called_once(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    take(optimizer, params, 1)
    calls = []
    optimizer.register_state_dict_pre_hook(lambda own: calls.append("state pre"))
    optimizer.register_state_dict_post_hook(lambda own, state: calls.append("state post"))
    optimizer.register_load_state_dict_pre_hook(lambda own, state: calls.append("load pre"))
    optimizer.register_load_state_dict_post_hook(lambda own: calls.append("load post"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert calls == ["state pre", "state post", "load pre", "load post"]


@each
def test_a_hook_may_replace_a_state_before_it_is_loaded(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    take(optimizer, params, 2)
    saved = copy.deepcopy(optimizer.state_dict())  # torch's classes go on with the tensors that they are given
    other, others = optimizer_and_params(name, implementation)
    other.register_load_state_dict_pre_hook(lambda own, state: saved)
    other.load_state_dict(other.state_dict())
    with torch.no_grad():
        for param, value in zip(others, params, strict=True):
            param.copy_(value)
    take(optimizer, params, 2, begin=2)
    take(other, others, 2, begin=2)
    assert same(params, others)


@each
def test_hooks_of_steps_are_called_once_a_step_in_their_order(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    calls = []
    optimizer.register_step_pre_hook(lambda own, args, kwargs: calls.append("pre"))
    optimizer.register_step_post_hook(lambda own, args, kwargs: calls.append("post"))
    handles = [
        register_optimizer_step_pre_hook(lambda own, args, kwargs: calls.append("global pre")),
        register_optimizer_step_post_hook(lambda own, args, kwargs: calls.append("global post")),
    ]
    try:
        take(optimizer, params, 2)
    finally:
        for handle in handles:
            handle.remove()
    assert calls == ["global pre", "pre", "post", "global post"] * 2


@each
def test_a_profiler_sees_each_step_once(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        take(optimizer, params, 2)
    steps = [event for event in profile.events() if event.name.startswith("Optimizer.step#")]
    assert len(steps) == 2, [event.name for event in steps]


@each
def test_a_copy_and_a_pickle_go_on_as_the_original(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    take(optimizer, params, 2)
    copies = [copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))]
    take(optimizer, params, 2, begin=2)
    for copied in copies:
        own = [param for group in copied.param_groups for param in group["params"]]
        held = [param for group in optimizer.param_groups for param in group["params"]]
        take(copied, own, 0)
        for step in (2, 3):
            give_gradients(params, step)
            gradients = {id(param): param.grad for param in params}
            for param, original in zip(own, held, strict=True):
                param.grad = gradients[id(original)].clone()
            copied.step(loss=torch.tensor(1.0 / (1 + step))) if needs_loss(copied) else copied.step()
        assert same(own, held)


@each
def test_a_group_may_be_added_between_steps(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    take(optimizer, params, 2)
    added = torch.nn.Parameter(torch.ones(2, 3))
    extra = {} if not SPECS[name].has_lr else {"lr": 0.01}
    marked = {key: value for key, value in optimizer.param_groups[0].items() if key == "use_muon"}
    optimizer.add_param_group({"params": [added], **extra, **marked})
    take(optimizer, [*params, added], 3, begin=2)
    assert not torch.equal(added, torch.ones(2, 3))
    if extra:
        assert optimizer.param_groups[-1]["lr"] == 0.01


@each
def test_a_parameter_may_be_in_one_group_only(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    with pytest.raises(ValueError, match=r"more than one|already|group"):
        optimizer.add_param_group({"params": [params[0]]})


@each
def test_zero_grad_takes_gradients_away_or_sets_them_to_0(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    give_gradients(params, 0)
    optimizer.zero_grad(set_to_none=False)
    assert all(param.grad is not None and not param.grad.any() for param in params)
    optimizer.zero_grad()
    assert all(param.grad is None for param in params)


@each
def test_parameters_that_are_not_contiguous_end_where_others_do(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    others = [
        torch.nn.Parameter(param.detach().t().contiguous().t() if param.ndim == 2 else param.detach().clone())
        for param in tensors_for(name)
    ]
    assert not others[0].is_contiguous()
    other = made(name, implementation, others, **horizon_of(name))
    take(optimizer, params, 4)
    take(other, others, 4)
    torch.testing.assert_close(params, others, rtol=1e-5, atol=1e-6)


@each
def test_complex_parameters_are_refused_in_one_sentence_or_stepped_as_pairs_of_numbers(name, implementation):
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(4, 3, generator=generator, dtype=torch.complex64)
    gradients = [torch.randn(4, 3, generator=generator, dtype=torch.complex64) for _ in range(3)]
    param = torch.nn.Parameter(value.clone())
    pairs = torch.nn.Parameter(torch.view_as_real(value).clone())
    try:
        optimizer = made(name, implementation, [param], **horizon_of(name))
    except metaopt.MetaOptError as error:
        assert "complex" in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
        return
    reference = made(name, implementation, [pairs], **horizon_of(name))
    for gradient in gradients:
        param.grad, pairs.grad = gradient.clone(), torch.view_as_real(gradient).clone()
        optimizer.step()
        reference.step()
    torch.testing.assert_close(torch.view_as_real(param.detach()), pairs.detach(), rtol=1e-5, atol=1e-6)


@each
def test_maximize_climbs_where_the_class_has_it(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    if "maximize" not in optimizer.param_groups[0]:
        pytest.skip(f"{name} as {implementation} does not have it.")
    for group in optimizer.param_groups:
        group["maximize"] = True
    other, others = optimizer_and_params(name, implementation)
    for step in range(3):
        give_gradients(params, step)
        for param, opposite in zip(params, others, strict=True):
            opposite.grad = -param.grad
        optimizer.step()
        other.step()
    torch.testing.assert_close(params, others, rtol=1e-6, atol=1e-7)


@each
def test_foreach_and_fused_change_nothing_but_the_speed(name, implementation):
    optimizer, params = optimizer_and_params(name, implementation)
    flags = [flag for flag in ("foreach", "fused") if flag in optimizer.param_groups[0]]
    if not flags:
        pytest.skip(f"{name} as {implementation} has neither.")
    take(optimizer, params, 3)
    for flag in flags:
        other, others = optimizer_and_params(name, implementation)
        for group in other.param_groups:
            for each_flag in flags:
                group[each_flag] = each_flag == flag
        try:
            take(other, others, 3)
        except RuntimeError as error:
            assert "fused" in str(error) or "foreach" in str(error)  # noqa: PT017
            continue
        torch.testing.assert_close(params, others, rtol=1e-5, atol=1e-6)


@each
def test_no_parameters_at_all_are_refused_and_an_empty_group_is_not(name, implementation):
    with pytest.raises(ValueError, match=r"params"):
        made(name, implementation, [], **horizon_of(name))
    optimizer, params = optimizer_and_params(name, implementation, lambda params: [{"params": params}, {"params": []}])
    take(optimizer, params, 2)


@each
def test_a_negative_rate_is_refused_in_one_sentence(name, implementation):
    if not SPECS[name].has_lr:
        pytest.skip(f"{name} has no rate.")
    with pytest.raises(metaopt.InputError, match=r"lr.*-1") as caught:
        optimizer_and_params(name, implementation, lr=-1.0)
    assert "\n" not in str(caught.value)


@each
def test_half_the_precision_of_parameters_is_not_half_that_of_the_state(name, implementation):
    if implementation == "native":
        pytest.skip("The library's class serves float32 alone; see `create_optimizer`.")
    optimizer, params = optimizer_and_params(name, implementation, dtype=torch.bfloat16)
    take(optimizer, params, 2)
    before = optimizer.state_dict()
    optimizer.load_state_dict(copy.deepcopy(before))
    for saved, now in zip(before["state"].values(), optimizer.state_dict()["state"].values(), strict=True):
        for key, value in saved.items():
            assert torch.equal(value, now[key])
            assert value.dtype == now[key].dtype
            assert not value.is_floating_point() or value.dtype != torch.bfloat16, key


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_compiled_rule_keeps_the_same_contract(name):
    plain, expected = optimizer_and_params(name, "rule")
    optimizer, params = optimizer_and_params(name, "rule", compile=True)
    take(plain, expected, 3)
    take(optimizer, params, 3)
    torch.testing.assert_close(params, expected, rtol=1e-5, atol=1e-6)
    other, others = optimizer_and_params(name, "rule", compile=True)
    with torch.no_grad():
        for param, value in zip(others, params, strict=True):
            param.copy_(value)
    other.load_state_dict(optimizer.state_dict())
    take(optimizer, params, 2, begin=3)
    take(other, others, 2, begin=3)
    assert same(params, others)


#: Newer versions of torch have it.
MUON = getattr(torch.optim, "Muon", None)
#: Of each of torch's own classes that we have, settings that torch's tests go through, as our spec names them.
TORCHS_INPUTS = [
    ("adafactor", torch.optim.Adafactor, {"weight_decay": 0.1, "lr": 0.01}, {}),
    ("adafactor", torch.optim.Adafactor, {"beta2_decay": -1.0}, {}),
    ("adafactor", torch.optim.Adafactor, {"d": 1.5}, {}),
    ("adagrad", torch.optim.Adagrad, {"weight_decay": 0.1}, {}),
    ("adagrad", torch.optim.Adagrad, {"initial_accumulator_value": 0.1, "weight_decay": 0.1}, {}),
    ("adagrad", torch.optim.Adagrad, {"lr": 0.1, "lr_decay": 0.5, "weight_decay": 0.1}, {}),
    ("adamw", torch.optim.AdamW, {"lr": 0.01}, {}),
    ("adamw", torch.optim.AdamW, {"weight_decay": 0.1}, {}),
    ("adamw", torch.optim.AdamW, {"lr": 0.01, "eps": 1e-4}, {"betas": (0.5, 0.6)}),
    *[("muon", MUON, given, {}) for given in ({"weight_decay": 0.2}, {"momentum": 0.8}, {"ns_steps": 6}) if MUON],
    ("nadamw", torch.optim.NAdam, {"lr": 1e-3}, {"decoupled_weight_decay": True}),
    ("nadamw", torch.optim.NAdam, {"momentum_decay": 6e-3}, {"decoupled_weight_decay": True}),
    ("nadamw", torch.optim.NAdam, {"weight_decay": 0.1, "momentum_decay": 6e-3}, {"decoupled_weight_decay": True}),
    ("rmsprop", torch.optim.RMSprop, {"lr": 1e-3}, {}),
    ("rmsprop", torch.optim.RMSprop, {"weight_decay": 0.1, "centered": True}, {}),
    ("rmsprop", torch.optim.RMSprop, {"weight_decay": 0.1, "centered": True, "momentum": 0.1}, {}),
    ("sgd", torch.optim.SGD, {"lr": 1e-2}, {}),
    ("sgd", torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}, {}),
    ("sgd", torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {}),
]


@pytest.mark.parametrize(("name", "cls", "settings", "further"), TORCHS_INPUTS)
@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_settings_of_torchs_own_tests_do_what_they_do_there(name, cls, settings, further, implementation):
    params, others = tensors_for(name), tensors_for(name)
    theirs = cls(params, **settings, **further)
    space = SPECS[name].space
    given = {key: value for key, value in theirs.defaults.items() if key in space}
    if "betas" in theirs.defaults:
        given["beta1"], given["beta2"] = theirs.defaults["betas"]
    if name == "adafactor":
        given["eps2"] = theirs.defaults["eps"][1]
        given["eps1"] = theirs.defaults["eps"][0] or torch.finfo(torch.float32).eps
    given.pop("adjust_lr_fn", None)
    ours = made(name, implementation, others, no_decay="none", **given)
    take(theirs, params, 4)
    take(ours, others, 4)
    torch.testing.assert_close(params, others, rtol=1e-5, atol=1e-6)
