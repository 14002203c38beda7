"""A learner in a user's hands: meta-trained, saved, loaded, and adapted to a support set; what it is no good for."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from tests.learners.conftest import digit_episodes, digit_task, mlp, small_net, support_and_queries

NAMES = ["protonet", "matching_net", "relation_net", "baseline", "finetune"]


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """Of each learner, meta-trained briefly, saved and loaded as users get it."""
    loaded = {}
    for name in NAMES:
        hparams = {"steps": 2} if name in ("baseline", "finetune") else {"ways": 3}
        result = metaopt.meta_train(name, digit_task(num_evaluated=4), hparams)
        folder = tmp_path_factory.mktemp(name)
        result.recipe.save(folder)
        assert not list(folder.glob("*.pt")), "no pickle"
        loaded[name] = metaopt.load_recipe(folder)
        assert loaded[name] == result.recipe
    return loaded


@pytest.mark.parametrize("name", NAMES)
def test_adapt_takes_another_number_of_ways_than_training_had(recipes, name):
    """Trained on 3 ways and tested on 2; here 3 with unequal shots, by a model with any head."""
    support, targets, queries, _ = support_and_queries(ways=3, shots=2)
    predictor = metaopt.adapt(small_net(7), recipes[name], (support[:5], targets[:5]))
    assert predictor(queries).shape == (15, 3)
    assert predictor.losses == []
    assert not predictor.is_transductive


@pytest.mark.parametrize("name", NAMES)
def test_adapt_gives_what_meta_training_measured(recipes, name):
    from metaopt.meta import few_shot_metrics
    from metaopt.plugin import current_registry

    task = digit_task(num_evaluated=3)
    measured = few_shot_metrics(recipes[name], task, current_registry())
    episodes = task.evaluated_episodes("test")
    for row in range(3):
        support, targets, queries, wanted = (tensor[row] for tensor in episodes.tensors)
        logits = metaopt.adapt(task.build(5), recipes[name], (support, targets))(queries)
        assert float(metaopt.accuracy(logits, wanted)) == pytest.approx(float(measured[row]))


def test_a_class_can_be_added_later(recipes):
    support, targets, queries, _ = support_and_queries(ways=3, shots=2)
    predictor = metaopt.adapt(small_net(), recipes["protonet"], (support[:4], targets[:4]))
    more = predictor.extended((support[4:], targets[4:]))
    whole = metaopt.adapt(small_net(), recipes["protonet"], (support, targets))
    assert torch.allclose(more(queries), whole(queries), atol=1e-5)
    assert predictor(queries).shape == (15, 2), "the first one is as it was"
    with pytest.raises(metaopt.InputError, match="no example of class 2"):
        predictor.extended((support[:1], torch.tensor([4])))


def test_what_was_adapted_step_by_step_takes_no_further_class():
    recipe = metaopt.Recipe.create(Configuration("sgd", hparams={"sgd.lr": 0.1}))
    support, targets, *_ = support_and_queries()
    predictor = metaopt.adapt(mlp(), recipe, (support, targets), num_steps=1)
    with pytest.raises(metaopt.InputError, match="takes no further examples"):
        predictor.extended((support, targets))


@pytest.mark.parametrize(("statistics", "is_transductive"), [("running", False), ("support", False), ("batch", True)])
def test_a_transductive_result_is_marked(statistics, is_transductive):
    recipe = metaopt.meta_train("protonet", digit_task(), {"batch_norm": statistics}).recipe
    assert recipe.provenance["meta_training"]["transductive"] == is_transductive
    support, targets, queries, _ = support_and_queries()
    predictor = metaopt.adapt(small_net(), recipe, (support, targets))
    assert predictor.is_transductive == is_transductive
    alone = torch.cat([predictor(query) for query in queries.split(1)])
    assert torch.allclose(alone, predictor(queries), atol=1e-3) != is_transductive


def test_without_learned_weights_a_models_own_features_are_compared():
    model = small_net().eval()
    support, targets, queries, _ = support_and_queries()
    predictor = metaopt.adapt(model, metaopt.Recipe.create(Configuration(learner="protonet")), (support, targets))
    means = torch.stack([model[:-1](support)[targets == number].mean(0) for number in range(2)])
    expected = -torch.cdist(model[:-1](queries), means).square()
    assert torch.allclose(predictor(queries), expected, atol=1e-4)


def test_the_named_part_gives_the_features_and_the_recipe_remembers_it():
    task = digit_task(mlp, features="1")
    recipe = metaopt.meta_train("protonet", task).recipe
    support, targets, *_ = support_and_queries()
    assert metaopt.adapt(mlp(), recipe, (support, targets)).model.kept["prototypes"].shape == (2, 16)
    with pytest.raises(metaopt.InputError, match="The model has no part 'encoder'"):
        metaopt.adapt(mlp(), recipe, (support, targets), features="encoder")


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, images):
        if float(images.sum()) < 0:  # what vmap cannot take
            images = -images
        return self.head(self.lstm(images.squeeze(1))[1][0][-1])


def frozen_net():
    model = small_net()
    model[0].requires_grad_(False)
    return model


class Doubled:
    """Digits in float64."""

    fingerprint = "doubled"

    def sample(self, partition, count, generator):
        support, targets, queries, wanted = digit_episodes().sample(partition, count, generator).tensors
        return metaopt.Episodes(support.double(), targets, queries.double(), wanted)


@pytest.mark.parametrize("name", ["protonet", "matching_net", "relation_net"])
@pytest.mark.parametrize(
    "model", [Encoder, frozen_net, lambda: mlp().double()], ids=["lstm and if", "frozen", "float64"]
)
def test_backbones_of_all_kinds_are_meta_trained_and_adapted(name, model):
    episodes = Doubled() if next(model().parameters()).dtype == torch.float64 else None
    task = digit_task(model, episodes, num_iterations=2, num_evaluated=2, episodes_per_iteration=2)
    recipe = metaopt.meta_train(name, task).recipe
    support, targets, queries, _ = (tensor[0] for tensor in task.evaluated_episodes("test").tensors)
    assert metaopt.adapt(model(), recipe, (support, targets))(queries).shape == (10, 2)


def test_a_learner_given_to_what_trains_is_refused_in_one_sentence(recipes):
    recipe = recipes["protonet"]
    message = "'protonet' is a learner: it compares with a support set, so that {} has nothing to train; metaopt.adapt"
    with pytest.raises(metaopt.InputError, match=message.format("bind")):
        recipe.bind(small_net(), total_steps=10)
    with pytest.raises(metaopt.InputError, match=message.format("load_initialization")):
        recipe.load_initialization(small_net())
    with pytest.raises(metaopt.RecipeError, match="no plain PyTorch form: 'protonet' is a learner"):
        recipe.code()
    with pytest.raises(metaopt.PluginError, match="There is no optimizer 'protonet'"):
        metaopt.create_optimizer("protonet", small_net())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_steps": 3}, "'protonet' is a learner, which takes no steps on a support set; leave out num_steps="),
        ({"loss": nn.functional.cross_entropy}, "leave out loss="),
        ({"batch_norm": "batch"}, "leave out batch_norm=; its recipe says 'running'"),
    ],
)
def test_what_is_for_rules_is_refused(recipes, arguments, message):
    support, targets, *_ = support_and_queries()
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.adapt(small_net(), recipes["protonet"], (support, targets), **arguments)


def test_a_rule_has_no_features():
    recipe = metaopt.Recipe.create(Configuration("sgd", hparams={"sgd.lr": 0.1}))
    with pytest.raises(metaopt.InputError, match="features= is for learners"):
        metaopt.adapt(mlp(), recipe, (torch.zeros(2, 1, 8, 8), torch.tensor([0, 1])), num_steps=1, features="1")


@pytest.mark.parametrize(
    ("support", "message"),
    [
        ((torch.zeros(2, 1, 8, 8), torch.tensor([0, 0])), "the support set has one class alone; give it two or more"),
        ((torch.zeros(2, 1, 8, 8), torch.tensor([0, 2])), "no example of class 1"),
        ((torch.zeros(2, 1, 8, 8), torch.tensor([0.0, 1.0])), "no class numbers"),
        ((torch.zeros(0, 1, 8, 8), torch.zeros(0, dtype=torch.int64)), "The support set has 0 inputs"),
        ((torch.zeros(2, 1, 5, 5), torch.tensor([0, 1])), r"The model fails at inputs of shape|different sizes"),
    ],
)
def test_support_sets_that_cannot_be_compared_with_are_refused(recipes, support, message):
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.adapt(small_net(), recipes["protonet"], support)


def test_another_model_is_refused(recipes):
    support, targets, *_ = support_and_queries()
    with pytest.raises(metaopt.InputError, match="build the model that the recipe was meta-trained with"):
        metaopt.adapt(mlp(), recipes["protonet"], (support, targets))


def test_a_recipe_of_a_learner_is_refused_by_metaopt_that_knows_none(recipes):
    assert recipes["protonet"].to_json()["schema"] == 3
    assert metaopt.Recipe.create(Configuration("sgd")).to_json()["schema"] == 1
