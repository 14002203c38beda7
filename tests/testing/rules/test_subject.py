"""A rule under test runs the plain way: update by update, added to the parameters."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

import metaopt
from metaopt import Float, When
from metaopt.contracts import WrappedRule
from metaopt.testing.rules.subject import (
    DESCENT,
    HORIZON,
    Subject,
    added,
    hparams_for,
    init_of,
    loss_at,
    result_of,
    run,
    step_info,
    update_of,
)

PARAMS = {"w": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0])}
STEPS = [{"w": torch.tensor([10.0, 20.0]), "b": torch.tensor([5.0])}, {"w": torch.tensor([-10.0, 10.0])}]


@dataclass(frozen=True)
class Doubled(WrappedRule):
    """Doubles the inner rule's updates."""

    prefix: ClassVar[str] = "doubled."

    def update(self, grads, state, params, hparams, theta, info):
        updates, state = self.inner.update(grads, state, params, hparams, theta, info)
        return {name: 2 * update for name, update in updates.items()}, state


DOUBLED = metaopt.WrapperSpec(
    name="doubled",
    version="1",
    wrap=Doubled,
    space={"share": Float(0.0, 1.0, default=0.5), "late": Float(0.0, 1.0, default=0.2, when=When("share", above=0.4))},
)


def counting(requires=frozenset()):
    """An optimizer that adds 1 to each number and counts its steps."""
    rule = metaopt.per_tensor(
        init=lambda param, hparams, theta, horizon: {"count": torch.zeros(())},
        update=lambda grad, state, param, hparams, theta, info: (
            torch.ones_like(param),
            {"count": state["count"] + 1},
        ),
    )
    return metaopt.OptimizerSpec(name="counting", version="1", rule=rule, requires=requires)


def test_plain_descent_goes_down_along_each_gradient():
    trajectory = run(Subject(DESCENT).assemble({"plain_descent.lr": 0.1}), PARAMS, STEPS, {})
    assert trajectory.history[0]["w"].tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert trajectory.params["w"].tolist() == pytest.approx([1.0, -1.0])
    assert trajectory.params["b"].tolist() == pytest.approx([2.5])
    assert PARAMS["w"].tolist() == [1.0, 2.0]


def test_wrappers_are_around_the_optimizer():
    trajectory = run(Subject(DESCENT, (DOUBLED,)).assemble({"plain_descent.lr": 0.1}), PARAMS, STEPS[:1], {})
    assert trajectory.params["w"].tolist() == pytest.approx([-1.0, -2.0])


def test_a_run_continues_from_its_state():
    assembly = Subject(counting()).assemble()
    half = run(assembly, PARAMS, STEPS[:1], {})
    whole, continued = (
        run(assembly, PARAMS, STEPS, {}),
        run(assembly, half.params, STEPS[1:], {}, state=half.state, first=1),
    )
    assert continued.state["tensors"]["w"]["count"].item() == whole.state["tensors"]["w"]["count"].item() == 2.0
    assert continued.params["w"].tolist() == whole.params["w"].tolist() == [3.0, 4.0]
    assert result_of(whole) == {"params": whole.params, "state": whole.state}


def test_the_space_has_all_parts_and_their_conditions_by_prefixed_name():
    space = Subject(DESCENT, (DOUBLED,)).space
    assert space.keys() == {"plain_descent.lr", "doubled.share", "doubled.late"}
    assert space["doubled.late"].when.name == "doubled.share"


def test_hyperparameters_are_doubles_where_a_parameter_is():
    assembly = Subject(DESCENT).assemble()
    doubles = {name: param.double() for name, param in PARAMS.items()}
    assert hparams_for(assembly, PARAMS)["w"]["lr"].dtype == torch.float32
    assert hparams_for(assembly, doubles)["w"]["lr"].dtype == torch.float64
    assert hparams_for(assembly, doubles, torch.float32)["w"]["lr"].dtype == torch.float32


def test_a_step_tells_what_is_required_and_no_more():
    horizon, step, grads = torch.tensor(float(HORIZON)), torch.tensor(3.0), {"w": torch.tensor([3.0, 4.0])}
    silent = step_info(Subject(counting()).assemble(), step, horizon, grads)
    assert silent.loss is None
    assert silent.signals == {}
    required = Subject(counting(frozenset({"loss", "gradient_norm"}))).assemble()
    info = step_info(required, step, horizon, grads)
    assert info.loss.item() == loss_at(step).item() == 0.25
    assert info.signals["gradient_norm"].item() == pytest.approx(5.0)


def test_without_gradients_their_norm_is_zero():
    assembly = Subject(counting(frozenset({"gradient_norm"}))).assemble()
    info = step_info(assembly, torch.tensor(0.0), torch.tensor(40.0), {})
    assert info.signals["gradient_norm"].item() == 0.0


def test_only_what_has_an_update_changes():
    after = added(PARAMS, {"w": torch.tensor([1.0, 1.0])})
    assert after["w"].tolist() == [2.0, 3.0]
    assert after["b"] is PARAMS["b"]


def test_an_error_points_to_the_plugins_own_functions():
    bare, wrapped = Subject(DESCENT).assemble(), Subject(DESCENT, (DOUBLED,)).assemble()
    assert update_of(bare) is DESCENT.rule.update_one
    assert init_of(bare) is DESCENT.rule.init_one
    assert update_of(wrapped) is Doubled.update
    assert init_of(wrapped) is Doubled.own_state


def test_a_hand_designed_rule_has_no_weights():
    assert Subject(DESCENT).theta(PARAMS) == {}
