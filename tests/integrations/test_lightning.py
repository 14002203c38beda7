import logging

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.recipe import Recipe

torch_compile = torch.compile
lightning = pytest.importorskip("lightning.pytorch")
torch.compile = torch_compile  # Lightning puts a wrapper in its place, for every test after

from metaopt.integrations.lightning import RecipeCallback  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")

EPOCHS = 6


@pytest.fixture
def loaders():
    inputs, targets = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(inputs / 16, dtype=torch.float32), torch.tensor(targets))
    train, validation = torch.utils.data.random_split(data, [1500, 297], torch.Generator().manual_seed(0))
    return DataLoader(train, batch_size=64), DataLoader(validation, batch_size=297)


class Digits(lightning.LightningModule):
    def __init__(self, optimizers):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
        self.optimizers_of = optimizers
        self.accuracies = []

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch, index):
        outputs = self.net(batch[0])
        self.accuracies.append((outputs.argmax(1) == batch[1]).float().mean().item())
        self.log("val_loss", nn.functional.cross_entropy(outputs, batch[1]))

    def configure_optimizers(self):
        return self.optimizers_of(self)


def trainer_of(tmp_path, **keywords):
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    return lightning.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"max_epochs": EPOCHS, "enable_checkpointing": False, "num_sanity_val_steps": 1, **keywords},
    )


@pytest.mark.parametrize(("optimizer", "lr"), [("adamw", 0.01), ("lion", 0.01), ("sgd", 0.5)])
def test_a_module_trains_with_a_recipes_optimizer_and_scheduler(optimizer, lr, loaders, tmp_path):
    recipe = Recipe.create(Configuration(optimizer, "one_cycle", hparams={f"{optimizer}.lr": lr}))
    runs = []

    def optimizers(module):
        runs.append(recipe.bind(module, total_steps=module.trainer.estimated_stepping_batches))
        run = runs[0]
        return {"optimizer": run.optimizer, "lr_scheduler": {"scheduler": run.scheduler, "interval": "step"}}

    module = Digits(optimizers)
    trainer_of(tmp_path).fit(module, *loaders)
    (run,) = runs
    steps = EPOCHS * len(loaders[0])
    assert run.num_steps == run.scheduler.last_epoch == steps
    assert run.scheduler.get_last_lr()[0] < 1e-3 * run.scheduler.base_lrs[0]
    assert module.accuracies[-1] > 0.93


def test_the_callback_validates_averages_observes_and_leaves_the_best_weights(loaders, tmp_path):
    recipe = Recipe.create(Configuration("schedulefree_adamw", hparams={"schedulefree_adamw.lr": 0.01}))
    callback = RecipeCallback(recipe, monitor="val_loss")
    module = Digits(callback.optimizers)
    trainer_of(tmp_path, callbacks=[callback]).fit(module, *loaders)
    assert callback.run.num_steps == EPOCHS * len(loaders[0])
    assert module.accuracies[-1] > 0.93
    inputs, targets = next(iter(loaders[1]))
    with torch.no_grad(), callback.run.evaluating():
        best = nn.functional.cross_entropy(module.net(inputs), targets).item()
    assert best == pytest.approx(callback.run.best_value)


def test_the_callback_ends_the_fit_when_the_stopper_says_so(loaders, tmp_path):
    stopper = StopperConfiguration("budget", {"fraction": 0.5})
    callback = RecipeCallback(Recipe.create(Configuration("adamw"), stopper), monitor="val_loss")
    trainer = trainer_of(tmp_path, callbacks=[callback])
    trainer.fit(Digits(callback.optimizers), *loaders)
    assert trainer.current_epoch == EPOCHS / 2


def test_patience_in_epochs_counts_the_trainers(loaders, tmp_path):
    # No improvement is as large as this: the validation before the first step stays the best.
    stopper = StopperConfiguration("patience", {"unit": "epochs", "patience": 2, "min_delta": 100.0})
    callback = RecipeCallback(Recipe.create(Configuration("adamw"), stopper), monitor="val_loss")
    trainer = trainer_of(tmp_path, callbacks=[callback], val_check_interval=0.5)
    trainer.fit(Digits(callback.optimizers), *loaders)
    epochs = callback.run.stopper.state_dict()["signals"]["epoch"]
    assert epochs == [0.0, 0.5, 1.0, 1.5, 2.0]


class Manual(Digits):
    """Steps by itself."""

    def __init__(self, optimizers):
        super().__init__(optimizers)
        self.automatic_optimization = False

    def training_step(self, batch, index):
        loss = super().training_step(batch, index)
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        scheduler.step()


SIGNALS = [
    Configuration("sgd", "polyak"),
    Configuration("adamw", "hypergradient"),
    Configuration("nadamw", "constant", wrappers=("learned_schedule",)),
]


@pytest.mark.parametrize("configuration", SIGNALS)
def test_what_needs_signals_trains_the_same_in_a_plain_loop_and_in_both_kinds_of_lightning(
    loaders, tmp_path, configuration
):
    recipe, weights = Recipe.create(configuration), []
    for kind in (Digits, Manual):
        callback = RecipeCallback(recipe, monitor="val_loss", restore_best=False)
        module = kind(callback.optimizers)
        trainer_of(tmp_path, max_steps=12, callbacks=[callback]).fit(module, *loaders)
        assert callback.run.num_steps == 12
        weights.append(module.net[0].weight.detach())
    module = Digits(None)
    run = recipe.bind(module, total_steps=12)
    for (inputs, targets), _ in zip(loaders[0], range(12), strict=False):
        run.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module.net(inputs), targets)
        loss.backward()
        run.step(loss)
    weights.append(module.net[0].weight.detach())
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(weights[0], weights[2], rtol=1e-6, atol=1e-7)


def test_under_accumulation_a_controller_gets_the_loss_of_the_accumulated_batch(loaders, tmp_path):
    callback = RecipeCallback(Recipe.create(Configuration("sgd", "polyak")), monitor="val_loss", restore_best=False)
    losses = []

    class Keep(lightning.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            losses.append(callback.run.state_dict()["losses"]["last"].item())

    module = Digits(callback.optimizers)
    trainer_of(tmp_path, max_steps=1, accumulate_grad_batches=2, callbacks=[callback, Keep()]).fit(module, *loaders)
    fresh, batches = Digits(None).net, [batch for batch, _ in zip(loaders[0], range(2), strict=False)]
    expected = [nn.functional.cross_entropy(fresh(inputs), targets).item() for inputs, targets in batches]
    assert losses == [pytest.approx(sum(expected) / 2, rel=1e-5)]


def test_a_fit_resumed_from_a_checkpoint_equals_an_unbroken_one(loaders, tmp_path):
    stopper = StopperConfiguration("prechelt", {"criterion": "pq"})
    recipe = Recipe.create(Configuration("adamw", "plateau", hparams={"plateau.patience": 1}), stopper)

    def fit(ckpt_path=None, **keywords):
        callback = RecipeCallback(recipe, monitor="val_loss", restore_best=False)
        module = Digits(callback.optimizers)
        trainer = trainer_of(tmp_path, callbacks=[callback, *keywords.pop("callbacks", [])], **keywords)
        trainer.fit(module, *loaders, ckpt_path=ckpt_path)
        return module, callback.run

    class KeepThird(lightning.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 2:
                trainer.save_checkpoint(tmp_path / "third.ckpt")

    module, run = fit(callbacks=[KeepThird()])
    again, resumed = fit(ckpt_path=tmp_path / "third.ckpt")
    assert resumed.num_steps == run.num_steps
    assert resumed.stopper.state_dict() == run.stopper.state_dict()
    assert (resumed.best_step, resumed.best_value) == (run.best_step, run.best_value)
    for name, value in module.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_a_module_that_training_made_worse_is_handed_back_as_it_was(loaders, tmp_path, caplog):
    callback = RecipeCallback(Recipe.create(Configuration("sgd", hparams={"sgd.lr": 300.0})), monitor="val_loss")
    module = Digits(callback.optimizers)
    given = {name: value.clone() for name, value in module.state_dict().items()}
    trainer = trainer_of(tmp_path, callbacks=[callback], max_epochs=2)
    warned = pytest.warns(UserWarning, match="[0-9]+ of [0-9]+ planned steps brought no validation better")
    with caplog.at_level(logging.INFO, logger="metaopt"), warned:
        trainer.fit(module, *loaders)
    assert callback.run.best_step == 0
    assert all(torch.equal(value, given[name]) for name, value in module.state_dict().items())
    assert "no validation was better than the one before the first step" in caplog.text
    assert trainer.num_sanity_val_steps == 1


def test_the_first_validation_can_be_left_out(loaders, tmp_path):
    recipe = Recipe.create(Configuration("sgd", hparams={"sgd.lr": 300.0}))
    callback = RecipeCallback(recipe, monitor="val_loss", validate_first=False)
    trainer_of(tmp_path, callbacks=[callback], max_epochs=2).fit(Digits(callback.optimizers), *loaders)
    assert callback.run.best_step > 0


def test_a_stopper_may_end_a_fit_before_its_first_step(loaders, tmp_path):
    stopper = StopperConfiguration("target", {"target": 100.0})
    callback = RecipeCallback(Recipe.create(Configuration("adamw"), stopper), monitor="val_loss")
    trainer_of(tmp_path, callbacks=[callback]).fit(Digits(callback.optimizers), *loaders)
    assert (callback.run.num_steps, callback.run.best_step) == (0, 0)


def test_a_metric_that_was_not_logged_is_named(loaders, tmp_path):
    callback = RecipeCallback(Recipe.create(Configuration("adamw")), monitor="val_acc")
    with pytest.raises(metaopt.InputError, match=r"logged no 'val_acc' in this validation.*monitor one of"):
        trainer_of(tmp_path, callbacks=[callback]).fit(Digits(callback.optimizers), *loaders)


def test_a_fit_that_never_validated_says_that_its_last_weights_stay(loaders, tmp_path):
    callback = RecipeCallback(Recipe.create(Configuration("adamw")), monitor="val_loss")
    with pytest.warns(UserWarning, match="No finite 'val_loss' was ever observed"):
        trainer_of(tmp_path, callbacks=[callback], limit_val_batches=0).fit(Digits(callback.optimizers), *loaders)
