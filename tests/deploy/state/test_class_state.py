"""Every optimizer, in every wrapper, as rule and as library's class: a saved state continues, or is refused by name."""

import copy
import io
import itertools
from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.deploy import build_optimizer
from metaopt.deploy.optimizer.assembly_optimizer import AssemblyOptimizer
from metaopt.deploy.optimizer.learned_weights import weights_of
from metaopt.deploy.optimizer.steered_optimizer import SteeredOptimizer
from metaopt.plugin.kinds import WrapperSpec
from metaopt.plugin.optimizer import OptimizerSpec
from metaopt.plugin.registry import current_registry

pytestmark = pytest.mark.thorough

HORIZON, STEPS, MORE = 50, 3, 3
PLUGINS = current_registry()


@dataclass(frozen=True)
class Subject:
    """An optimizer as it is deployed."""

    optimizer: str
    wrapper: str | None
    implementation: str

    def __str__(self) -> str:
        wrapped = self.optimizer if self.wrapper is None else f"{self.wrapper}({self.optimizer})"
        return f"{wrapped}-{self.implementation}"


@cache
def assembly_of(optimizer: str, wrapper: str | None) -> Assembly | None:
    wrappers = () if wrapper is None else (wrapper,)
    sets_rate = any(PLUGINS.get(WrapperSpec, name).inner_lr is not None for name in wrappers)
    # In bfloat16 a gradient's sign may differ, which a normalising optimizer at a rate of 1 makes a whole step of.
    hparams = {f"{optimizer}.lr": 0.1} if sets_rate and PLUGINS.get(OptimizerSpec, optimizer).has_lr else {}
    try:
        return assemble(Configuration(optimizer, wrappers=wrappers, hparams=hparams), PLUGINS)
    except metaopt.InputError:
        return None  # two learned parts


def network(dtype: torch.dtype = torch.float32, outputs: int = 2) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, outputs)).to(dtype)


@cache
def theta_of(optimizer: str, wrapper: str | None) -> dict[str, torch.Tensor] | None:
    assembly = assembly_of(optimizer, wrapper)
    shipped = weights_of(assembly, None)
    if assembly.meta is None or shipped is not None:
        return shipped
    params = {name: param.detach() for name, param in network().named_parameters()}
    return assembly.meta.init_theta(params, torch.Generator().manual_seed(0), assembly.meta_values)


def create(subject: Subject, params: object) -> torch.optim.Optimizer:
    assembly = assembly_of(subject.optimizer, subject.wrapper)
    theta = theta_of(subject.optimizer, subject.wrapper)
    return build_optimizer(assembly, params, implementation=subject.implementation, theta=theta, horizon=HORIZON)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    dtype = next(model.parameters()).dtype
    for step in range(first, last):
        inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(step)).to(dtype)
        optimizer.zero_grad()
        loss = (model(inputs)[:, :1] - inputs.sum(1, keepdim=True)).square().mean()
        loss.backward()
        if isinstance(optimizer, AssemblyOptimizer):
            optimizer.step(loss=loss)
        else:
            optimizer.step()


def subjects() -> list[Subject]:
    subjects = []
    ruled = [spec.name for spec in PLUGINS.specs(OptimizerSpec) if spec.rule is not None]
    for wrapper, optimizer in itertools.product((None, *PLUGINS.names(WrapperSpec)), ruled):
        if assembly_of(optimizer, wrapper) is not None:
            for implementation in ("native", "rule"):
                subject = Subject(optimizer, wrapper, implementation)
                try:
                    train(model := network(), create(subject, model), 0, 1)
                except metaopt.InputError:
                    continue  # no class computes the same, or the wrapper sets a rate that the rule has not
                subjects.append(subject)
    return subjects


SUBJECTS = subjects()
BOTH_WAYS = [subject for subject in SUBJECTS if Subject(subject.optimizer, subject.wrapper, "native") in SUBJECTS]
#: Subjects but those whose weights belong to parameters by name.
ANY_NAMES = [subject for subject in SUBJECTS if subject.optimizer != "meta_sgd"]
every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)


def through_a_file(document: object) -> object:
    buffer = io.BytesIO()
    torch.save(document, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@cache
def saved(subject: Subject, dtype: torch.dtype = torch.float32) -> tuple[dict, dict]:
    model = network(dtype)
    optimizer = create(subject, model)
    train(model, optimizer, 0, STEPS)
    return copy.deepcopy(model.state_dict()), through_a_file(optimizer.state_dict())


@cache
def unbroken(subject: Subject, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    model = network(dtype)
    train(model, create(subject, model), 0, STEPS + MORE)
    return [param.detach() for param in model.parameters()]


def document_of(subject: Subject, dtype: torch.dtype = torch.float32) -> dict:
    return copy.deepcopy(saved(subject, dtype)[1])


def resumed(subject: Subject, document: dict, weights: dict, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """A new model's weights after going on from a state."""
    model = network(dtype)
    model.load_state_dict(weights)
    optimizer = create(subject, model)
    optimizer.load_state_dict(document)
    train(model, optimizer, STEPS, STEPS + MORE)
    return [param.detach() for param in model.parameters()]


def assert_close(tensors: list[torch.Tensor], wanted: list[torch.Tensor], tolerance: float) -> None:
    for tensor, other in zip(tensors, wanted, strict=True):
        torch.testing.assert_close(tensor, other, rtol=tolerance, atol=tolerance, check_dtype=False)


@every_subject
def test_its_own_state_continues_bit_for_bit(subject):
    assert_close(resumed(subject, document_of(subject), saved(subject)[0]), unbroken(subject), 0.0)


@pytest.mark.parametrize("subject", BOTH_WAYS, ids=str)
def test_a_rule_and_its_class_continue_each_others_state(subject):
    other = Subject(subject.optimizer, subject.wrapper, "rule" if subject.implementation == "native" else "native")
    tensors = resumed(subject, document_of(other), saved(other)[0])
    assert_close(tensors, unbroken(other), 1e-6)


@every_subject
def test_the_state_of_another_model_is_refused(subject):
    other = create(subject, [("0.weight", nn.Parameter(torch.zeros(4, 3))), ("0.bias", nn.Parameter(torch.zeros(4)))])
    with pytest.raises(metaopt.InputError, match=r"is of other parameters: it holds '2\.weight', which is not trained"):
        other.load_state_dict(document_of(subject))


@pytest.mark.parametrize("subject", ANY_NAMES, ids=str)
def test_the_state_of_other_shapes_is_refused(subject):
    document = document_of(subject)
    if not any(tensor.ndim for state in document["state"].values() for tensor in state.values() if tensor is not None):
        pytest.skip("it keeps nothing that has a shape")
    model = network(outputs=200)
    optimizer = create(subject, model)
    before = [param.detach().clone() for param in model.parameters()]
    with pytest.raises(metaopt.InputError, match=r"is of another model: .* of the parameter '.*' has the shape"):
        optimizer.load_state_dict(document)
    assert_close([param.detach() for param in model.parameters()], before, 0.0)


@pytest.mark.parametrize("subject", ANY_NAMES, ids=str)
@pytest.mark.parametrize("named", [True, False])
def test_parameters_in_another_order_are_matched_by_their_names(subject, named):
    if subject.optimizer == "prodigy" and subject.wrapper in ("hyper_controller", "learned_schedule"):
        pytest.skip("its sums over all parameters in their order differ in a last bit, which these wrappers blow up")
    weights, document = saved(subject)[0], document_of(subject)
    model = network()
    model.load_state_dict(weights)
    members = list(model.named_parameters())[::-1]
    optimizer = create(subject, members if named else [param for _, param in members])
    if named:
        optimizer.load_state_dict(document)
        train(model, optimizer, STEPS, STEPS + MORE)
        assert_close([param.detach() for param in model.parameters()], unbroken(subject), 1e-5)
    elif any(tensor is not None and tensor.ndim for state in document["state"].values() for tensor in state.values()):
        # What Adafactor keeps of a matrix has other names than what it keeps of a vector.
        refusal = r"of another model|other parameters|other param groups|lacks '(variance|row_var)'"
        with pytest.raises(metaopt.InputError, match=refusal):
            optimizer.load_state_dict(document)


@every_subject
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_state_goes_from_one_precision_to_another_and_back(subject, dtype):
    elsewhere = subject
    if dtype == torch.bfloat16 and subject.implementation == "native":
        elsewhere = Subject(subject.optimizer, subject.wrapper, "rule")  # the class would keep moments in bfloat16
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-4
    assert_close(resumed(elsewhere, document_of(subject), saved(subject)[0], dtype), unbroken(subject), tolerance)
    weights, document = saved(elsewhere, dtype)[0], document_of(elsewhere, dtype)
    assert_close(resumed(subject, document, weights), unbroken(elsewhere, dtype), tolerance)


WRAPPED = {
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "wrapped": nn.DataParallel,
    "averaged": torch.optim.swa_utils.AveragedModel,
}


@pytest.mark.parametrize("subject", ANY_NAMES, ids=str)
@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_the_state_of_a_wrapped_model_is_the_bare_ones(subject, wrap):
    wrapped, bare = create(subject, wrap(network())), create(subject, network())
    document = saved(subject)[1]
    wrapped.load_state_dict(document)
    there = through_a_file(wrapped.state_dict())
    bare.load_state_dict(there)
    assert_same_state(through_a_file(bare.state_dict()), document)
    names = [name for group in there["param_groups"] for name in group.get("param_names", ())]
    assert all("_orig_mod" in name or "module" in name for name in names)


def assert_same_state(document: dict, wanted: dict) -> None:
    assert document["state"].keys() == wanted["state"].keys()
    for number, state in wanted["state"].items():
        assert document["state"][number].keys() == state.keys()
        assert all(torch.equal(document["state"][number][key], tensor) for key, tensor in state.items())
    for group, other in zip(document["param_groups"], wanted["param_groups"], strict=True):
        assert set(group) - {"differentiable"} == set(other) - {"differentiable"}  # torch's own loader adds it
        assert group.get("param_names") == other.get("param_names")


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject.wrapper is None], ids=str)
def test_the_state_of_every_other_optimizer_is_refused_by_name(subject):
    optimizer = create(subject, network())
    for other in SUBJECTS:
        if (other.optimizer, other.wrapper) == (subject.optimizer, None):
            continue
        with pytest.raises(metaopt.InputError, match=r"saved by .* and cannot continue as"):
            optimizer.load_state_dict(saved(other)[1])


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject.wrapper is not None], ids=str)
def test_a_wrapped_optimizer_refuses_the_state_of_every_other(subject):
    optimizer = create(subject, network())
    for other in SUBJECTS:
        if (other.optimizer, other.wrapper) == (subject.optimizer, subject.wrapper):
            continue
        with pytest.raises(metaopt.InputError, match=r"saved by .* and cannot continue as"):
            optimizer.load_state_dict(saved(other)[1])


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject.implementation == "native"], ids=str)
def test_states_that_do_not_say_whose_they_are_are_told_apart_by_what_they_hold(subject):
    optimizer = create(subject, network())
    for other in SUBJECTS:
        if other.implementation != "native" or other.wrapper is not None or subject.wrapper is not None:
            continue
        document = {key: value for key, value in document_of(other).items() if key != "optimizer"}
        if other.optimizer == subject.optimizer:
            optimizer.load_state_dict(document)
            continue
        with pytest.raises(metaopt.InputError, match=r"saved by the class of '?\w+'? and cannot continue as"):
            optimizer.load_state_dict(document)


@pytest.mark.parametrize(
    ("name", "stranger"),
    [
        ("adamw", lambda params: torch.optim.AdamW(params, amsgrad=True)),
        ("adamw", lambda params: torch.optim.Adam(params)),
        ("nadamw", lambda params: torch.optim.NAdam(params)),
        ("sgd", lambda params: torch.optim.SGD(params, momentum=0.9, dampening=0.5)),
        ("adamw", lambda params: torch.optim.Adamax(params)),
        ("adagrad", lambda params: torch.optim.Rprop(params)),
        ("sgd", lambda params: torch.optim.LBFGS(params)),
    ],
)
@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_a_state_of_a_class_with_other_settings_is_refused(name, stranger, implementation):
    model = network()
    other = stranger(model.parameters())
    if not isinstance(other, torch.optim.LBFGS):
        train(model, other, 0, 2)
    optimizer = create(Subject(name, None, implementation), network())
    with pytest.raises(metaopt.InputError, match=r"cannot continue as|of other parameters"):
        optimizer.load_state_dict(other.state_dict())


@pytest.mark.parametrize("name", ["adagrad", "adamw", "rmsprop", "sgd"])
@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_torchs_own_state_continues(name, implementation):
    kind = {"adagrad": "Adagrad", "adamw": "AdamW", "rmsprop": "RMSprop", "sgd": "SGD"}[name]
    ours = metaopt.create_optimizer(name, network(), implementation=implementation)
    model = network()
    torchs = getattr(torch.optim, kind)(model.parameters(), lr=ours.param_groups[0]["lr"])
    train(model, torchs, 0, 3)
    again = network()
    again.load_state_dict(model.state_dict())
    optimizer = metaopt.create_optimizer(name, again, implementation=implementation)
    optimizer.load_state_dict(through_a_file(torchs.state_dict()))
    train(model, torchs, 3, 6)
    train(again, optimizer, 3, 6)
    assert_close(list(again.parameters()), list(model.parameters()), 1e-6)


@pytest.mark.parametrize("document", [{}, {"state": {}}, {"state": {}, "param_groups": [{}]}, {"state": 1}])
@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_what_is_no_state_dict_is_refused(document, implementation):
    with pytest.raises(metaopt.InputError):
        create(Subject("adamw", None, implementation), network()).load_state_dict(document)


def test_both_ways_means_classes_and_steered_classes():
    made = [create(subject, network()) for subject in BOTH_WAYS if subject.implementation == "native"]
    assert any(isinstance(optimizer, SteeredOptimizer) for optimizer in made)
    assert any(isinstance(optimizer, torch.optim.AdamW) for optimizer in made)
