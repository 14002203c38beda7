"""What a rule needs and an ordinary loop does not give is refused at set-up, with the call that gives it."""

import pytest
import torch

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.deploy.optimizer.requirements import (
    check_grad,
    check_loss,
    check_param,
    check_requirements,
    why_not_compiled,
)
from metaopt.plugin.registry import Registry, current_registry


def own_assembly(granularity="coordinate", **fields):
    registry = Registry()
    rule = metaopt.per_tensor(lambda *_: {}, lambda grad, *_: (-grad, {}), granularity=granularity)
    registry.register(metaopt.OptimizerSpec(name="descent", version="1", rule=rule, **fields))
    registry.register(current_registry().get(metaopt.ControllerSpec, "constant"))
    return assemble(Configuration("descent"), registry)


def shipped_assembly(optimizer, *wrappers):
    return assemble(Configuration(optimizer, wrappers=wrappers), current_registry())


@pytest.mark.parametrize("signal", ["loss", "gradient_norm"])
def test_what_every_loop_supplies_needs_no_more(signal):
    assert check_requirements(own_assembly(requires={signal}), None, None) is None


def test_a_signal_that_no_loop_supplies_is_refused_with_those_it_does():
    with pytest.raises(
        metaopt.PluginError,
        match=r"The rule 'descent' requires \['metric'\], which .* supplies \['gradient_norm', 'horizon', 'loss'\]",
    ):
        check_requirements(own_assembly(requires={"metric", "loss"}), None, 10)


def test_a_planned_number_of_steps_is_asked_for_and_checked():
    assembly = own_assembly(requires={"horizon"})
    with pytest.raises(metaopt.PluginError, match=r"'descent' requires the planned number of steps: pass total_steps="):
        check_requirements(assembly, None, None)
    with pytest.raises(metaopt.InputError, match="total_steps"):
        check_requirements(assembly, None, 0)
    assert check_requirements(assembly, None, 10) is None


def test_a_learned_rule_without_weights_is_refused():
    assembly = shipped_assembly("mlp_lopt")
    with pytest.raises(metaopt.InputError, match=r"'mlp_lopt' is a learned rule and has no weights here: pass theta="):
        check_requirements(assembly, None, 10)
    assert check_requirements(assembly, assembly.meta.shipped(), 10) is None


@pytest.mark.parametrize("loss", [0.1, torch.tensor([[0.1]], dtype=torch.float64), torch.tensor(0.1).requires_grad_()])
def test_a_loss_of_any_form_becomes_one_float32_without_a_graph(loss):
    checked = check_loss(own_assembly(requires={"loss"}), loss)
    assert checked.shape == ()
    assert checked.dtype is torch.float32
    assert not checked.requires_grad
    assert checked.item() == torch.tensor(0.1).item()


def test_a_missing_loss_is_blamed_on_the_part_that_requires_it():
    with pytest.raises(metaopt.PluginError, match=r"The rule 'descent' requires the training loss at every step"):
        check_loss(own_assembly(requires={"loss"}), None)
    with pytest.raises(metaopt.PluginError, match=r"The wrapper 'learned_schedule' requires the training loss"):
        check_loss(shipped_assembly("adamw", "learned_schedule"), None)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64])
def test_parameters_that_are_not_real_are_refused(dtype):
    with pytest.raises(metaopt.InputError, match=f"takes real floating-point parameters, got {dtype}"):
        check_param(own_assembly(), torch.zeros(2, dtype=dtype))
    assert check_param(own_assembly(), torch.zeros(2, dtype=torch.bfloat16)) is None


def test_a_dense_gradient_is_itself_and_a_sparse_one_is_refused_by_name():
    grad = torch.ones(2, requires_grad=True)
    assert check_grad("weight", grad).data_ptr() == grad.data_ptr()
    assert not check_grad("weight", grad).requires_grad
    with pytest.raises(metaopt.InputError, match=r"Parameter 'weight' has a sparse gradient"):
        check_grad("weight", torch.eye(2).to_sparse())


def test_only_rules_that_one_graph_serves_are_compiled():
    assert why_not_compiled(own_assembly("coordinate")) is None
    assert "acts on whole tensors, and every shape would need a graph" in why_not_compiled(own_assembly("tensor"))
    assert "'prodigy' acts on all tensors at once" in why_not_compiled(shipped_assembly("prodigy"))
