"""A script that Lightning starts on two ranks: what `test_lightning_ranks.py` then reads."""

import json
import os
import sys
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler

sys.path.insert(0, str(Path(__file__).parents[2]))

from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.integrations.lightning import RecipeCallback
from tests.integrations.tiny import loaders, recipe_of
from tests.integrations.tiny_lightning import Tiny, trainer_of

FOLDER = Path(sys.argv[1])
KINDS = ["schedulefree", "averaged", "plateau", "polyak", "greedy", "learned_schedule", "mlp_lopt"]


class Uneven(Tiny):
    """Logs what this rank alone has seen; the second rank's values rise, and at times it has none."""

    def validation_step(self, batch, index):
        loss = nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.losses.append(loss.item())
        if self.global_rank and self.current_epoch == 1:
            return
        self.log("val_loss", loss + self.global_rank * self.global_step, sync_dist=False)


def fit(kind, path=None, stopper=None, module_of=Tiny, **keywords):
    callback = RecipeCallback(recipe_of(kind, stopper))
    module = module_of(callback)
    trainer = trainer_of(FOLDER, [callback], strategy="ddp", devices=2, use_distributed_sampler=False, **keywords)
    trainer.fit(module, *(part_of(loader.dataset) for loader in loaders()), ckpt_path=path)
    return module, callback, trainer


def part_of(data):
    """Every other example, in order: the batches of both ranks together are those of one process."""
    sampler = DistributedSampler(data, num_replicas=2, rank=int(os.environ.get("LOCAL_RANK", "0")), shuffle=False)
    return DataLoader(data, batch_size=4 if len(data) > 16 else 8, sampler=sampler)


def weights(module):
    return [value.tolist() for value in module.state_dict().values()]


def main():
    said = {}
    for kind in KINDS:
        module, _, trainer = fit(kind)
        path = FOLDER / f"{kind}.ckpt"
        trainer.save_checkpoint(path)
        again, resumed, _ = fit(kind, path, max_epochs=5)
        said[kind] = {"weights": weights(module), "resumed": weights(again), "steps": resumed.run.num_steps}
    stopper = StopperConfiguration("patience", {"unit": "steps", "patience": 7})
    module, callback, trainer = fit("cosine", stopper=stopper, module_of=Uneven, max_epochs=20)
    said["uneven"] = {
        "weights": weights(module),
        "stopped": [trainer.current_epoch, callback.run.num_steps, callback.run.best_step, callback.run.best_value],
    }
    (FOLDER / f"rank{trainer.global_rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    main()
