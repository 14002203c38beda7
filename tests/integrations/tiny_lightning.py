"""The tiny training as a Lightning module; imported after `importorskip`."""

import lightning.pytorch as lightning
import torch

from tests.integrations.tiny import EPOCHS, loss_of, network


class Tiny(lightning.LightningModule):
    def __init__(self, callback=None):
        super().__init__()
        self.net = network()
        self.callback = callback
        self.losses = []

    def training_step(self, batch, index):
        return loss_of(self.net, batch)

    def validation_step(self, batch, index):
        loss = loss_of(self.net, batch)
        self.losses.append(loss.item())
        self.log("val_loss", loss)

    test_step = validation_step

    def configure_optimizers(self):
        return self.callback.optimizers(self)


class Manual(Tiny):
    """Steps the optimizer by itself, and the scheduler too if told so."""

    steps_scheduler = False

    def __init__(self, callback=None):
        super().__init__(callback)
        self.automatic_optimization = False

    def training_step(self, batch, index):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(super().training_step(batch, index))
        optimizer.step()
        if self.steps_scheduler:
            self.lr_schedulers().step()


class ManualWithScheduler(Manual):
    steps_scheduler = True


def trainer_of(folder, callbacks, **keywords):
    settings = {"max_epochs": EPOCHS, "enable_checkpointing": False, "logger": False}
    return lightning.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=callbacks,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{**settings, **keywords},
    )


def loss_in_checkpoint(path, batch):
    """What the weights in a checkpoint score, loaded by nobody's callback."""
    state = torch.load(path, weights_only=True)["state_dict"]
    net = network()
    net.load_state_dict({name.removeprefix("net."): value for name, value in state.items()})
    with torch.no_grad():
        return loss_of(net, batch).item()
