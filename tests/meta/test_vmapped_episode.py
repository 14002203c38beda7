"""Models of all kinds are meta-trained, or one sentence says what is in the way."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt

RULES = ("maml", "fomaml", "anil", "reptile", "meta_sgd", "meta_lstm", "l2l_lstm", "proto_maml")


class Points:
    """Five classes of points; `dtype` is that of the inputs."""

    fingerprint = "points"

    def __init__(self, dtype=torch.float32):
        self.dtype = dtype

    def sample(self, partition, count, generator):
        centres = 3 * torch.randn(count, 5, 1, 4, generator=generator, dtype=torch.float64)
        points = centres + 0.5 * torch.randn(count, 5, 6, 4, generator=generator, dtype=torch.float64)
        classes = torch.arange(5).expand(count, 5)
        targets = [classes.repeat_interleave(each, dim=1) for each in (2, 4)]
        inputs = [one.flatten(1, 2).to(self.dtype) for one in (points[:, :, :2], points[:, :, 2:])]
        return metaopt.Episodes(inputs[0], targets[0], inputs[1], targets[1])


def points_task(model, dtype=torch.float32, **changes):
    settings = {"num_iterations": 4, "num_evaluated": 4, "num_validations": 1, "num_steps": 2, **changes}
    return metaopt.FewShotTask("points", "points", model, Points(dtype), F.cross_entropy, **settings)


def learned(rule, model, dtype=torch.float32, **changes):
    return metaopt.meta_train(rule, [points_task(model, dtype, **changes)], compile="off")


def mlp(dtype=torch.float32):
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 5)).to(dtype)


class Recurrent(nn.Module):
    def __init__(self, kind=nn.LSTM, **settings):
        super().__init__()
        self.cells = kind(1, 8, batch_first=True, **settings)
        self.head = nn.LazyLinear(5)

    def forward(self, inputs):
        return self.head(self.cells(inputs.unsqueeze(-1))[0][:, -1])


class Disordered(nn.Module):
    """The output layer is registered first; `extra` is what is registered last, and never used."""

    def __init__(self, extra=None):
        super().__init__()
        self.head, self.body, self.extra = nn.Linear(8, 5), nn.Linear(4, 8), extra

    def forward(self, inputs):
        return self.head(self.body(inputs).relu())


def finite(result):
    return bool(torch.isfinite(torch.as_tensor(result.curves["points"].values)).all())


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_recurrent_and_lazy_layers_are_meta_trained(rule):
    assert finite(learned(rule, Recurrent))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{"kind": nn.GRU}, {"kind": nn.RNN}, {"bidirectional": True}, {"num_layers": 2, "dropout": 0.5}],
    ids=str,
)
def test_recurrent_layers_of_every_kind_are_meta_trained(settings):
    assert finite(learned("maml", lambda: Recurrent(**settings)))


def test_lazy_layers_start_where_the_seed_says_and_leave_nothing_behind():
    def model():
        return nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(5))

    task = points_task(model)
    before = torch.get_rng_state()
    first, second, other = (task.build(seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    torch.testing.assert_close(dict(first.state_dict()), dict(second.state_dict()), rtol=0, atol=0)
    assert not torch.equal(first[0].weight, other[0].weight)
    assert first.training
    assert first[1].num_batches_tracked == 0
    assert finite(learned("proto_maml", model))


@pytest.mark.parametrize("extra", [None, nn.Linear(3, 7), nn.Linear(3, 7).requires_grad_(False), nn.Conv1d(2, 2, 1)])
def test_the_output_layer_need_not_be_registered_last(extra):
    accurate = learned("proto_maml", lambda: Disordered(extra), metric=F.cross_entropy)
    assert accurate.curves["points"].test[-1] < 1.0  # prototypes alone know the classes; chance is 1.6


def test_only_the_output_layer_adapts_under_anil_wherever_it_is_registered():
    theta = learned("anil", lambda: Disordered(nn.Linear(3, 7))).recipe.theta
    adapts = {name.removeprefix("adapts.") for name, value in theta.items() if name.startswith("adapts.") and value}
    assert adapts == {"head.weight", "head.bias"}


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["maml", "reptile", "proto_maml", "meta_lstm"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_models_and_data_of_other_dtypes_are_meta_trained(dtype, rule):
    assert finite(learned(rule, lambda: mlp(dtype), dtype))


class Failing(nn.Linear):
    def __init__(self):
        super().__init__(4, 5)

    def forward(self, inputs):
        raise AssertionError


class Pair(nn.Linear):
    def __init__(self):
        super().__init__(4, 5)

    def forward(self, inputs):
        return super().forward(inputs), None


REFUSED = {
    "float64 for float32": (lambda: mlp(torch.float64), "The model is in float64 and its inputs are in float32"),
    "three outputs for five classes": (lambda: nn.Linear(4, 3), "IndexError: Target 3 is out of bounds"),
    "six inputs for four": (lambda: nn.Linear(6, 5), "mat1 and mat2 shapes cannot be multiplied"),
    "a bare assert": (Failing, r"targets of shape \(10,\): AssertionError\. Try"),
    "two outputs": (Pair, "must be Tensor, not tuple"),
    "nothing to train": (lambda: nn.Flatten(), "the model has nothing to train"),
    "all frozen": (lambda: mlp().requires_grad_(False), "the model has nothing to train"),
    "the meta device": (lambda: nn.Linear(4, 5, device="meta"), "'weight' is on the meta device"),
    "complex": (lambda: nn.Linear(4, 5, dtype=torch.complex64), "'weight' is of torch.complex64"),
    "no model": (lambda: None, "model must make a torch.nn.Module, got None"),
}


@pytest.mark.parametrize("rule", ["maml", "proto_maml"])
@pytest.mark.parametrize("model", REFUSED)
def test_what_cannot_be_meta_trained_is_told_in_one_sentence(model, rule):
    factory, said = REFUSED[model]
    with pytest.raises(metaopt.InputError, match=said) as caught:
        learned(rule, factory)
    assert "Task 'points'" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_loss_that_is_no_mean_is_refused():
    task = metaopt.FewShotTask("points", "points", mlp, Points(), nn.CrossEntropyLoss(reduction="none"), num_steps=2)
    with pytest.raises(metaopt.InputError, match=r"the loss must be a 0-d tensor, .* got a tensor of shape \(10,\)"):
        metaopt.meta_train("maml", [task])


def test_prototypes_refuse_an_output_layer_that_is_frozen_or_has_no_bias():
    def frozen():
        model = Disordered()
        model.head.requires_grad_(False)
        return model

    for model, said in (
        (frozen, "output layer 'head', which is frozen"),
        (lambda: nn.Linear(4, 5, bias=False), "bias"),
    ):
        with pytest.raises(metaopt.InputError, match=said):
            learned("proto_maml", model)


@pytest.mark.parametrize("model", ["float64 for float32", "three outputs for five classes", "nothing to train"])
def test_a_recipe_on_few_shot_tasks_says_the_same(model):
    factory, said = REFUSED[model]
    with pytest.raises(metaopt.InputError, match=said):
        metaopt.tune(
            [points_task(factory)], n_trials=1, optimizers=["sgd"], controllers=["constant"], wrappers=[], against=[]
        )


@pytest.mark.parametrize("rule", ["maml", "proto_maml"])
def test_a_copy_of_a_lazy_recurrent_model_is_adapted_and_the_model_itself_is_asked_for_shapes(rule):
    recipe = learned(rule, Recurrent).recipe
    inputs, targets = points_task(Recurrent).examples
    assert metaopt.adapt(Recurrent(), recipe, (inputs, targets))(inputs).shape == (10, 5)
    model = Recurrent()
    with pytest.raises(metaopt.InputError, match=r"'head\.weight' is lazy and has no shape yet; run one forward pass"):
        recipe.load_initialization(model, (inputs, targets))
    model(inputs)
    recipe.load_initialization(model, (inputs, targets))


def test_what_cannot_be_described_is_told_before_the_training():
    built, names = [], {"nn": nn}
    exec("def model():\n    return nn.Linear(4, 5)", names)  # code whose source nobody can read
    task = points_task(names["model"])
    with pytest.raises(metaopt.InputError, match="has no source that can be read"):
        metaopt.meta_train("maml", [task], compile="off", progress=built.append)
    assert built == []
