import pytest
import torch
from torch import nn

import metaopt
from metaopt.learners import RUNNING, Backbone
from tests.learners.conftest import mlp, small_net

IMAGES = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_without_a_name_the_features_are_what_the_last_linear_layer_is_given():
    model = small_net().eval()
    backbone = Backbone(model, IMAGES, None, "running")
    features, _ = backbone.features(backbone.weights, IMAGES)
    torch.testing.assert_close(features, model[:-1](IMAGES))
    assert backbone.shape == (32,)
    assert not any(name.startswith("backbone.9") for name in backbone.weights), "the head is no part of them"


def test_a_part_called_features_is_taken_before_the_last_linear_layer():
    model = metaopt.Conv4(3, width=4).eval()
    images = torch.randn(2, 1, 16, 16)
    backbone = Backbone(model, images, None, "running")
    torch.testing.assert_close(backbone.features({}, images)[0], model.features(images))
    assert backbone.shape == (4, 1, 1)


def test_a_part_can_be_named_and_the_rest_of_the_model_does_not_run():
    class Failing(nn.Module):
        def forward(self, inputs):
            raise AssertionError("the features were known")

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), Failing())
    backbone = Backbone(model, IMAGES, "1", "running")
    assert backbone.shape == (6,)
    assert set(backbone.weights) == {"backbone.1.weight", "backbone.1.bias"}


def test_a_model_without_a_linear_layer_is_all_features():
    assert Backbone(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), IMAGES, None, "running").shape == (72,)
    assert Backbone(nn.Linear(4, 3), torch.ones(2, 4), None, "running").shape == (3,)


def test_running_statistics_move_in_training_alone_and_not_in_place():
    model = small_net()
    backbone = Backbone(model, IMAGES, None, "running")
    theta = backbone.weights
    before = {name: value.clone() for name, value in theta.items()}
    _, unmoved = backbone.features(theta, IMAGES)
    _, moved = backbone.features(theta, IMAGES, training=True)
    assert all(torch.equal(theta[name], value) for name, value in before.items())
    assert all(torch.equal(unmoved[name], theta[name]) for name in unmoved)
    theirs = small_net()
    theirs.load_state_dict(model.state_dict())
    theirs.train()(IMAGES)
    assert moved.keys() == {name for name in theta if name.startswith(RUNNING)}
    for name, value in moved.items():
        torch.testing.assert_close(value, theirs.state_dict()[name.removeprefix(RUNNING)], msg=name)


@pytest.mark.parametrize(
    ("statistics", "alone", "is_transductive"),
    [("running", True, False), ("support", True, False), ("batch", False, True)],
)
def test_whose_statistics_decide_whether_queries_see_each_other(statistics, alone, is_transductive):
    backbone = Backbone(small_net(), IMAGES, None, statistics)
    together, _ = backbone.features(backbone.weights, IMAGES, support=3)
    single, _ = backbone.features(backbone.weights, IMAGES[:4], support=3)
    assert torch.allclose(together[3], single[3], atol=1e-6) == alone
    assert backbone.is_transductive == is_transductive


def test_a_norm_that_keeps_no_statistics_is_transductive():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64, track_running_stats=False), nn.Linear(64, 2))
    assert Backbone(model, IMAGES, None, "running").is_transductive
    assert not Backbone(mlp(), IMAGES, None, "batch").is_transductive, "there is no norm"


def test_frozen_layers_are_used_and_not_learned():
    model = small_net()
    model[0].requires_grad_(False)
    backbone = Backbone(model, IMAGES, None, "running")
    assert "backbone.0.weight" not in backbone.weights
    torch.testing.assert_close(backbone.features({}, IMAGES)[0], model.eval()[:-1](IMAGES))


class Encoder(nn.Module):
    """Reads rows of an image with an LSTM."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, images):
        return self.head(self.lstm(images.squeeze(1))[1][0][-1])


def test_an_lstm_gives_features():
    assert Backbone(Encoder(), IMAGES, None, "running").shape == (6,)


def test_float64_and_lazy_layers_are_taken():
    wide = Backbone(mlp().double(), IMAGES.double(), None, "running")
    assert wide.features({}, IMAGES.double())[0].dtype == torch.float64
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(7), nn.ReLU(), nn.LazyLinear(2))
    assert Backbone(lazy, IMAGES, None, "running").shape == (7,)


class PerPixel(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        return self.head(images.reshape(-1, 8))


@pytest.mark.parametrize(
    ("model", "part", "message"),
    [
        (Encoder(), "lstm", r"its part 'lstm' gives 'tuple'; name a part of the model whose output is one"),
        (PerPixel(), None, r"gives torch.float32 of shape \(40, 8\) for 5 of them: it needs numbers in a row for each"),
        (mlp(), "encoder", r"The model has no part 'encoder' to take features from"),
        (nn.Linear(3, 2), None, r"The model fails at inputs of shape \(5, 1, 8, 8\): RuntimeError"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.Softmax(1)), "9", r"no part '9'"),
    ],
    ids=["tuple", "no output per image", "no such part", "other inputs", "position"],
)
def test_what_gives_no_features_is_refused(model, part, message):
    with pytest.raises(metaopt.InputError, match=message):
        Backbone(model, IMAGES, part, "running")


def test_a_part_that_is_passed_by_is_refused():
    model = mlp()
    model.spare = nn.Linear(2, 2)
    model.forward = lambda inputs: nn.Sequential.forward(model[:4], inputs)
    with pytest.raises(metaopt.InputError, match="does not pass through its part 'spare'"):
        Backbone(model, IMAGES, "spare", "running")


def convolutional():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 2))


def test_channels_come_last_where_there_are_convolutions_and_features_are_the_same():
    model, inputs = convolutional(), torch.rand(6, 3, 8, 8)
    backbone, seen = Backbone(model, inputs[:2], None, "running"), []
    assert backbone.loop_reason is None
    backbone.module[0].register_forward_pre_hook(
        lambda layer, args: seen.append(args[0].is_contiguous(memory_format=torch.channels_last))
    )
    features, _ = backbone.features(backbone.weights, inputs)
    assert seen == [True]
    torch.testing.assert_close(features, model.eval()[:-1](inputs))


def test_so_do_those_of_one_channel_from_the_first_convolution_on():
    model, inputs = small_net(), torch.rand(6, 1, 8, 8)
    backbone, seen = Backbone(model, inputs[:2], None, "running"), []
    assert backbone.loop_reason is None
    backbone.module[0].register_forward_hook(
        lambda layer, args, output: seen.append(output.is_contiguous(memory_format=torch.channels_last))
    )
    backbone.features(backbone.weights, inputs)
    assert seen == [True]


def test_in_bfloat16_features_are_near_and_stay_float32():
    inputs = torch.rand(6, 3, 8, 8)
    exact = Backbone(convolutional(), inputs[:2], None, "running")
    rounded = Backbone(exact.module, inputs[:2], None, "running", "bfloat16")
    own, other = (each.features(exact.weights, inputs)[0] for each in (exact, rounded))
    assert other.dtype == torch.float32
    assert not torch.equal(own, other)
    torch.testing.assert_close(own, other, rtol=0.05, atol=0.05)
