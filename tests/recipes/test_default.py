"""The recipe that ships: it loads, says where it comes from, and trains."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

import metaopt


def test_it_says_what_it_is_worth_where_and_how_it_was_made():
    recipe = metaopt.load_recipe("default")
    held_out = recipe.provenance["scores"]["held_out"]
    mean, low, _ = held_out["mean"].pop("recipe")
    assert low > 0, "better than AdamW at 1e-3"
    assert mean > max(value for value, _, _ in held_out["mean"].values())
    assert recipe.provenance["made_by"]["script"] == "benchmarks/recipes/default_recipe.py"
    assert recipe.made_on.parameters[0] < recipe.made_on.parameters[1]
    assert recipe.rate_law


def test_its_tasks_hold_the_starter_corpus():
    tasks = metaopt.load_recipe("default").provenance["corpus"]["tasks"]
    assert {task.name for task in metaopt.load_corpus("starter")} <= set(tasks)


def test_it_trains_a_model_of_its_range_without_a_warning():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 48), torch.nn.ReLU(), torch.nn.Linear(48, 10))
    pixels, digits = load_digits(return_X_y=True)
    inputs, targets = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digits)
    training, validation = torch.randperm(len(targets)).split([1400, 397])
    run = metaopt.load_recipe("default").bind(model, total_steps=200, batch_size=64)
    for step in range(1, 201):
        rows = training[torch.randint(len(training), (64,))]
        run.optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs[rows]), targets[rows])
        loss.backward()
        run.step(loss)
        if step % 20 == 0:
            with run.evaluating(), torch.no_grad():
                value = F.cross_entropy(model(inputs[validation]), targets[validation]).item()
            if run.observe(value).stop:
                break
    run.restore_best()
    with torch.no_grad():
        accuracy = (model(inputs[validation]).argmax(1) == targets[validation]).float().mean().item()
    assert accuracy > 0.93
