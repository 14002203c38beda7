import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.integrations.trainer_files import continue_run, read_run, run_state, write_run
from metaopt.recipe import Recipe


def trained(optimizer, num_steps):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    run = Recipe.create(Configuration(optimizer)).bind(model, total_steps=10)
    for _ in range(num_steps):
        run.optimizer.zero_grad()
        loss = model(torch.ones(2, 3)).square().mean()
        loss.backward()
        run.step(loss)
    return model, run


@pytest.mark.parametrize("optimizer", ["adamw", "schedulefree_adamw"])
def test_a_run_goes_on_from_its_training_point_where_the_models_file_holds_averages(optimizer, tmp_path):
    model, run = trained(optimizer, 4)
    before = model.weight.detach().clone()
    with run.evaluating():
        run.observe(1.5)
        evaluated = model.state_dict()
        evaluated = {name: value.clone() for name, value in evaluated.items()}
    state = run_state(run)
    assert set(state["training_weights"]) == ({"weight", "bias"} if optimizer == "schedulefree_adamw" else set())
    write_run(state, tmp_path)
    other, resumed = trained(optimizer, 0)
    other.load_state_dict(evaluated)
    resumed.optimizer.load_state_dict(run.optimizer.state_dict())
    resumed.scheduler.load_state_dict(run.scheduler.state_dict())
    continue_run(read_run(tmp_path), resumed)
    assert torch.equal(other.weight, before)
    assert (resumed.best_value, resumed.num_steps) == (1.5, 4)


def test_a_folder_without_a_run_and_a_run_of_another_model_are_refused(tmp_path):
    with pytest.raises(
        metaopt.InputError, match=r"has no metaopt_run.pt: it was not saved in a training with a recipe"
    ):
        read_run(tmp_path)
    _, run = trained("adamw", 2)
    with run.evaluating():
        run.observe(1.0)
    other = Recipe.create(Configuration("adamw")).bind(nn.Linear(4, 1), total_steps=10)
    with pytest.raises(metaopt.InputError, match=r"The best weights of this state are another model's"):
        continue_run(run_state(run), other)
