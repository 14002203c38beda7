"""What a Trainer can do beside its loop, with a recipe in it."""

import json

import numpy as np
import pytest
import torch

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy import StopperConfiguration
from metaopt.recipe import Recipe

transformers = pytest.importorskip("transformers")

from metaopt.integrations.transformers import RecipeTrainer  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing. is deprecated:FutureWarning"),
    # PEFT asks a hub that is not there.
    pytest.mark.filterwarnings("ignore:Could not find a config file in:UserWarning"),
    # Some rates here are too high for a model as small as this.
    pytest.mark.filterwarnings("ignore:.*planned steps brought no validation better:UserWarning"),
]

AVERAGING = Recipe.create(Configuration("schedulefree_adamw", hparams={"schedulefree_adamw.lr": 0.01}))
LOSSES = Recipe.create(Configuration("nadamw", wrappers=("learned_schedule",)))


def weights(model):
    return torch.cat([param.detach().flatten() for param in model.parameters()])


def loss_of(model, rows):
    with torch.no_grad():
        return model.eval()(**{name: torch.stack([row[name] for row in rows]) for name in rows[0]}).loss.item()


def eval_losses(trainer, name="eval_loss"):
    return {line["step"]: line[name] for line in trainer.state.log_history if name in line}


@pytest.fixture
def trainer_of(language_model, arguments, training_rows, validation_rows):
    def make(kind=RecipeTrainer, model=None, changes=None, **given):
        rows = {"train_dataset": training_rows, "eval_dataset": validation_rows, "recipe": AVERAGING}
        return kind(model=model or language_model(), args=arguments(**(changes or {})), **{**rows, **given})

    return make


class Rows(torch.utils.data.IterableDataset):
    """A stream of rows without an end."""

    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        while True:
            yield from self.rows


def test_a_stream_trains_for_max_steps(trainer_of, training_rows):
    changes = {"max_steps": 5, "eval_strategy": "steps", "eval_steps": 2, "gradient_accumulation_steps": 2}
    trainer = trainer_of(train_dataset=Rows(training_rows), changes=changes, recipe=LOSSES)
    trainer.train()
    assert trainer.run.num_steps == trainer.run.scheduler.horizon == 5
    assert list(eval_losses(trainer))[:3] == [0, 2, 4]


@pytest.mark.slow
def test_labels_may_be_smoothed_and_activations_computed_again(trainer_of):
    changes = {"label_smoothing_factor": 0.1, "gradient_checkpointing": True}
    trainer = trainer_of(changes=changes, recipe=LOSSES)
    trainer.train()
    plain = trainer_of(recipe=LOSSES)
    plain.train()
    assert trainer.run.num_steps == 12
    assert not torch.equal(weights(trainer.model), weights(plain.model))
    assert trainer.run.best_step == 12


def test_bfloat16_by_autocast_keeps_weights_in_float32(trainer_of, validation_rows):
    trainer = trainer_of(changes={"bf16": True})
    trainer.train()
    assert {param.dtype for param in trainer.model.parameters()} == {torch.float32}
    assert trainer.run.best_value == pytest.approx(loss_of(trainer.model, validation_rows), abs=0.02)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(trainer.run.best_value, abs=1e-6)


def test_a_metric_of_ones_own_is_observed_and_higher_may_be_better(trainer_of):
    def accuracy(predictions):
        chosen, labels = predictions.predictions[:, :-1].argmax(-1), predictions.label_ids[:, 1:]
        return {"accuracy": float(np.mean(chosen == labels))}

    changes = {"metric_for_best_model": "accuracy", "save_strategy": "best", "load_best_model_at_end": True}
    trainer = trainer_of(changes=changes, compute_metrics=accuracy)
    trainer.train()
    seen = eval_losses(trainer, "eval_accuracy")
    assert trainer.run.mode == "max"
    assert trainer.run.best_value == max(seen.values())
    assert trainer.evaluate()["eval_accuracy"] == trainer.run.best_value


def test_of_several_datasets_the_one_that_is_named_is_observed(trainer_of, validation_rows):
    rows = {"some": validation_rows[:4], "all": validation_rows}
    trainer = trainer_of(changes={"metric_for_best_model": "all_loss"}, eval_dataset=rows)
    trainer.train()
    assert trainer.run.best_value == min(eval_losses(trainer, "eval_all_loss").values())
    assert trainer.run.observations()["num_observations"] == 4
    with pytest.raises(
        metaopt.InputError, match=r"no 'eval_loss'.*metric_for_best_model to one of epoch, eval_all_loss"
    ):
        trainer_of(eval_dataset=rows).train()


def test_evaluations_of_other_data_or_outside_of_training_are_not_observed(trainer_of, training_rows):
    class Others(transformers.TrainerCallback):
        def on_epoch_begin(self, *event, **others):
            trainer.evaluate(training_rows[:4])
            trainer.evaluate(metric_key_prefix="test")

    trainer = trainer_of(callbacks=[Others()])
    before = trainer.evaluate()["eval_loss"]
    assert trainer.run is None
    trainer.train()
    assert trainer.run.observations()["num_observations"] == 4
    assert before in [line.get("eval_loss") for line in trainer.state.log_history if line["step"] == 0]
    after = weights(trainer.model)
    assert trainer.evaluate()["eval_loss"] == trainer.run.best_value
    assert trainer.predict(training_rows[:4]).predictions.shape[0] == 4
    assert torch.equal(weights(trainer.model), after)


def test_an_evaluation_in_the_middle_leaves_the_training_as_it_is(trainer_of, training_rows):
    class Looks(transformers.TrainerCallback):
        def on_step_end(self, *event, **others):
            with torch.random.fork_rng(devices=[]):
                trainer.predict(training_rows[:4])

    ends = []
    for callbacks in ([], [Looks()]):
        trainer = trainer_of(callbacks=callbacks)
        trainer.train()
        ends.append(weights(trainer.model))
    assert torch.equal(*ends)


def test_the_trainers_own_first_evaluation_is_not_made_twice(trainer_of):
    trainer = trainer_of(changes={"eval_on_start": True})
    trainer.train()
    assert [line["step"] for line in trainer.state.log_history if "eval_loss" in line] == [0, 4, 8, 12]
    assert trainer.run.observations()["num_observations"] == 4


def test_training_again_begins_a_new_run_at_the_best_weights(trainer_of):
    trainer = trainer_of()
    trainer.train()
    first = trainer.run
    trainer.train()
    assert trainer.run is not first
    assert trainer.run.num_steps == 12
    assert eval_losses(trainer)[0] == pytest.approx(first.best_value, abs=1e-6)
    assert trainer.run.best_value <= first.best_value


def test_it_mixes_with_other_trainers(trainer_of, arguments, validation_rows):
    class Mine(RecipeTrainer, transformers.Seq2SeqTrainer):
        def compute_loss(self, *args, **kwargs):
            self.calls = getattr(self, "calls", 0) + 1
            return super().compute_loss(*args, **kwargs)

    trainer = trainer_of(Mine, changes={"kind": transformers.Seq2SeqTrainingArguments}, recipe=LOSSES)
    trainer.train()
    assert trainer.run.num_steps == trainer.calls - 4 * 2 == 12
    assert trainer.predict(validation_rows, max_length=10).metrics["test_loss"] > 0


def test_adapters_alone_are_counted_trained_and_saved(trainer_of, language_model, arguments, validation_rows, tmp_path):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=2, target_modules=["c_attn"], task_type="CAUSAL_LM", fan_in_fan_out=True)
    trainers = []
    for checkpoint in (None, str(tmp_path / "out" / "checkpoint-6")):
        torch.manual_seed(3)
        model = peft.get_peft_model(language_model(), config)
        changes = {"save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 4}
        trainer = trainer_of(model=model, changes=changes)
        trainer.train(resume_from_checkpoint=checkpoint)
        trainers.append(trainer)
    unbroken, resumed = trainers
    trained = sum(param.numel() for param in unbroken.model.parameters() if param.requires_grad)
    assert sum(param.numel() for group in unbroken.run.optimizer.param_groups for param in group["params"]) == trained
    assert trained == 2 * (8 + 24)
    assert torch.equal(weights(resumed.model), weights(unbroken.model))
    scores = eval_losses(unbroken)
    for step in (4, 8, 12):
        saved = peft.PeftModel.from_pretrained(language_model(), tmp_path / "out" / f"checkpoint-{step}")
        assert loss_of(saved, validation_rows) == pytest.approx(scores[step], abs=1e-6)


@pytest.mark.slow
def test_pretrained_weights_are_bound_as_such(trainer_of, language_model, tmp_path):
    language_model().save_pretrained(tmp_path / "base")
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    with pytest.warns(UserWarning, match="was made on weights from scratch, and the model's are pretrained"):
        trainer_of(model=loaded, recipe="default").train()
    trainer_of(model=loaded, recipe="default", bind={"pretrained": None}).train()
    trainer_of(model=loaded).train()  # made on nothing that is known


@pytest.mark.slow
def test_a_search_of_the_trainers_own_binds_in_every_trial(trainer_of, language_model):
    plans = []

    class Trials(RecipeTrainer):
        def create_optimizer(self, model=None):
            optimizer = super().create_optimizer(model)
            plans.append((self.run.scheduler.horizon, self.args.per_device_train_batch_size))
            return optimizer

    def space(trial):
        return {"per_device_train_batch_size": trial.suggest_categorical("per_device_train_batch_size", [4, 16])}

    given = {"model": None, "model_init": lambda: language_model()}
    trainer = trainer_of(lambda model, **others: Trials(**{**others, **given}), changes={"num_train_epochs": 1})
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    best = trainer.hyperparameter_search(space, n_trials=3, backend="optuna", sampler=optuna.samplers.RandomSampler(0))
    assert set(plans) == {(8, 4), (2, 16)}
    assert len(plans) == 3
    assert 0 < best.objective < 3


def test_models_alone_may_be_saved(trainer_of, tmp_path):
    trainer = trainer_of(changes={"save_strategy": "epoch", "save_only_model": True})
    trainer.train()
    folder = tmp_path / "out" / "checkpoint-12"
    assert not (folder / "metaopt_run.pt").exists()
    assert json.loads((folder / "trainer_state.json").read_text())["global_step"] == 12
    with pytest.raises(metaopt.InputError, match="or with save_only_model=True"):
        trainer_of(changes={"save_strategy": "epoch"}).train(resume_from_checkpoint=str(folder))


def test_a_stopper_counts_epochs(trainer_of):
    stopper = StopperConfiguration("patience", {"unit": "epochs", "patience": 1, "min_delta": 100.0})
    changes = {"eval_strategy": "steps", "eval_steps": 2}
    trainer = trainer_of(changes=changes, recipe=AVERAGING.with_stopper(stopper))
    trainer.train()
    assert trainer.run.stopper.state_dict()["signals"]["epoch"] == [0.0, 0.5, 1.0]
