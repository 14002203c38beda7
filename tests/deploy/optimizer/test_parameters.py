"""What may be handed over as parameters."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt import Configuration, InputError
from metaopt.configuration import assemble
from metaopt.deploy import build_optimizer
from metaopt.deploy.optimizer.parameters import as_groups, checked_group, distributions, divided, group_values, packed
from metaopt.plugin import Registry, current_registry

WEIGHT, BIAS = nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(2))


def test_a_model_gives_one_group_with_its_names():
    model = nn.Linear(2, 1)
    (group,) = as_groups(model)
    assert [name for name, _ in group["params"]] == ["weight", "bias"]


@pytest.mark.parametrize(
    "params",
    [
        [WEIGHT, BIAS],
        (param for param in (WEIGHT, BIAS)),
        {"w": WEIGHT, "b": BIAS}.values(),
        [{"params": [WEIGHT, BIAS]}],
        [{"params": (param for param in (WEIGHT, BIAS))}],
    ],
)
def test_lists_generators_and_groups_of_tensors_are_kept_in_order(params):
    (group,) = as_groups(params)
    assert [id(param) for param in group["params"]] == [id(WEIGHT), id(BIAS)]


def test_named_tensors_keep_their_names():
    (group,) = as_groups([("w", WEIGHT), ("b", BIAS)])
    assert group["params"] == [("w", WEIGHT), ("b", BIAS)]


def test_a_group_may_hold_a_single_tensor_or_a_module_and_the_users_dict_is_not_changed():
    groups = [{"params": WEIGHT, "lr": 0.1}, {"params": nn.Linear(2, 1)}]
    first, second = as_groups(groups)
    assert first == {"params": [WEIGHT], "lr": 0.1}
    assert len(second["params"]) == 2
    assert groups[0]["params"] is WEIGHT


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ([], "params is an empty list"),
        (WEIGHT, r"params must be a model, or a list of tensors.*got a Parameter\."),
        ({WEIGHT}, "got a set"),
        ({"w": WEIGHT}, "got a dict"),
        (None, "got a NoneType"),
        ([WEIGHT, 3.0], r"Parameters must be tensors, got 3\.0"),
        ([nn.Linear(2, 1)], r"Parameters must be tensors, got a Linear; give its parameters\(\)"),
        ([{"lr": 0.1}], "A param group is a dict with the key 'params', got {'lr': 0.1}"),
    ],
)
def test_anything_else_gets_a_sentence(params, sentence):
    with pytest.raises(InputError, match=sentence):
        as_groups(params)


LAZY = {
    "linear": lambda: nn.LazyLinear(3),
    "convolution": lambda: nn.LazyConv2d(3, 2),
    "norm": lambda: nn.LazyBatchNorm1d(),
    "later": lambda: nn.Sequential(nn.Linear(4, 4), nn.LazyLinear(3)),
}
PARAMS_OF = {
    "model": lambda model: model,
    "list": lambda model: list(model.parameters()),
    "named": lambda model: list(model.named_parameters()),
    "group": lambda model: [{"params": model.parameters()}],
    "module in a group": lambda model: [{"params": model}],
}


@pytest.mark.parametrize("params_of", PARAMS_OF.values(), ids=PARAMS_OF)
@pytest.mark.parametrize("lazy", LAZY.values(), ids=LAZY)
@pytest.mark.parametrize("name", ["adamw", "lion"])
def test_lazy_modules_are_asked_for_a_forward_pass_first(lazy, params_of, name):
    model = lazy()
    with pytest.raises(InputError, match=r"^The parameter '.*' is lazy and has no shape yet; run one forward pass"):
        metaopt.create_optimizer(name, params_of(model))
    recipe = metaopt.Recipe.create(metaopt.Configuration(name))
    with pytest.raises(InputError, match="is lazy and has no shape yet"):
        recipe.bind(params_of(model), total_steps=3)
    model(torch.ones(2, 4) if not isinstance(model, nn.LazyConv2d) else torch.ones(1, 2, 4, 4))
    recipe.bind(params_of(model), total_steps=3)


@pytest.mark.parametrize("params_of", PARAMS_OF.values(), ids=PARAMS_OF)
@pytest.mark.parametrize("name", ["adamw", "lion"])
def test_a_model_without_numbers_or_without_anything_to_train_is_refused(params_of, name):
    recipe = metaopt.Recipe.create(metaopt.Configuration(name))
    with torch.device("meta"):
        model = nn.Linear(2, 1)
    for make in (lambda params: recipe.bind(params, total_steps=3), lambda p: metaopt.create_optimizer(name, p)):
        with pytest.raises(InputError, match=r"^The parameter '.*' is on the meta device and holds no numbers"):
            make(params_of(model))
        with pytest.raises(InputError, match=r"nothing to train|no parameters to train: all 2 are frozen"):
            make(params_of(nn.Linear(2, 1).requires_grad_(False)))


def test_a_frozen_part_on_the_meta_device_is_no_hindrance():
    model = nn.Sequential(nn.Linear(2, 2, device="meta").requires_grad_(False), nn.Linear(2, 1))
    assert len(metaopt.create_optimizer("adamw", model).param_groups[0]["params"]) == 2


def test_an_expanded_tensor_is_refused():
    with pytest.raises(InputError, match=r"'0' of shape \(4, 3\) is an expanded tensor, .* give its clone\(\)"):
        metaopt.create_optimizer("adamw", [torch.zeros(1, 3).expand(4, 3).requires_grad_()])


def test_of_a_model_only_what_requires_gradients_is_optimised():
    model = nn.Sequential(nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 1))
    for implementation in ("native", "rule"):
        optimizer = metaopt.create_optimizer("adamw", model, implementation=implementation)
        assert [id(param) for param in optimizer.param_groups[0]["params"]] == [
            id(param) for param in model[1].parameters()
        ]


# Hyperparameters of param groups


@pytest.fixture
def averaged():
    configuration = Configuration("adamw", wrappers=("averaged",), hparams={"adamw.lr": 0.5, "averaged.decay": 0.75})
    return assemble(configuration, current_registry())


def test_a_param_group_packs_what_torch_packs(averaged):
    group = packed(averaged)
    assert group["lr"] == 0.5
    assert group["betas"] == (0.9, 0.999)
    assert group["averaged.decay"] == 0.75
    assert "beta1" not in group


def test_a_group_is_read_by_the_names_of_the_rule(averaged):
    values = group_values(averaged, {"betas": (0.5, 0.25), "averaged.decay": 0.5, "lr": torch.tensor(2.0), "color": 1})
    assert values == {"beta1": 0.5, "beta2": 0.25, "averaged.decay": 0.5, "lr": 2.0}
    assert set(values) <= set(distributions(averaged))


def test_half_of_a_pair_in_a_group_is_completed(averaged):
    assert checked_group(averaged, {"params": [], "beta1": 0.5})["betas"] == (0.5, 0.999)


def test_a_value_in_a_group_is_checked(averaged):
    with pytest.raises(InputError, match=r"adamw.lr must be in \[0, inf\), got -1"):
        checked_group(averaged, {"params": [], "lr": -1})
    with pytest.raises(InputError, match="betas must be 2 numbers"):
        checked_group(averaged, {"params": [], "betas": 0.5})


@pytest.mark.parametrize("no_decay", ["1d", "none"])
def test_a_class_is_told_which_groups_hold_matrices(no_decay):
    registry = Registry.discover()
    registry.register(metaopt.optimizer_spec(torch.optim.SGD, name="mine", matrix_entry="flat"))
    assembly = assemble(Configuration("mine", no_decay=no_decay), registry)
    kernel = nn.Parameter(torch.zeros(2, 2, 2))
    groups = [{"params": [WEIGHT, BIAS], "lr": 0.5}, {"params": [kernel]}]
    spared = {"weight_decay": 0.0} if no_decay == "1d" else {}
    assert divided(groups, assembly) == [
        {"params": [WEIGHT], "lr": 0.5, "flat": True},
        {"params": [BIAS], "lr": 0.5, "flat": False, **spared},
        {"params": [kernel], "flat": True},
    ]


def test_without_such_an_entry_groups_are_divided_by_decay_alone():
    assembly = assemble(Configuration("adamw"), current_registry())
    (decayed, spared) = divided([{"params": [WEIGHT, BIAS]}], assembly)
    assert (decayed["params"], spared["params"], spared["weight_decay"]) == ([WEIGHT], [BIAS], 0.0)


def registry_of(spec):
    registry = Registry()
    registry.register(spec)
    registry.register(current_registry().get(metaopt.ControllerSpec, "constant"))
    return registry


@pytest.mark.parametrize("of_class", [True, False])
def test_what_a_role_or_no_decay_makes_of_a_value_may_lie_outside_the_range_of_tuning(of_class):
    bounds = metaopt.Float(1e-4, 1e-1, log=True, default=1e-2)
    if of_class:
        spec = metaopt.optimizer_spec(torch.optim.Adafactor, name="af", lr=bounds, weight_decay=bounds)
    else:
        rule = current_registry().get(metaopt.OptimizerSpec, "sgd").rule
        own = dict(current_registry().get(metaopt.OptimizerSpec, "sgd").space)
        spec = metaopt.OptimizerSpec(
            name="af", version="1", rule=rule, space={**own, "lr": bounds, "weight_decay": bounds}
        )
    configuration = Configuration("af", hparams={"af.lr": 1e-4}, roles={"input": {"rate": 0.25}}, no_decay="1d")
    assembly = assemble(configuration, registry_of(spec))
    optimizer = build_optimizer(assembly, nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 1)))
    by_role = {(group["role"], group["weight_decay"]): group["lr"] for group in optimizer.param_groups}
    assert by_role["input", 1e-2] == pytest.approx(2.5e-5)
    assert by_role["rest", 0.0] == 1e-4
    with pytest.raises(InputError, match=r"af.lr must be in \[0, inf\), got -1"):
        checked_group(assembly, {"params": [WEIGHT], "lr": -1.0})


def test_a_stated_valid_interval_holds_for_groups_too():
    rate = metaopt.Float(1e-4, 1e-1, log=True, valid="[1e-4, 1]")
    spec = metaopt.optimizer_spec(torch.optim.SGD, name="mine", lr=rate)
    assembly = assemble(Configuration("mine"), registry_of(spec))
    with pytest.raises(InputError, match=r"mine.lr must be in \[0.0001, 1\]"):
        checked_group(assembly, {"params": [WEIGHT], "lr": 1e-5})
