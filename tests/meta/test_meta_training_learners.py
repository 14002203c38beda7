"""Learners under `metaopt.meta_train`: episodes, checkpoints and recipes as rules have; what they cannot learn from."""

import pytest
import torch

import metaopt
from metaopt.meta import Trainer
from metaopt.plugin import Registry
from tests.learners.conftest import digit_episodes, digit_task, learner, mlp, small_net
from tests.meta.conftest import blob_task, small_waves


def test_prototypes_learn_to_tell_digits_apart():
    result = metaopt.meta_train("protonet", digit_task(mlp, num_evaluated=60), {"ways": 4}, num_iterations=60)
    losses = result.curves["digits"].signals["train_loss"]
    assert losses[-1] < 1.0, "chance is log 4 = 1.39"
    assert -result.curves["digits"].test[-1] > 0.6
    assert result.skipped == 0


def test_more_ways_in_training_than_in_tests_and_the_recipe_says_how_it_was_made():
    recipe = metaopt.meta_train("protonet", digit_task(mlp), {"ways": 4, "distance": "cosine", "embedding": 16}).recipe
    assert recipe.configuration.learner == "protonet"
    assert recipe.plugins == {"learner protonet": "1"}
    assert recipe.theta["embedding.weight"].shape == (16, 16)
    assert recipe.provenance["meta_training"]["features"] == []
    assert recipe.name == "protonet"


def test_kernels_take_the_steps_of_adam_whatever_the_layout_of_their_gradients():
    """Convolutions run with their channels last, and torch's fused Adam takes numbers by their place in memory."""
    task, assembly = digit_task(num_iterations=2, num_validations=1), learner("protonet", outer_final=1.0)
    trained = Trainer(assembly, [task], seed=3).train().theta
    trainer = Trainer(assembly, [task], seed=3)
    state, generator, _ = trainer._begin(None)
    weights = trainer._moved(state.theta)
    adam = torch.optim.AdamW(list(weights.values()), lr=1e-3, weight_decay=0.0, fused=False)
    smallest = {name: torch.full_like(value, torch.inf) for name, value in weights.items()}
    for _ in range(2):
        estimate, _ = trainer._estimators[0].estimate(state.theta, {}, generator)
        for name, value in weights.items():
            value.grad = estimate.gradient[name].contiguous()
            smallest[name] = torch.minimum(smallest[name], value.grad.abs())
        adam.step()
        for name, value in estimate.running.items():
            state.theta[name].data.copy_(value)
    for name, value in state.theta.items():
        # Adam goes by a gradient's sign, which rounding decides where it is about 0, as before a batch norm.
        known = smallest[name] > 1e-5 if name in smallest else torch.ones_like(value, dtype=torch.bool)
        assert value.ndim != 4 or known.float().mean() > 0.8
        torch.testing.assert_close(trained[name][known], value.detach()[known], rtol=1e-3, atol=1e-5)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("name", ["protonet", "baseline"])
def test_whoever_is_killed_goes_on_where_it_was(name, tmp_path, monkeypatch):
    """Running statistics and the order of draws among what is kept; the model has batch norm."""
    task = digit_task(num_iterations=6, num_validations=3)
    unbroken = metaopt.meta_train(name, task).recipe
    monkeypatch.setattr("metaopt.meta.trainer.PERIOD", 0.0)

    def kill(progress):
        if progress.iteration >= 4:
            raise KilledError

    with pytest.raises(KilledError):
        metaopt.meta_train(name, task, folder=tmp_path, progress=kill)
    resumed = metaopt.meta_train(name, task, folder=tmp_path).recipe
    assert resumed.theta.keys() == unbroken.theta.keys()
    assert all(torch.equal(resumed.theta[key], value) for key, value in unbroken.theta.items())
    with pytest.raises(metaopt.InputError, match="the checkpoint of another meta-training"):
        metaopt.meta_train(name, task, {"outer_lr": 0.01}, folder=tmp_path)


def test_it_goes_on_from_weights():
    first = metaopt.meta_train("protonet", digit_task()).recipe
    second = metaopt.meta_train("protonet", digit_task(), start=first, num_iterations=1).recipe
    apart = float((second.theta["backbone.0.weight"] - first.theta["backbone.0.weight"]).abs().max())
    assert 0 <= apart < 0.01


def test_a_learner_of_ones_own_is_meta_trained_by_its_spec():
    def fit(support, labels, theta, hparams):
        return {"means": (labels / labels.sum(0)).T @ support}

    def predict(kept, queries, theta, hparams):
        return -torch.cdist(queries, kept["means"]).square()

    registry = Registry.discover()
    spec = metaopt.LearnerSpec(name="mine", version="1", fit=fit, predict=predict)
    recipe = metaopt.meta_train(spec, digit_task(), registry=registry).recipe
    assert recipe.configuration.learner == "mine"
    theirs = metaopt.meta_train("protonet", digit_task()).recipe
    assert torch.allclose(recipe.theta["backbone.0.weight"], theirs.theta["backbone.0.weight"], atol=1e-5)


class Episodes:
    """Digits, with something wrong."""

    fingerprint = "wrong"

    def __init__(self, change):
        self.change = change

    def sample(self, partition, count, generator):
        return metaopt.Episodes(*self.change(*digit_episodes().sample(partition, count, generator).tensors))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, t, q, w: (s, t * 0, q, w * 0), "the support set has one class alone"),
        (lambda s, t, q, w: (s, t, q[:, :0], w[:, :0]), "is judged on queries, and these episodes have none"),
        (lambda s, t, q, w: (s, t, q[..., :7], w), "Task 'digits'"),
    ],
    ids=["one class", "no queries", "queries of another size"],
)
def test_episodes_that_cannot_be_compared_are_refused(change, message):
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.meta_train("protonet", digit_task(episodes=Episodes(change)))


def test_unequal_shots_are_learned_from():
    source = Episodes(lambda s, t, q, w: (s[:, :5], t[:, :5], q, w))
    source.change = lambda s, t, q, w: (torch.cat([s, s[:, :1]], 1), torch.cat([t, t[:, :1]], 1), q, w)
    assert metaopt.meta_train("protonet", digit_task(episodes=source)).recipe.theta


@pytest.mark.parametrize(
    ("name", "task", "hparams", "message"),
    [
        ("protonet", digit_task(), {"ways": 60}, r"ways=60, and meta-training has 4 classes; give 2 to 4, or 0"),
        ("protonet", digit_task(), {"ways": 1}, r"ways=1, and meta-training has 4 classes"),
        ("protonet", blob_task(), {"ways": 3}, r"ways=3 needs the classes that episodes are drawn from, and 'Blobs'"),
        ("baseline", blob_task(), {}, "'baseline' needs the classes that episodes are drawn from"),
        ("protonet", small_waves(), {}, "targets are float32, no class numbers; a rule such as 'maml' adapts to these"),
        ("protonet", digit_task(features="encoder"), {}, "The model has no part 'encoder'"),
        ("protonet", digit_task(), {"distance": "manhattan"}, r"must be one of \['euclidean', 'cosine'\]"),
    ],
)
def test_what_a_learner_cannot_learn_from_is_refused(name, task, hparams, message):
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.meta_train(name, task, hparams)


def test_an_ordinary_task_is_refused():
    task = metaopt.load_corpus("starter").tasks[0]
    with pytest.raises(metaopt.InputError, match=r"'protonet' learns from episodes, and .* is an ordinary task"):
        metaopt.meta_train("protonet", task)


def test_what_goes_around_a_rule_is_refused():
    with pytest.raises(metaopt.InputError, match="takes no steps on a support set; leave out wrappers and controller"):
        metaopt.meta_train("protonet", digit_task(), wrappers=["clip"])
    with pytest.raises(metaopt.InputError, match="What is meta-trained is an optimizer or a learner"):
        metaopt.meta_train(3, digit_task())


def test_episodes_that_are_no_classes_serve_learners_that_need_none():
    assert metaopt.meta_train("protonet", blob_task(num_iterations=2)).recipe.theta
    assert metaopt.meta_train("relation_net", digit_task(small_net, episodes_per_iteration=2)).recipe.theta
