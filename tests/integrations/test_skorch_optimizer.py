"""A net that was saved, copied or fitted in parts goes on as one that was not."""

import copy
import pickle

import numpy as np
import pytest
import torch

import metaopt
from tests.integrations.tiny import AVERAGING, KINDS, equal, recipe_of

pytest.importorskip("skorch")

from skorch import NeuralNetRegressor
from skorch.callbacks import Callback, Checkpoint, LoadInitState

from tests.integrations.tiny_skorch import Tiny, fail, net_with, rows, valid_loss


@pytest.mark.parametrize("kind", ["cosine", *AVERAGING])
def test_partial_fits_equal_one_fit(kind):
    bind = KINDS[kind][1]
    whole = net_with(recipe_of(kind), max_epochs=6, bind=bind).fit(*rows())
    for again in (lambda net: net.partial_fit(*rows()), lambda net: net.set_params(warm_start=True).fit(*rows())):
        parts = net_with(recipe_of(kind), total_steps=36, bind=bind).fit(*rows())
        again(parts)
        assert parts.optimizer_.run.num_steps == 36
        assert parts.history[:, "train_loss"] == whole.history[:, "train_loss"]
        assert equal(whole.module_.state_dict(), parts.module_.state_dict())
    parts.set_params(warm_start=False).fit(*rows())
    assert parts.optimizer_.run.num_steps == 18, "fit begins anew"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hypergradient", *AVERAGING])
@pytest.mark.parametrize("way", ["files", "pickle", "deepcopy"])
def test_a_net_that_was_saved_goes_on_bit_for_bit(kind, way, tmp_path):
    bind = KINDS[kind][1]

    def fresh():
        return net_with(recipe_of(kind), total_steps=36, bind=bind)

    net = fresh().fit(*rows())
    if way == "files":
        files = {f"f_{name}": tmp_path / name for name in ("params", "optimizer", "history")}
        net.save_params(**files)
        again = fresh().initialize()
        again.load_params(**files)
    else:
        again = pickle.loads(pickle.dumps(net)) if way == "pickle" else copy.deepcopy(net)
    assert np.array_equal(net.predict(rows()[0]), again.predict(rows()[0]))
    net.partial_fit(*rows())
    again.partial_fit(*rows())
    assert again.history[:, "train_loss"] == net.history[:, "train_loss"]
    assert equal(net.module_.state_dict(), again.module_.state_dict())
    first, second = net.optimizer_.run, again.optimizer_.run
    assert (first.num_steps, first.best_step, first.best_value) == (
        second.num_steps,
        second.best_step,
        second.best_value,
    )


@pytest.mark.parametrize("kind", ["cosine", *AVERAGING])
@pytest.mark.parametrize("before", [False, True])
def test_what_a_checkpoint_saves_is_what_was_scored(kind, before, tmp_path):
    checkpoint = Checkpoint(dirname=tmp_path, monitor="valid_loss_best", f_pickle="net.pkl", sink=fail)
    recipe, bind = recipe_of(kind), KINDS[kind][1]
    net = net_with(recipe, [checkpoint], bind=bind)
    if before:
        net.callbacks = net.callbacks[::-1]
    net.fit(*rows())
    best = min(net.history[:, "valid_loss"])
    fresh = net_with(recipe, bind=bind).initialize()
    fresh.load_params(f_params=tmp_path / "params.pt")
    for saved in (fresh, pickle.loads((tmp_path / "net.pkl").read_bytes())):
        assert valid_loss(saved) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("kind", ["cosine", *AVERAGING])
def test_a_fit_goes_on_from_a_checkpoint_of_an_epoch(kind, tmp_path):
    def fit(epochs, load=False, save=True):
        checkpoint = Checkpoint(dirname=tmp_path, monitor=None, sink=fail)
        others = [*([LoadInitState(checkpoint)] if load else []), *([checkpoint] if save else [])]
        return net_with(
            recipe_of(kind), others, total_steps=36, bind=KINDS[kind][1], max_epochs=epochs, restore_best=False
        ).fit(*rows())

    whole = fit(6, save=False)
    fit(3)
    rest = fit(3, load=True)
    assert rest.history[:, "train_loss"] == whole.history[:, "train_loss"]
    assert equal(whole.module_.state_dict(), rest.module_.state_dict())


def test_a_best_checkpoint_that_is_loaded_at_the_end_stays(tmp_path):
    for kind in ("cosine", "averaged"):
        checkpoint = Checkpoint(dirname=tmp_path, load_best=True, sink=fail)
        net = net_with(recipe_of(kind), [checkpoint]).fit(*rows())
        best = min(net.history[:, "valid_loss"])
        assert valid_loss(net) == pytest.approx(best, rel=1e-6)


def test_weights_that_somebody_put_in_between_two_fits_stay():
    net = net_with(recipe_of("cosine"), total_steps=36).fit(*rows())
    given = {name: torch.zeros_like(value) for name, value in net.module_.state_dict().items()}
    net.module_.load_state_dict(given)
    seen = []

    class Look(Callback):
        def on_epoch_begin(self, net, **_):
            seen.append(all(not value.any() for value in net.module_.state_dict().values()))

    net.callbacks_.append(("look", Look()))
    net.partial_fit(*rows())
    assert seen[0]


def test_the_state_of_another_optimizer_is_refused(tmp_path):
    plain_net = NeuralNetRegressor(Tiny, verbose=0, max_epochs=1).fit(*rows())
    plain_net.save_params(f_optimizer=tmp_path / "o.pt")
    net = net_with().fit(*rows())
    with pytest.raises(metaopt.InputError, match="state of another optimizer"):
        net.load_params(f_optimizer=tmp_path / "o.pt")


def test_a_step_outside_of_a_fit_says_so():
    net = net_with(max_epochs=0).fit(*rows())
    with pytest.raises(metaopt.InputError, match="bound in a fit"):
        net.optimizer_.step()
