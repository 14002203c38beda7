"""What a learner compares is told class by class, and drawn in two dimensions."""

import dataclasses

import pytest
import torch
from torch import nn

import metaopt
from metaopt.plugin import current_registry
from metaopt.report import compared_table, draw_compared, explain_learner
from tests.learners.conftest import digit_episodes, digit_task, small_net

LEARNERS = ("protonet", "matching_net", "relation_net", "baseline", "finetune")


def narrow():
    """Features of one number."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Linear(1, 3))


def task_of(**changes):
    return digit_task(small_net, digit_episodes(n_way=3, k_shot=2), **changes)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_is_looked_at_and_says_what_its_predictor_says(name, tmp_path):
    task = task_of(num_iterations=2)
    recipe = metaopt.meta_train(name, task).recipe
    compared = explain_learner(recipe, task, current_registry())
    support, targets, queries, wanted = (tensor[0] for tensor in task.evaluated_episodes("test", 1).tensors)
    logits = metaopt.adapt(task.build(0), recipe, (support, targets))(queries)
    assert torch.equal(compared.predicted, logits.argmax(1))
    for number in range(3):
        expected = logits.softmax(1)[wanted == number].mean(0)
        torch.testing.assert_close(compared.relations[number], expected, rtol=1e-3, atol=1e-4)
    assert compared.support.shape == (6, 2)
    assert compared.prototypes.shape == (3, 2)
    assert 0 < compared.share <= 1
    draw_compared(compared, tmp_path / "seen.png")
    assert (tmp_path / "seen.png").read_bytes().startswith(b"\x89PNG")


def test_prototypes_lie_amid_their_examples_in_the_plane():
    recipe = metaopt.meta_train("protonet", task_of()).recipe
    compared = explain_learner(recipe, task_of(), current_registry())
    assert compared.prototypes_are == "prototypes"
    means = torch.stack([compared.support[compared.support_classes == number].mean(0) for number in range(3)])
    torch.testing.assert_close(compared.prototypes, means, rtol=1e-3, atol=1e-4)


def test_what_goes_by_cosine_is_drawn_at_unit_length():
    recipe = metaopt.meta_train("protonet", task_of(), {"distance": "cosine"}).recipe
    compared = explain_learner(recipe, task_of(), current_registry())
    apart = (compared.queries.unsqueeze(1) - compared.prototypes).norm(dim=2)
    assert float(apart.max()) <= 2.0 + 1e-4


def test_features_of_one_number_lie_on_a_line():
    task = dataclasses.replace(task_of(), model=narrow)
    compared = explain_learner(metaopt.meta_train("protonet", task).recipe, task, current_registry())
    assert compared.share == pytest.approx(1.0)
    assert not compared.queries[:, 1].any()


def test_the_table_has_a_row_a_class():
    recipe = metaopt.meta_train("protonet", task_of()).recipe
    table = compared_table(explain_learner(recipe, task_of(), current_registry()), "digits")
    assert [row[0] for row in table.rows] == ["class 0", "class 1", "class 2"]
    assert [row[1] for row in table.rows] == ["2", "2", "2"]
    assert "The first test episode of 'digits'" in table.note


def test_tasks_without_episodes_and_other_models_are_refused():
    recipe = metaopt.meta_train("protonet", task_of(num_iterations=1)).recipe
    ordinary = metaopt.load_corpus("starter").tasks[0]
    with pytest.raises(metaopt.InputError, match="has no episodes to compare; give --corpus"):
        explain_learner(recipe, ordinary, current_registry())
    other = dataclasses.replace(
        task_of(), model=lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 8))
    )
    with pytest.raises(metaopt.InputError, match="build the model that the recipe was meta-trained with"):
        explain_learner(recipe, other, current_registry())
