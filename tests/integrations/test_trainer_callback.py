import pytest
import torch

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy import StopperConfiguration
from metaopt.recipe import Recipe

transformers = pytest.importorskip("transformers")

from metaopt.integrations.transformers import RecipeCallback  # noqa: E402

KINDS = {
    "plan": Configuration("adamw", "cosine", hparams={"adamw.lr": 0.01}),
    "averages of a class": Configuration("schedulefree_adamw", hparams={"schedulefree_adamw.lr": 0.01}),
    "averages of a rule": Configuration("adamw", "constant", wrappers=("averaged",), hparams={"adamw.lr": 0.01}),
    "metric": Configuration("adamw", "plateau", hparams={"adamw.lr": 0.01}),
    "gradients": Configuration("adamw", "hypergradient", hparams={"adamw.lr": 0.01}),
}


def weights(model):
    return torch.cat([param.detach().flatten() for param in model.parameters()])


def trainer_of(model, run, recipe, args, training_rows, validation_rows):
    return transformers.Trainer(
        model=model,
        args=args,
        train_dataset=training_rows,
        eval_dataset=validation_rows,
        optimizers=(run.optimizer, run.scheduler),
        callbacks=[RecipeCallback(recipe, run)],
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_it_saves_is_what_was_scored_and_resumes_bit_for_bit(
    kind, language_model, arguments, training_rows, validation_rows, tmp_path
):
    recipe, trainers = Recipe.create(KINDS[kind], StopperConfiguration("patience", {"patience": 3})), []
    args = arguments(save_strategy="steps", save_steps=2, eval_strategy="steps", eval_steps=4)
    for seed, checkpoint in ((0, None), (1, str(tmp_path / "out" / "checkpoint-6"))):
        model = language_model(seed)
        run = recipe.bind(model, total_steps=12)
        trainer = trainer_of(model, run, recipe, args, training_rows, validation_rows)
        trainer.train(resume_from_checkpoint=checkpoint)
        trainers.append((trainer, run))
    (unbroken, first), (resumed, second) = trainers
    assert torch.equal(weights(resumed.model), weights(unbroken.model))
    assert first.best_value == second.best_value
    assert second.num_steps == 12
    scores = [line["eval_loss"] for line in unbroken.state.log_history if "eval_loss" in line]
    assert first.best_value == min(scores)
    batch = {name: torch.stack([row[name] for row in validation_rows]) for name in validation_rows[0]}
    for step, score in zip((4, 8, 12), scores, strict=True):
        saved = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out" / f"checkpoint-{step}")
        with torch.no_grad():
            assert saved(**batch).loss.item() == pytest.approx(score, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plan", "averages of a rule"])
def test_a_training_that_its_stopper_had_ended_is_handed_back_as_it_was(
    kind, language_model, arguments, training_rows, validation_rows, tmp_path
):
    recipe = Recipe.create(KINDS[kind], StopperConfiguration("budget", {"max_steps": 6}))

    def trained(seed, checkpoint=None):
        model = language_model(seed)
        run = recipe.bind(model, total_steps=12)
        trainer = trainer_of(model, run, recipe, arguments(save_strategy="epoch"), training_rows, validation_rows)
        trainer.train(resume_from_checkpoint=checkpoint)
        return model, run

    ended, first = trained(0)
    with pytest.warns(UserWarning, match="of this checkpoint had come to its end"):
        resumed, second = trained(1, str(tmp_path / "out" / "checkpoint-8"))
    assert torch.equal(weights(resumed), weights(ended))
    assert (second.best_step, second.best_value) == (first.best_step, first.best_value)


def test_the_stopper_ends_the_training_and_the_first_evaluation_counts(
    language_model, arguments, training_rows, validation_rows
):
    recipe = Recipe.create(Configuration("adamw"), StopperConfiguration("budget", {"fraction": 0.5}))
    model = language_model()
    run = recipe.bind(model, total_steps=16)
    args = arguments(num_train_epochs=4)
    trainer = trainer_of(
        model, run, recipe, args, training_rows, {"other": validation_rows[:4], "own": validation_rows}
    )
    args.metric_for_best_model, args.greater_is_better = "own_loss", False
    trainer.evaluate()
    trainer.train()
    assert run.num_steps == 8
    assert run.observations()["num_observations"] == 3


def test_a_recipe_that_needs_the_loss_is_sent_to_the_trainer(language_model):
    recipe = Recipe.create(Configuration("nadamw", wrappers=("learned_schedule",)))
    run = recipe.bind(language_model(), total_steps=4)
    with pytest.raises(metaopt.PluginError, match=r"RecipeCallback does not supply loss, .*; use RecipeTrainer"):
        RecipeCallback(recipe, run)


def test_another_optimizer_or_orientation_is_refused(language_model, arguments, training_rows, validation_rows):
    recipe = Recipe.create(Configuration("adamw"))
    model = language_model()
    run, other = (recipe.bind(model, total_steps=4) for _ in range(2))
    rows = (training_rows, validation_rows)
    trainer = trainer_of(model, run, recipe, arguments(), *rows)
    trainer.callback_handler.callbacks[-2].run = other
    with pytest.raises(metaopt.InputError, match=r"steps another optimizer; pass optimizers=\(run.optimizer"):
        trainer.train()
    args = arguments(metric_for_best_model="accuracy")
    with pytest.raises(
        metaopt.InputError, match=r"bound with mode='min'.*'eval_accuracy' is 'max'; bind with mode='max'"
    ):
        trainer_of(model, run, recipe, args, *rows).train()
