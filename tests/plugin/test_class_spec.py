"""Any optimizer class becomes a spec without a rule."""

import importlib.metadata

import pytest
import torch

import metaopt
from metaopt.errors import PluginError
from metaopt.plugin.class_spec import installed_version, optimizer_spec


class Silent(torch.optim.Optimizer):
    def __init__(self, params, **kwargs):
        super().__init__(params, {"lr": 0.1, **kwargs})


class Needing(torch.optim.Optimizer):
    def __init__(self, params, num_data: int, lr: float = 0.1):
        super().__init__(params, {"lr": lr})


def test_a_class_of_a_library_is_found_under_its_public_name():
    spec = optimizer_spec(torch.optim.Adafactor)
    assert (spec.name, spec.rule, spec.native.path) == ("adafactor", None, "torch.optim.Adafactor")
    assert spec.native.distribution == "torch"
    assert spec.version == importlib.metadata.version("torch").partition("+")[0] == installed_version("torch")


def test_what_is_stated_takes_the_place_of_what_the_signature_tells():
    rate = metaopt.Float(1e-4, 1e-1, log=True, valid="(0, 1]")
    spec = optimizer_spec(torch.optim.AdamW, name="mine", version="3", lr=rate, beta1=metaopt.Float(0.8, 0.9))
    assert (spec.name, spec.version) == ("mine", "3")
    assert spec.space["lr"] is rate
    assert spec.space["beta1"].low == 0.8
    assert spec.packs == {"betas": ("beta1", "beta2")}


def test_a_stated_range_is_for_tuning_and_the_signature_says_what_is_valid():
    rate = metaopt.Float(1e-4, 1e-1, log=True)
    spec = optimizer_spec(torch.optim.AdamW, lr=rate, weight_decay=rate, beta1=metaopt.Float(0.8, 0.9))
    assert (spec.space["lr"].low, spec.space["lr"].high) == (1e-4, 1e-1)
    valid = {name: spec.space[name].valid for name in ("lr", "weight_decay", "beta1")}
    assert valid == {"lr": "[0, inf)", "weight_decay": "[0, inf)", "beta1": "[0, 1)"}
    assert optimizer_spec(Silent, lr=rate).space["lr"].valid == "[0, inf)"
    assert optimizer_spec(Silent, anything=rate).space["anything"].valid is None
    assert optimizer_spec(torch.optim.AdamW, beta1=metaopt.Float(0.8, 1.0)).space["beta1"].valid is None


def test_any_other_value_is_what_the_class_is_always_made_with():
    spec = optimizer_spec(torch.optim.AdamW, betas=(0.8, 0.9), amsgrad=True)
    assert spec.native.fixed == {"betas": (0.8, 0.9), "amsgrad": True}
    assert not {"beta1", "beta2", "amsgrad"} & spec.space.keys()
    assert spec.packs == {}


def test_a_hyperparameter_called_like_an_argument_goes_into_arguments():
    class Versioned(torch.optim.Optimizer):
        def __init__(self, params, version: int = 1, lr: float = 0.1):
            super().__init__(params, {"lr": lr})

    spec = optimizer_spec(Versioned, version="2", arguments={"version": metaopt.Int(1, 3)})
    assert (spec.version, spec.space["version"].high) == ("2", 3)


def test_modes_and_closures_are_seen_in_the_class():
    class Averaging(torch.optim.SGD):
        def train(self): ...

        def eval(self): ...

    assert optimizer_spec(Averaging).native.modes
    assert not optimizer_spec(torch.optim.SGD).native.modes
    assert optimizer_spec(torch.optim.LBFGS).native.takes_closure


def test_a_class_of_no_distribution_has_version_one():
    assert optimizer_spec(Needing, num_data=3).native.loaded is Needing
    assert optimizer_spec(Needing, num_data=3).version == "1"


@pytest.mark.parametrize(
    ("cls", "stated", "sentence"),
    [
        (int, {}, r"optimizer_spec takes a class of torch optimizers, got <class 'int'>\."),
        (Silent, {}, r"The signature of Silent tells nothing of its hyperparameters: state them, such as"),
        (Needing, {}, r"Needing has no default for num_data: state a value, or a distribution to tune it"),
        (torch.optim.SGD, {"lrr": 1.0}, r"SGD takes no 'lrr'; did you mean 'lr'\? it takes dampening"),
        (torch.optim.AdamW, {"betas": metaopt.Float(0, 1)}, r"AdamW takes 'betas' as a tuple; state its numbers beta1"),
        (torch.optim.AdamW, {"beta1": 0.9}, r"'beta1' is a number of a tuple of AdamW; state the tuple"),
        (torch.optim.AdamW, {"fused": True}, r"'fused' says how a step is computed, and is not for a spec of AdamW"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(cls, stated, sentence):
    with pytest.raises(PluginError, match=sentence):
        optimizer_spec(cls, **stated)


def test_a_signature_that_tells_nothing_is_enough_where_hyperparameters_are_stated():
    assert list(optimizer_spec(Silent, lr=metaopt.Float(1e-3, 1.0, log=True)).space) == ["lr"]


def test_a_spec_needs_a_rule_or_a_class():
    with pytest.raises(PluginError, match=r"OptimizerSpec\(name='mine'\) needs a rule=, or the class of a library as"):
        metaopt.OptimizerSpec(name="mine", version="1")
    meta = metaopt.MetaTraining(init_theta=lambda params, generator, hparams: {}, objective="final")
    with pytest.raises(PluginError, match="meta= trains the weights of a rule, and there is none"):
        metaopt.OptimizerSpec(
            name="mine", version="1", native=metaopt.Native(module="torch.optim", qualname="SGD"), meta=meta
        )


def test_a_class_is_known_by_its_distribution_even_where_its_package_has_another_name():
    library = pytest.importorskip("dog")  # the package of the distribution dog-optimizer
    assert optimizer_spec(library.LDoG).native.distribution == "dog-optimizer"
