"""Every kind of recipe trains in Lightning as in a plain loop, whoever takes the steps."""

import pytest
import torch

import metaopt
from metaopt import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.recipe import Recipe
from tests.integrations.tiny import (
    EPOCHS,
    KINDS,
    loaders,
    loss_of,
    network,
    plain,
    recipe_of,
    same_weights,
    silent,
)

torch_compile = torch.compile
lightning = pytest.importorskip("lightning.pytorch")
torch.compile = torch_compile  # Lightning puts a wrapper in its place, for every test after

from lightning.pytorch.callbacks import (  # noqa: E402
    EMAWeightAveraging,
    StochasticWeightAveraging,
)
from lightning.pytorch.plugins import MixedPrecision  # noqa: E402

from metaopt.integrations.lightning import RecipeCallback  # noqa: E402
from tests.integrations.tiny_lightning import Manual, ManualWithScheduler, Tiny, trainer_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


@pytest.fixture(autouse=True)
def _silent():
    with silent():
        yield


def fit(folder, recipe, module_of=Tiny, callbacks=(), bind=None, **keywords):
    callback = RecipeCallback(recipe, **(bind or {}))
    module = module_of(callback)
    trainer = trainer_of(folder, [callback, *callbacks], **keywords)
    trainer.fit(module, *loaders())
    return module, callback.run


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_equals_a_plain_loop_by_automatic_and_manual_optimization(kind, tmp_path):
    expected, run = plain(recipe_of(kind), **KINDS[kind][1])
    for module_of in (Tiny, Manual, ManualWithScheduler):
        module, own = fit(tmp_path, recipe_of(kind), module_of, bind=KINDS[kind][1])
        same_weights(module.net, expected)
        assert own.num_steps == own.scheduler.last_epoch == run.num_steps
        assert (own.best_step, own.best_value) == (run.best_step, pytest.approx(run.best_value, rel=1e-6))


def test_a_recipe_may_be_given_by_name(tmp_path):
    _, run = fit(tmp_path, "default")
    assert run.best_step is not None
    with pytest.raises(metaopt.RecipeError, match="defautl"):
        RecipeCallback("defautl")


@pytest.mark.parametrize("kind", ["polyak", "schedulefree as a rule"])
def test_a_scaler_of_lightning_gives_the_unscaled_loss_and_gradients(kind, tmp_path):
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    class NoAutocast(MixedPrecision):
        def autocast_context_manager(self):
            return torch.autocast("cpu", enabled=False)

    precision = NoAutocast("16-mixed", "cpu", scaler)
    expected, _ = plain(recipe_of(kind), **KINDS[kind][1])
    for module_of in (Tiny, Manual):
        module, _ = fit(tmp_path, recipe_of(kind), module_of, plugins=[precision], bind=KINDS[kind][1])
        same_weights(module.net, expected, rtol=1e-5, atol=1e-6)


def test_half_precision_trains_and_what_the_scaler_skips_counts_for_nothing(tmp_path):
    class Overflowing(Tiny):
        def training_step(self, batch, index):
            loss = super().training_step(batch, index)
            return loss * float("inf") if index == 1 else loss

    precision = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=16.0))
    _, run = fit(tmp_path, recipe_of("hypergradient"), Overflowing, plugins=[precision])
    assert run.num_steps == run.scheduler.last_epoch == EPOCHS * 5
    _, run = fit(tmp_path, recipe_of("greedy"), precision="bf16-mixed")
    assert run.best_step > 0


def test_clipping_by_the_trainer_comes_before_the_signals(tmp_path):
    def clip(net):
        torch.nn.utils.clip_grad_norm_(net.parameters(), 0.1)

    expected, _ = plain(recipe_of("hypergradient"), before_step=clip)
    module, _ = fit(tmp_path, recipe_of("hypergradient"), gradient_clip_val=0.1)
    same_weights(module.net, expected)


def test_averages_stay_where_nothing_was_validated(tmp_path):
    for kind in ("schedulefree", "averaged"):
        with pytest.warns(UserWarning, match="No finite 'val_loss' was ever observed"):
            module, run = fit(tmp_path, recipe_of(kind), limit_val_batches=0)
        same_weights(module.net, last_averages(kind))
        with pytest.raises(metaopt.InputError, match="finished"):
            run.optimizer.step()


def test_without_best_weights_the_last_averages_stay(tmp_path):
    for kind in ("schedulefree", "averaged", "cosine"):
        module, _ = fit(tmp_path, recipe_of(kind), bind={"restore_best": False})
        same_weights(module.net, last_averages(kind))


def last_averages(kind):
    net, (train, _) = network(), loaders()
    run = recipe_of(kind).bind(net, total_steps=EPOCHS * len(train), keep_best=None)
    for _ in range(EPOCHS):
        for batch in train:
            run.optimizer.zero_grad()
            loss = loss_of(net, batch)
            loss.backward()
            run.step(loss)
    run.finish()
    return net


def test_a_trainer_may_validate_and_test_with_the_best_weights_afterwards(tmp_path):
    callback = RecipeCallback(recipe_of("averaged"))
    module = Tiny(callback)
    trainer = trainer_of(tmp_path, [callback])
    trainer.fit(module, *loaders())
    for score in (trainer.validate, trainer.test):
        (values,) = score(module, loaders()[1], verbose=False)
        assert values["val_loss"] == pytest.approx(callback.run.best_value, rel=1e-6)


def test_another_fit_of_the_module_begins_anew(tmp_path):
    callback = RecipeCallback(recipe_of("schedulefree"))
    module = Tiny(callback)
    trainer_of(tmp_path, [callback]).fit(module, *loaders())
    first = callback.run
    trainer_of(tmp_path, [callback]).fit(module, *loaders())
    assert callback.run is not first
    assert callback.run.num_steps == first.num_steps
    assert callback.run.best_value <= first.best_value


def test_other_averages_are_refused_beside_the_best_weights(tmp_path):
    for other in (StochasticWeightAveraging(swa_lrs=0.01), EMAWeightAveraging()):
        with pytest.raises(metaopt.InputError, match=f"{type(other).__name__} leaves its averages in the module"):
            fit(tmp_path, recipe_of("cosine"), callbacks=[other])


def test_a_scheduler_that_another_callback_replaces_does_not_stop_the_count(tmp_path):
    swa = StochasticWeightAveraging(swa_lrs=0.01, swa_epoch_start=1)
    with pytest.warns(UserWarning, match="SWA is currently only supported every epoch"):
        module, run = fit(tmp_path, recipe_of("cosine"), callbacks=[swa], bind={"restore_best": False})
    assert run.num_steps == EPOCHS * 6 > run.scheduler.last_epoch
    assert all(torch.isfinite(value).all() for value in module.state_dict().values())


def test_a_fit_may_end_by_time_and_validate_within_epochs(tmp_path):
    recipe = Recipe.create(Configuration("adamw"), StopperConfiguration("patience", {"patience": 100}))
    module, run = fit(tmp_path, recipe, max_epochs=-1, max_time={"seconds": 0.3}, val_check_interval=0.5)
    assert len(module.losses) >= 3
    assert run.best_step is not None


def test_an_optimizer_that_the_module_did_not_return_is_asked_for(tmp_path):
    class Own(Tiny):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters())

    with pytest.raises(metaopt.InputError, match=r"return callback.optimizers\(self\)"):
        fit(tmp_path, recipe_of("cosine"), Own)


def test_best_weights_need_a_copy():
    with pytest.raises(metaopt.InputError, match="restore_best=False"):
        RecipeCallback(recipe_of("cosine"), keep_best=None)


class Pair(lightning.LightningModule):
    """Two parts that train against each other, each by steps of its own, the second every other batch."""

    def __init__(self, callback):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = network(), network()
        self.callback = callback

    def losses(self, batch):
        first = loss_of(self.generator, batch)
        return first, loss_of(self.discriminator, (batch[0], self.generator(batch[0]).detach()))

    def training_step(self, batch, index):
        for part, optimizer in enumerate(self.optimizers()):
            if part and index % 2:
                continue
            self.toggle_optimizer(optimizer)
            optimizer.zero_grad()
            self.manual_backward(self.losses(batch)[part])
            optimizer.step()
            self.untoggle_optimizer(optimizer)

    def validation_step(self, batch, index):
        self.log("val_loss", self.losses(batch)[0])

    def configure_optimizers(self):
        return self.callback.optimizers(self)


def test_each_part_of_a_module_may_have_a_recipe_of_its_own(tmp_path):
    recipes = {"generator": recipe_of("schedulefree"), "discriminator": recipe_of("polyak")}
    callback = RecipeCallback(recipes)
    module = Pair(callback)
    trainer_of(tmp_path, [callback]).fit(module, *loaders())
    generator, run = plain(recipes["generator"])
    same_weights(module.generator, generator)
    assert callback.runs["generator"] is callback.run
    assert (callback.run.num_steps, callback.runs["discriminator"].num_steps) == (18, 9)
    assert callback.runs["discriminator"].best_step == run.best_step / 2


def test_a_part_that_the_module_lacks_is_named(tmp_path):
    callback = RecipeCallback({"generatr": "default"})
    with pytest.raises(metaopt.InputError, match=r"no part 'generatr'.*it has generator, discriminator"):
        trainer_of(tmp_path, [callback]).fit(Pair(callback), *loaders())
    with pytest.raises(metaopt.InputError, match="at least one"):
        RecipeCallback({})


def test_a_checkpoint_of_other_parts_is_refused(tmp_path):
    recipe = recipe_of("cosine")
    callback = RecipeCallback({"generator": recipe, "discriminator": recipe})
    trainer = trainer_of(tmp_path, [callback], max_epochs=1)
    trainer.fit(Pair(callback), *loaders())
    trainer.save_checkpoint(tmp_path / "pair.ckpt")
    callback = RecipeCallback({"discriminator": recipe, "generator": recipe}, total_steps=6)
    with pytest.raises(metaopt.InputError, match=r"of recipes for \['generator', .*for \['discrim.*same order"):
        trainer_of(tmp_path, [callback]).fit(Pair(callback), *loaders(), ckpt_path=tmp_path / "pair.ckpt")
