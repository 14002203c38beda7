"""What Lightning saves is what it validated, and a fit goes on from it bit for bit."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import metaopt
from metaopt.deploy import StopperConfiguration
from tests.integrations.tiny import AVERAGING, EPOCHS, KINDS, equal, loaders, recipe_of, silent

torch_compile = torch.compile
lightning = pytest.importorskip("lightning.pytorch")
torch.compile = torch_compile  # Lightning puts a wrapper in its place, for every test after

from lightning.pytorch.callbacks import ModelCheckpoint  # noqa: E402

from metaopt.integrations.lightning import RecipeCallback  # noqa: E402
from tests.integrations.tiny_lightning import Manual, Tiny, loss_in_checkpoint, trainer_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:Checkpoint directory",
    "ignore:Be aware that when using `ckpt_path`",
    "ignore:You're resuming from a checkpoint that ended before the epoch",
)


@pytest.fixture(autouse=True)
def _silent():
    with silent():
        yield


def fit(folder, kind, callbacks=(), ckpt_path=None, module_of=Tiny, train=None, stopper=None, **keywords):
    batches, validation = loaders()
    bind = {**KINDS[kind][1], **keywords.pop("bind", {})}
    callback = RecipeCallback(recipe_of(kind, stopper), **bind)
    module = module_of(callback)
    keywords["enable_checkpointing"] = any(isinstance(other, ModelCheckpoint) for other in callbacks)
    trainer = trainer_of(folder, [callback, *callbacks], **keywords)
    trainer.fit(module, train or batches, validation, ckpt_path=ckpt_path)
    return module, callback, trainer


def alike():
    """Batches that are all the same: Lightning begins an epoch anew that a checkpoint was saved in the midst of."""
    inputs, targets = next(iter(loaders()[0]))
    return DataLoader(TensorDataset(inputs.repeat(6, 1), targets.repeat(6, 1)), batch_size=8)


@pytest.mark.parametrize("kind", ["cosine", *AVERAGING])
@pytest.mark.parametrize("weights_only", [False, True])
def test_what_is_saved_as_best_is_what_was_scored(kind, weights_only, tmp_path):
    batch = next(iter(loaders()[1]))
    best = ModelCheckpoint(tmp_path, "best", monitor="val_loss", save_weights_only=weights_only)
    each = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, save_weights_only=weights_only)
    module, callback, trainer = fit(tmp_path, kind, [best, each])
    assert loss_in_checkpoint(best.best_model_path, batch) == pytest.approx(best.best_model_score.item(), rel=1e-6)
    for epoch in range(EPOCHS):
        assert loss_in_checkpoint(tmp_path / f"epoch={epoch}.ckpt", batch) == pytest.approx(
            module.losses[epoch + 1], rel=1e-6
        )
    (tested,) = trainer.test(module, loaders()[1], ckpt_path=best.best_model_path, verbose=False, weights_only=True)
    assert tested["val_loss"] == pytest.approx(best.best_model_score.item(), rel=1e-6)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert loss_in_checkpoint(tmp_path / "last.ckpt", batch) == pytest.approx(callback.run.best_value, rel=1e-6)


def test_a_module_in_half_precision_is_saved_as_it_was_scored(tmp_path):
    class Half(Tiny):
        def __init__(self, callback):
            super().__init__(callback)
            self.net.bfloat16()

        def training_step(self, batch, index):
            return super().training_step([part.bfloat16() for part in batch], index)

        def validation_step(self, batch, index):
            super().validation_step([part.bfloat16() for part in batch], index)

    best = ModelCheckpoint(tmp_path, "best", monitor="val_loss")
    fit(tmp_path, "schedulefree", [best], module_of=Half)
    saved = Half(None)
    saved.load_state_dict(torch.load(best.best_model_path, weights_only=True)["state_dict"])
    saved.log = lambda name, value: None
    saved.validation_step(next(iter(loaders()[1])), 0)
    assert saved.losses == [pytest.approx(best.best_model_score.item(), rel=1e-6)]


class SaveWithin(lightning.Callback):
    """Saves at one moment of the second epoch, whatever is in the parameters then."""

    def __init__(self, path, moment):
        self.path = path
        setattr(self, moment, self.save)

    def save(self, trainer, module, *rest):
        if trainer.current_epoch == 1 and not self.path.exists():
            trainer.save_checkpoint(self.path)


MOMENTS = [
    "on_train_batch_end",
    "on_validation_start",
    "on_validation_epoch_end",
    "on_validation_end",
    "on_train_epoch_end",
]


@pytest.mark.parametrize("kind", ["plateau", *AVERAGING])
def test_a_fit_goes_on_bit_for_bit_from_whenever_it_was_saved(kind, tmp_path):
    callbacks = [SaveWithin(tmp_path / f"{moment}.ckpt", moment) for moment in MOMENTS]
    module, callback, _ = fit(tmp_path, kind, callbacks, train=alike())
    alone, _, _ = fit(tmp_path, kind, train=alike())
    assert equal(module.state_dict(), alone.state_dict()), "saving changes nothing"
    for moment in MOMENTS:
        again, resumed, _ = fit(tmp_path, kind, ckpt_path=tmp_path / f"{moment}.ckpt", train=alike())
        assert equal(module.state_dict(), again.state_dict()), moment
        assert resumed.run.num_steps == callback.run.num_steps
        assert (resumed.run.best_step, resumed.run.best_value) == (callback.run.best_step, callback.run.best_value)


@pytest.mark.parametrize("kind", ["hypergradient", *AVERAGING])
def test_a_fit_that_ended_with_its_best_weights_goes_on_from_its_last(kind, tmp_path):
    bind = {"total_steps": 100}
    longer, _, _ = fit(tmp_path, kind, bind=bind, max_epochs=EPOCHS + 2)
    _, callback, trainer = fit(tmp_path, kind, bind=bind)
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    again, resumed, _ = fit(tmp_path, kind, bind=bind, max_epochs=EPOCHS + 2, ckpt_path=tmp_path / "end.ckpt")
    assert equal(longer.state_dict(), again.state_dict())
    assert resumed.run.num_steps == callback.run.num_steps + 12


@pytest.mark.parametrize("module_of", [Tiny, Manual])
@pytest.mark.parametrize("kind", ["cosine", "averaged"])
def test_a_fit_that_its_stopper_had_ended_takes_no_further_step(kind, module_of, tmp_path):
    changes = {"module_of": module_of, "stopper": StopperConfiguration("budget", {"max_steps": 6})}
    last = ModelCheckpoint(tmp_path, save_last=True)
    module, callback, _ = fit(tmp_path, kind, [last], **changes)
    with pytest.warns(UserWarning, match="of this checkpoint had come to its end, and no further step is taken: .*6"):
        again, resumed, _ = fit(tmp_path, kind, ckpt_path=last.last_model_path, **changes)
    assert resumed.run.num_steps == callback.run.num_steps == 6
    assert equal(module.state_dict(), again.state_dict())


@pytest.mark.parametrize("kind", AVERAGING)
def test_a_fit_that_was_interrupted_while_it_validated_goes_on(kind, tmp_path):
    class Interrupted(Tiny):
        def validation_step(self, batch, index):
            super().validation_step(batch, index)
            if self.current_epoch == 1:
                raise RuntimeError("the disk is full")

    last = ModelCheckpoint(tmp_path, "saved", save_on_exception=True, save_top_k=0)
    with pytest.raises(RuntimeError, match="the disk is full"):
        fit(tmp_path, kind, [last], module_of=Interrupted)
    (path,) = tmp_path.glob("*.ckpt")
    module, _, _ = fit(tmp_path, kind)
    again, resumed, _ = fit(tmp_path, kind, ckpt_path=path)
    assert resumed.run.num_steps == EPOCHS * 6
    assert equal(module.state_dict(), again.state_dict())


def test_a_checkpoint_from_before_training_weights_were_kept_apart_goes_on(tmp_path):
    module, _, _ = fit(tmp_path, "cosine", [SaveWithin(tmp_path / "old.ckpt", "on_train_epoch_end")])
    old = torch.load(tmp_path / "old.ckpt", weights_only=True)
    del old["callbacks"]["RecipeCallback"]["training_weights"]
    torch.save(old, tmp_path / "old.ckpt")
    again, _, _ = fit(tmp_path, "cosine", ckpt_path=tmp_path / "old.ckpt")
    assert equal(module.state_dict(), again.state_dict())


def test_a_recipe_for_one_part_resumes(tmp_path):
    def fit_part(path=None, **keywords):
        callback = RecipeCallback({"net": recipe_of("averaged")}, total_steps=100)
        module = Tiny(callback)
        trainer = trainer_of(tmp_path, [callback], **keywords)
        trainer.fit(module, *loaders(), ckpt_path=path)
        return module, trainer

    longer, _ = fit_part(max_epochs=5)
    _, trainer = fit_part()
    trainer.save_checkpoint(tmp_path / "part.ckpt")
    again, _ = fit_part(tmp_path / "part.ckpt", max_epochs=5)
    assert equal(longer.state_dict(), again.state_dict())


def test_within_an_evaluation_of_ones_own_nothing_is_saved(tmp_path):
    class Evaluating(lightning.Callback):
        def on_train_epoch_end(self, trainer, module):
            with module.callback.run.evaluating():
                trainer.save_checkpoint(tmp_path / "never.ckpt")

    with pytest.raises(metaopt.InputError, match=r"Leave `with run\.evaluating"):
        fit(tmp_path, "averaged", [Evaluating()])
