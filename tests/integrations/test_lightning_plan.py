import pytest
import torch

import metaopt
from metaopt.recipe import Recipe
from tests.integrations.tiny import loaders, recipe_of, silent

torch_compile = torch.compile
pytest.importorskip("lightning.pytorch")
torch.compile = torch_compile  # Lightning puts a wrapper in its place, for every test after

from lightning.pytorch.callbacks import BaseFinetuning, GradientAccumulationScheduler  # noqa: E402

from metaopt.integrations.lightning import RecipeCallback  # noqa: E402
from tests.integrations.tiny_lightning import Tiny, trainer_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


class Frozen(BaseFinetuning):
    def freeze_before_training(self, module):
        self.freeze(module.net[0])

    def finetune_function(self, module, epoch, optimizer):
        if epoch == 1:
            self.unfreeze_and_add_param_group(module.net[0], optimizer, lr=1e-3)


@pytest.fixture
def fit(tmp_path):
    def run_of(kind="cosine", callbacks=(), bind=None, **keywords):
        callback = RecipeCallback(recipe_of(kind), **(bind or {}))
        with silent():
            trainer_of(tmp_path, [callback, *callbacks], **keywords).fit(Tiny(callback), *loaders())
        return callback.run

    return run_of


@pytest.fixture
def told(monkeypatch):
    """What `bind` got."""
    settings, bind = [], Recipe.bind

    def remembered(self, model, **keywords):
        settings.append(tuple(keywords.get(key) for key in ("total_steps", "batch_size", "pretrained")))
        return bind(self, model, **keywords)

    monkeypatch.setattr(Recipe, "bind", remembered)
    return settings


def test_bind_gets_what_the_trainer_knows(fit, told):
    fit(accumulate_grad_batches=2)
    fit(max_epochs=-1, max_steps=7)
    assert told == [(9, 16, None), (7, 8, None)]


def test_what_the_user_says_comes_first(fit, told):
    fit(bind={"total_steps": 100, "batch_size": 7, "pretrained": False})
    assert told == [(100, 7, False)]


def test_a_module_that_is_fine_tuned_is_pretrained_and_unfrozen_layers_join(fit, told):
    with pytest.warns(UserWarning, match="pretrained"):
        run = fit(callbacks=[Frozen()])
    assert told == [(18, 8, True)]
    assert len(run.optimizer.param_groups) > 1
    assert run.num_steps == 18


def test_accumulation_that_changes_within_the_fit_is_counted(fit, told):
    run = fit(callbacks=[GradientAccumulationScheduler({0: 1, 1: 2})])
    assert told == [(12, None, None)]
    assert run.num_steps == 12


def test_a_plan_that_nothing_ends_is_asked_for_where_it_is_needed(fit):
    with pytest.raises(metaopt.InputError, match="total_steps"):
        fit(max_epochs=-1, max_time={"seconds": 1})


def test_a_trainer_that_fits_once_more_plans_the_steps_that_are_left(tmp_path, told):
    callback = RecipeCallback(recipe_of("cosine"))
    module, trainer = Tiny(callback), trainer_of(tmp_path, [callback])
    with silent():
        trainer.fit(module, *loaders())
        trainer.fit_loop.max_epochs = 5
        trainer.fit(module, *loaders())
    assert [steps for steps, _, _ in told] == [18, 12]
    assert callback.run.num_steps == 12
