"""A learned recipe in a user's hands: its start goes into a model, a loop adapts it, `adapt` is one call."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.plugin.registry import current_registry
from tests.meta.conftest import blob_task, small_waves


def normed():
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5))


def recipe_for(rule, task, **hparams):
    return metaopt.meta_train(rule, task, hparams, compile="off").recipe


@pytest.fixture(scope="module")
def waves():
    return small_waves(num_iterations=300, num_steps=3)


@pytest.fixture(scope="module")
def recipe(waves, tmp_path_factory):
    """Saved and loaded, as users get it."""
    folder = tmp_path_factory.mktemp("recipe")
    recipe_for("meta_sgd", waves).save(folder)
    return metaopt.load_recipe(folder)


def an_episode(task):
    drawn = task.source.sample("test", 1, torch.Generator().manual_seed(5))
    return tuple(tensor[0] for tensor in drawn.tensors)


def test_an_ordinary_loop_from_the_learned_start_does_what_meta_training_saw(recipe, waves):
    """The deployed optimizer, step by step, against the engine that meta-trained."""
    from metaopt.meta.evaluation import few_shot_metrics

    expected = few_shot_metrics(recipe, waves, current_registry())
    drawn = waves.evaluated_episodes("test")
    for row in range(3):
        support_x, support_y, query_x, query_y = (tensor[row] for tensor in drawn.tensors)
        model = waves.build(7)
        recipe.load_initialization(model)
        run = recipe.bind(model, total_steps=3)
        for _ in range(3):
            run.optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(support_x), support_y)
            loss.backward()
            run.step(loss)
        loss = nn.functional.mse_loss(model(query_x), query_y)
        torch.testing.assert_close(loss, expected[row], rtol=1e-4, atol=1e-5)


def test_adapt_is_that_loop_and_leaves_the_model_alone(recipe, waves):
    support_x, support_y, query_x, query_y = an_episode(waves)
    model = waves.build(7)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    predictor = metaopt.adapt(model, recipe, (support_x, support_y))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert len(predictor.losses) == 3
    fresh = metaopt.adapt(
        model, metaopt.Recipe.create(metaopt.Configuration("sgd")), (support_x, support_y), num_steps=3
    )
    errors = [float(nn.functional.mse_loss(predict(query_x), query_y)) for predict in (predictor, fresh)]
    assert errors[0] < errors[1]


def test_binding_writes_no_parameter(recipe, waves):
    model = waves.build(7)
    before = [param.clone() for param in model.parameters()]
    recipe.bind(model, total_steps=5)
    assert all(torch.equal(param, after) for param, after in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (
            lambda: nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 2)),
            r"'4.weight' of shape \(1, 40\), the model's has \(2, 40\)",
        ),
        (
            lambda: nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40)),
            r"the parameter '4.bias', which this one lacks",
        ),
        (lambda: nn.ModuleDict({"body": nn.Linear(1, 40)}), r"Nothing was learned for the parameter 'body.weight'"),
    ],
)
def test_a_model_of_another_shape_is_refused_by_the_parameters_name(recipe, model, match):
    built = model()
    before = [param.clone() for param in built.parameters()]
    with pytest.raises(metaopt.InputError, match=match):
        recipe.load_initialization(built)
    assert all(torch.equal(param, after) for param, after in zip(before, built.parameters(), strict=True))


def test_a_recipe_without_a_start_says_so():
    with pytest.raises(metaopt.InputError, match="'adamw' learned no initialisation"):
        metaopt.Recipe.create(metaopt.Configuration("adamw")).load_initialization(nn.Linear(1, 1))


def test_proto_maml_makes_its_head_from_the_support_set():
    task = blob_task(num_iterations=60)
    recipe = recipe_for("proto_maml", task)
    support_x, support_y, query_x, query_y = an_episode(task)
    model = task.build(1)
    with pytest.raises(metaopt.InputError, match=r"load_initialization\(model, support=\(inputs, targets\)\)"):
        recipe.load_initialization(model)
    recipe.load_initialization(model, (support_x, support_y))
    features = model[1](model[0](support_x)).detach()
    for label in range(5):
        mean = features[support_y == label].mean(0)
        torch.testing.assert_close(model[2].weight[label].detach(), 2 * mean)
        torch.testing.assert_close(model[2].bias[label].detach(), -mean.square().sum())
    predictor = metaopt.adapt(task.build(1), recipe, (support_x, support_y))
    assert float((predictor(query_x).argmax(1) == query_y).float().mean()) > 0.8


def test_with_the_support_sets_statistics_a_prediction_depends_on_nothing_else():
    task = blob_task(normed, num_iterations=60, batch_norm="support")
    recipe = recipe_for("maml", task, lr=0.1)
    support_x, support_y, query_x, _ = an_episode(task)
    model = task.build(1)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    predictor = metaopt.adapt(model, recipe, (support_x, support_y))
    torch.testing.assert_close(predictor(query_x[:1]), predictor(query_x)[:1], rtol=1e-4, atol=1e-5)
    assert all(torch.equal(buffers[name], buffer) for name, buffer in model.named_buffers())
    transductive = metaopt.adapt(model, recipe, (support_x, support_y), batch_norm="batch")
    assert not torch.allclose(transductive(query_x[:2]), transductive(query_x)[:2], atol=1e-3)


@pytest.mark.parametrize(
    ("support", "match"),
    [
        (torch.ones(3, 1), "support is a pair of tensors"),
        ((torch.ones(3, 1), torch.ones(2, 1)), "has 3 inputs and 2 targets"),
        ((torch.ones(0, 1), torch.ones(0, 1)), "has 0 inputs"),
    ],
)
def test_a_support_set_that_is_none_is_refused(recipe, waves, support, match):
    with pytest.raises(metaopt.InputError, match=match):
        metaopt.adapt(waves.build(0), recipe, support)


def test_a_recipe_that_was_not_meta_trained_must_be_told_how_many_steps(waves):
    recipe = metaopt.Recipe.create(metaopt.Configuration("sgd"))
    with pytest.raises(metaopt.InputError, match="pass num_steps="):
        metaopt.adapt(waves.build(0), recipe, (torch.ones(3, 1), torch.ones(3, 1)))


def test_gates_are_shown_over_the_steps():
    from metaopt.report.explanation import explain, explained_table

    task = small_waves(num_iterations=5, num_evaluated=8, num_steps=4)
    rows = explain(recipe_for("meta_lstm", task), task, current_registry())
    assert [row.name for row in rows][:2] == ["0.weight", "0.bias"]
    assert all(len(row.rate) == 4 and len(row.drawn["input gate"]) == 4 for row in rows)
    # Its biases begin in U(4, 5) and U(−5, −4).
    assert all(0.97 < row.drawn["forget gate"][0] < 0.995 for row in rows)
    assert all(0.005 < row.drawn["input gate"][0] < 0.02 for row in rows)
    assert "input gate" in explained_table(rows, "episodes").columns


def test_plain_descent_is_explained_as_what_it_is():
    from metaopt.report.explanation import explain

    recipe = metaopt.Recipe.create(metaopt.Configuration("sgd", hparams={"sgd.lr": 0.25}))
    for row in explain(recipe, small_waves(num_steps=2), current_registry()):
        assert row.rate == pytest.approx((0.25, 0.25), rel=1e-4)
        assert row.cosine == pytest.approx((1.0, 1.0), rel=1e-4)


def test_no_law_acts_on_the_rate_of_an_adaptation(caplog):
    """Episodes of meta-training and evaluation are trained at the stated rate."""
    adapted = []
    for law in ({}, {"adamw": metaopt.RateLaw()}):
        torch.manual_seed(0)
        model = torch.nn.Linear(1, 1)
        recipe = metaopt.Recipe.create(metaopt.Configuration("adamw", "constant", rate_law=law))
        with caplog.at_level("INFO", "metaopt"):
            predictor = metaopt.adapt(model, recipe, (torch.ones(16, 1), torch.zeros(16, 1)), num_steps=5)
        adapted.append(predictor(torch.ones(1, 1)))
    assert torch.equal(*adapted)
    assert not caplog.messages
