"""A model holds the weights in training, except where it is evaluated, restored or finished."""

import copy
import gc
import pickle

import pytest
import torch
from torch import nn

import metaopt
from metaopt.deploy.held_weights import HeldWeights


def plain(keep_best="cpu"):
    """One number that starts at 1 and goes down by 1 a step."""
    param = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([param], lr=1.0)
    return param, optimizer, HeldWeights([param], optimizer, keep_best)


def averaging(keep_best="cpu"):
    """A rule with averages, after steps that make them differ from the weights in training."""
    param = nn.Parameter(torch.ones(1))
    optimizer = metaopt.create_optimizer("adamw", [param], wrappers=("averaged",), lr=0.1)
    for _ in range(5):
        descend(param, optimizer)
    (average,) = optimizer.evaluation_params().values()
    assert not torch.equal(average, param)
    return param, optimizer, HeldWeights([param], optimizer, keep_best)


def descend(param, optimizer):
    param.grad = torch.ones_like(param)
    optimizer.step()


def test_the_best_weights_come_back_in_place():
    param, optimizer, held = plain()
    held.keep(step=0)
    descend(param, optimizer)
    assert param.item() == 0.0
    held.restore_best(step=1, num_observations=1)
    assert param.item() == 1.0
    assert not held.is_finished


def test_without_a_copy_there_is_nothing_to_restore():
    _, _, held = plain(keep_best=None)
    held.keep(step=0)
    assert held.best is None
    with pytest.raises(metaopt.InputError, match=r"No copy of the best weights was kept; bind with keep_best='cpu'"):
        held.restore_best(step=0, num_observations=1)


def test_what_is_kept_as_best_is_the_average():
    param, optimizer, held = averaging()
    training = param.detach().clone()
    (average,) = (average.clone() for average in optimizer.evaluation_params().values())
    held.keep(step=5)
    assert torch.equal(param, training)
    held.restore_best(step=5, num_observations=1)
    assert torch.equal(param, average)


def test_what_was_evaluated_at_a_step_is_what_is_kept_of_it():
    param, optimizer, held = averaging()
    with held.evaluating(step=5):
        evaluated = param.detach().clone()
    for moment in optimizer.state[param].values():
        moment.add_(1.0)  # whatever the rule would say of it now
    held.take_in(5, 1.0, improves=True)
    held.restore_best(step=5, num_observations=1)
    assert torch.equal(param, evaluated)


def test_what_was_evaluated_at_another_step_is_not_kept():
    param, optimizer, held = averaging()
    with held.evaluating(step=5):
        pass
    descend(param, optimizer)
    (average,) = (average.clone() for average in optimizer.evaluation_params().values())
    held.keep(step=6)
    held.restore_best(step=6, num_observations=1)
    assert torch.equal(param, average)


def test_averages_of_a_librarys_class_are_kept_as_they_were_evaluated():
    schedulefree = pytest.importorskip("schedulefree")
    param = nn.Parameter(torch.ones(1))
    optimizer = schedulefree.AdamWScheduleFree([param], lr=0.1)
    optimizer.train()
    for _ in range(5):
        descend(param, optimizer)
    held = HeldWeights([param], optimizer, "cpu")
    training = param.detach().clone()
    with held.evaluating(step=5):
        evaluated = param.detach().clone()
    assert not torch.equal(evaluated, training)
    held.take_in(5, 1.0, improves=True)
    assert torch.equal(param, training)
    held.restore_best(step=5, num_observations=1)
    assert torch.equal(param, evaluated)


def test_a_copy_of_weights_held_keeps_its_own_averages():
    param, optimizer, held = averaging()
    with held.evaluating(step=5):
        evaluated = param.detach().clone()
    (own,), _, other = copy.deepcopy(([param], optimizer, held))
    other.take_in(5, 1.0, improves=True)
    other.restore_best(step=5, num_observations=1)
    assert torch.equal(own, evaluated)


def test_an_evaluation_sees_averages_and_eval_mode_and_leaves_no_trace():
    model = nn.Linear(1, 1, bias=False)
    optimizer = metaopt.create_optimizer("adamw", model, wrappers=("averaged",), lr=0.1)
    for _ in range(5):
        model.weight.grad = torch.ones(1, 1)
        optimizer.step()
    held = HeldWeights(model, optimizer, None)
    training = model.weight.detach().clone()
    (average,) = (average.clone() for average in optimizer.evaluation_params().values())
    with held.evaluating(step=5):
        assert held.is_evaluating
        assert not model.training
        assert torch.equal(model.weight, average)
        with held.evaluating(step=5):
            assert torch.equal(model.weight, average)
        assert held.is_evaluating
    assert not held.is_evaluating
    assert model.training
    assert torch.equal(model.weight, training)


def test_weights_restored_at_a_step_are_the_ones_evaluated_at_it():
    param, optimizer, held = averaging()
    held.keep(step=5)
    descend(param, optimizer)
    held.restore_best(step=6, num_observations=1)
    restored = param.detach().clone()
    with held.evaluating(step=6):
        assert torch.equal(param, restored)
    with held.evaluating(step=7):
        assert not torch.equal(param, restored)


def test_a_value_measured_with_the_training_weights_is_warned_of_once():
    _, _, held = averaging()
    with pytest.warns(UserWarning, match="measured with the training weights"):
        held.check_evaluated(5, 1.0)
    held.check_evaluated(6, 1.0)  # warnings are errors here


def test_a_value_measured_at_an_evaluated_step_is_no_reason_to_warn():
    _, _, held = averaging()
    with held.evaluating(step=5):
        held.check_evaluated(5, 1.0)
    held.check_evaluated(5, 1.0)
    with pytest.warns(UserWarning, match="measured with the training weights"):
        held.check_evaluated(6, 1.0)


@pytest.mark.parametrize("kept", [True, False])
def test_a_finished_run_holds_the_best_weights_or_the_averages(kept):
    param, optimizer, held = averaging()
    (expected,) = (average.clone() for average in optimizer.evaluation_params().values())
    if kept:
        held.keep(step=5)
        descend(param, optimizer)
    held.finish(step=6, num_observations=int(kept))
    assert held.is_finished
    assert torch.equal(param, expected)
    held.finish(step=6, num_observations=int(kept))
    assert torch.equal(param, expected)


def test_a_finished_run_refuses_steps_until_weights_to_train_on_are_loaded():
    param, optimizer, held = plain()
    held.check_steps()
    held.finish(step=0, num_observations=0)
    for act in (held.check_steps, optimizer.step):
        with pytest.raises(metaopt.InputError, match="This run is finished"):
            act()
    with pytest.raises(metaopt.InputError, match=r"save run\.state_dict\(\) before run\.finish\(\)"):
        held.check_goes_on()
    held.train_on()
    assert not held.is_finished
    held.check_steps()
    held.check_goes_on()
    descend(param, optimizer)
    assert param.item() == 0.0


def test_within_an_evaluation_nothing_else_may_begin():
    _, _, held = plain()
    held.keep(step=0)
    with held.evaluating(step=0):
        acts = {
            r"calling run\.restore_best\(\)": lambda: held.restore_best(0, 1),
            r"calling run\.finish\(\)": lambda: held.finish(0, 1),
            r"calling run\.step\(\)": held.check_steps,
            r"saving run\.state_dict\(\)": held.check_goes_on,
        }
        for before, act in acts.items():
            with pytest.raises(metaopt.InputError, match=rf"Leave `with run\.evaluating\(\)` before {before}"):
                act()
    assert not held.is_finished


@pytest.mark.filterwarnings("ignore:Seems like")  # torch's scheduler takes the copied step for another one
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))], ids=["copy", "pickle"])
def test_a_copied_run_keeps_what_is_unfrozen_later_and_warns_of_what_no_group_holds(copied):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    recipe = metaopt.Recipe.create(metaopt.Configuration("adamw"))
    run = copied(recipe.bind(model, total_steps=10))
    model = run.model
    model[0].requires_grad_()
    run.optimizer.add_param_group({"params": [model[0].weight]})
    with pytest.warns(UserWarning, match=r"The parameter '0\.bias' was frozen when the optimizer was made"):
        take_step(run)
    run.observe(1.0)
    best = model[0].weight.detach().clone()
    take_step(run)
    assert not torch.equal(model[0].weight, best)
    run.restore_best()
    assert torch.equal(model[0].weight, best)


def take_step(run):
    run.model.zero_grad()
    loss = run.model(torch.ones(1, 2)).square().mean()
    loss.backward()
    run.step(loss)


def tensors_of_length(length):
    gc.collect()
    return sum(type(each) is torch.Tensor and each.shape == (length,) for each in gc.get_objects())


@pytest.mark.parametrize("improves", [True, False])
def test_averages_of_an_evaluation_are_freed_once_it_is_observed(improves):
    param = nn.Parameter(torch.ones(1237))
    optimizer = metaopt.create_optimizer("adamw", [param], wrappers=("averaged",), lr=0.1)
    descend(param, optimizer)
    held = HeldWeights([param], optimizer, "cpu")
    held.keep(step=0)  # room for the best weights
    before = tensors_of_length(1237)
    with held.evaluating(1):
        pass
    assert tensors_of_length(1237) == before + 1
    held.take_in(1, 0.5, improves=improves)
    assert tensors_of_length(1237) == before


def test_averages_of_an_evaluation_are_freed_by_the_next_one():
    param = nn.Parameter(torch.ones(1237))
    optimizer = metaopt.create_optimizer("adamw", [param], wrappers=("averaged",), lr=0.1)
    descend(param, optimizer)
    held = HeldWeights([param], optimizer, "cpu")
    before = tensors_of_length(1237)
    for step in range(3):
        with held.evaluating(step):
            pass
    assert tensors_of_length(1237) == before + 1
