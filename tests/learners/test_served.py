import pytest
import torch

import metaopt
from metaopt.learners import Backbone, Comparison, fitting, served
from tests.learners.conftest import digits, learner, mlp, small_net, support_and_queries


def module(name="protonet", model=None, theta=None, **hparams):
    assembly = learner(name, **hparams)
    inputs, targets, queries, _ = support_and_queries(ways=3, shots=2)
    model = model or small_net()
    if theta is None:
        comparison = Comparison(
            assembly.learner,
            assembly.meta_values,
            Backbone(model, inputs[:2], None, assembly.meta_values["batch_norm"]),
        )
        theta = comparison.init_theta(torch.Generator().manual_seed(0))
    return served(assembly.learner, assembly.meta_values, theta, model, None, inputs, targets), queries


@pytest.mark.parametrize("name", ["protonet", "matching_net", "relation_net", "baseline", "finetune"])
def test_a_query_alone_is_predicted_as_among_others(name):
    compared, queries = module(name)
    assert torch.allclose(torch.cat([compared(query) for query in queries.split(1)]), compared(queries), atol=1e-4)


def test_the_prototypes_are_class_means_of_features():
    model = small_net()
    compared, _ = module(model=model)
    inputs, targets, *_ = support_and_queries(ways=3, shots=2)
    features = model.eval()[:-1](inputs)
    means = torch.stack([features[targets == number].mean(0) for number in range(3)])
    assert torch.allclose(compared.kept["prototypes"], means, atol=1e-6)


def test_a_class_added_later_leaves_the_others_as_they_are():
    compared, queries = module()
    more = compared.extended(digits()[0][:1], torch.tensor([3]))
    assert more.ways == 4
    assert torch.allclose(more(queries)[:, :3], compared(queries), atol=1e-5)


def test_a_class_that_skips_a_number_is_refused():
    compared, _ = module()
    with pytest.raises(metaopt.InputError, match="no example of class 3"):
        compared.extended(digits()[0][:1], torch.tensor([4]))


def test_the_users_model_stays_as_it_is():
    model = small_net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    module("finetune", model)[0](digits()[0][:2])
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert model.training


def test_by_the_support_sets_statistics_queries_see_the_support_set_alone():
    compared, queries = module(batch_norm="support")
    assert torch.allclose(compared(queries[:1]), compared(queries)[:1], atol=1e-4)


def test_weights_move_with_the_module():
    compared, queries = module("relation_net")
    assert compared.double()(queries.double()).dtype == torch.float64


def fitted(theta, model, name="protonet", **hparams):
    assembly = learner(name, **hparams)
    return fitting(
        Comparison(assembly.learner, assembly.meta_values, Backbone(model, digits()[0][:2], None, "running")), theta
    )


def test_without_learned_weights_the_models_own_are_compared():
    theta = fitted(None, small_net())
    assert "backbone.0.weight" in theta


@pytest.mark.parametrize(
    ("name", "hparams"), [("relation_net", {}), ("protonet", {"embedding": 16})], ids=["own weights", "an embedding"]
)
def test_a_learner_that_needs_weights_is_refused_without_them(name, hparams):
    with pytest.raises(metaopt.InputError, match="compares by weights of its own, and this recipe has none"):
        fitted(None, mlp(), name, **hparams)


def test_weights_for_another_model_are_refused():
    theta = fitted(None, small_net())
    with pytest.raises(metaopt.InputError, match=r"learned for '0.bias' of shape \(8,\), the model's has none"):
        fitted(theta, mlp())


def test_embeddings_of_different_sizes_are_refused():
    assembly = learner("protonet", embedding=16)
    comparison = Comparison(assembly.learner, assembly.meta_values, Backbone(mlp(), digits()[0][:2], None, "running"))
    theta = comparison.init_theta(torch.Generator().manual_seed(0))
    with pytest.raises(
        metaopt.InputError, match=r"different sizes: 'embedding.weight' was learned in shape \(16, 16\)"
    ):
        fitted(theta, mlp(), embedding=32)


def test_a_recipe_that_lacks_weights_of_the_learner_is_refused():
    with pytest.raises(metaopt.PluginError, match="has no learned 'first"):
        fitted(fitted(None, mlp()), mlp(), "relation_net")
