import pytest

import metaopt
from metaopt.plugin import KINDS, Registry


def fit(support, labels, theta, hparams):
    return {"means": (labels / labels.sum(0)).T @ support}


def predict(kept, queries, theta, hparams):
    return queries @ kept["means"].T


def spec(**fields):
    return metaopt.LearnerSpec(**{"name": "mine", "version": "1", "fit": fit, "predict": predict, **fields})


def test_it_is_a_kind_of_its_own_beside_an_optimizer_of_the_same_name():
    registry = Registry()
    registry.register(spec())
    registry.register(
        metaopt.OptimizerSpec(name="mine", version="1", rule=metaopt.per_tensor(lambda *_: {}, lambda *_: None))
    )
    assert KINDS["learner"] is metaopt.LearnerSpec
    assert registry.get(metaopt.LearnerSpec, "mine").fit is fit


def test_every_learner_has_what_training_needs():
    assert set(spec().full_space) == {"outer_lr", "outer_final", "clip", "batch_norm", "precision", "embedding", "ways"}
    assert "embedding" not in spec(takes_maps=True).full_space
    of_classes = spec(classify=predict).full_space
    assert "batch" in of_classes
    assert "ways" not in of_classes


def test_tuning_does_not_make_results_transductive():
    assert spec().full_space["batch_norm"].tuned == ("running",)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fit": 3}, r"LearnerSpec\(name='mine'\): fit must be a function, got 3"),
        ({"init_theta": "zeros"}, "init_theta must be a function, got 'zeros'"),
        ({"takes_maps": "yes"}, "takes_maps must be True or False, got 'yes'"),
        ({"trains_backbone": True}, "trains_backbone= is for learners whose features are trained on all classes"),
        ({"space": {"ways": metaopt.Int(2, 5)}}, r"space declares \['ways'\], which every learner has"),
        ({"prediction": predict}, "LearnerSpec takes no 'prediction'; did you mean 'predict'"),
    ],
)
def test_what_a_learner_must_not_declare(fields, message):
    with pytest.raises(metaopt.PluginError, match=message):
        spec(**fields)
