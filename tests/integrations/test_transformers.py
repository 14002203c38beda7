import warnings

import pytest
import torch

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy import StopperConfiguration
from metaopt.recipe import Recipe

transformers = pytest.importorskip("transformers")

from metaopt.integrations.transformers import RecipeTrainer  # noqa: E402

# Some rates here are too high for a model as small as this.
pytestmark = pytest.mark.filterwarnings("ignore:.*planned steps brought no validation better:UserWarning")


def recipe_of(*names, stopper=None, **settings):
    return Recipe.create(Configuration(*names, **settings), stopper)


ADAMW = {"adamw.lr": 0.01}
#: One recipe for each kind of signal, and for each way to average.
KINDS = {
    "plan": recipe_of("adamw", "cosine", hparams=ADAMW),
    "averages of a class": recipe_of("schedulefree_adamw", hparams={"schedulefree_adamw.lr": 0.01}),
    "averages of a rule": recipe_of("adamw", "constant", wrappers=("averaged",), hparams=ADAMW),
    "loss of a wrapper": recipe_of("nadamw", "constant", wrappers=("learned_schedule",)),
    "loss of a controller": recipe_of("adamw", "greedy", hparams=ADAMW),
    "loss and gradients": recipe_of("sgd", "polyak"),
    "metric": recipe_of("adamw", "plateau", hparams={"adamw.lr": 0.1}),
    "gradients": recipe_of("adamw", "hypergradient", hparams=ADAMW),
    "learned rule": recipe_of("mlp_lopt", "constant"),
    "roles": recipe_of("adamw", "cosine", roles={"matrix": metaopt.Role("muon")}),
}


class InOrder(RecipeTrainer):
    """Takes the rows as they lie."""

    def _get_train_sampler(self, *dataset):
        return torch.utils.data.SequentialSampler(self.train_dataset)


def stacked(rows):
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def plain_loop(model, run, training_rows, validation_rows, epochs=3):
    """What the Trainer does, by hand."""

    def validate():
        with run.evaluating(), torch.no_grad():
            run.observe(model(**stacked(validation_rows)).loss, epoch=run.num_steps / 4)

    validate()
    for _ in range(epochs):
        for start in range(0, len(training_rows), 8):
            model.train()
            run.optimizer.zero_grad()
            loss = model(**stacked(training_rows[start : start + 8])).loss
            loss.backward()
            run.step(loss)
        validate()
    run.finish()


def weights(model):
    return torch.cat([param.detach().flatten() for param in model.parameters()])


def loss_of(model, rows):
    with torch.no_grad():
        return model.eval()(**stacked(rows)).loss.item()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "micro_batches"),
    [*((kind, 1) for kind in KINDS), ("loss of a wrapper", 2), ("loss and gradients", 2)],
)
def test_it_trains_as_a_plain_loop_does(kind, micro_batches, language_model, arguments, training_rows, validation_rows):
    args = arguments(per_device_train_batch_size=8 // micro_batches, gradient_accumulation_steps=micro_batches)
    trainer = InOrder(
        model=language_model().double(),
        args=args,
        recipe=KINDS[kind],
        train_dataset=training_rows,
        eval_dataset=validation_rows,
    )
    trainer.train()
    model = language_model().double()
    run = KINDS[kind].bind(model, total_steps=12, batch_size=8)
    plain_loop(model, run, training_rows, validation_rows)
    assert trainer.run.num_steps == 12
    assert trainer.run.best_step == run.best_step
    assert trainer.run.best_value == pytest.approx(run.best_value, abs=1e-6)
    # Losses of micro-batches are added in float32.
    tolerance = 1e-6 if micro_batches == 1 else 1e-5
    torch.testing.assert_close(weights(trainer.model), weights(model), atol=tolerance, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["averages of a class", "averages of a rule", "plan"])
def test_what_a_checkpoint_holds_is_what_was_scored(
    kind, dtype, language_model, arguments, training_rows, validation_rows, tmp_path
):
    trainer = RecipeTrainer(
        model=language_model().to(dtype),
        args=arguments(save_strategy="epoch", load_best_model_at_end=True),
        recipe=KINDS[kind],
        train_dataset=training_rows,
        eval_dataset=validation_rows,
    )
    trainer.train()
    scores = {line["step"]: line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line}
    assert set(scores) == {0, 4, 8, 12}
    for step in (4, 8, 12):
        saved = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out" / f"checkpoint-{step}", dtype=dtype)
        assert loss_of(saved, validation_rows) == pytest.approx(scores[step], abs=1e-6)
    assert trainer.run.best_value == min(scores.values())
    assert trainer.state.best_model_checkpoint == str(tmp_path / "out" / f"checkpoint-{trainer.run.best_step}")
    trainer.save_model(tmp_path / "last")
    last = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "last", dtype=dtype)
    assert loss_of(last, validation_rows) == pytest.approx(trainer.run.best_value, abs=1e-6)
    assert torch.equal(weights(last), weights(trainer.model))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [*((kind, torch.float32) for kind in KINDS), ("averages of a rule", torch.bfloat16), ("plan", torch.bfloat16)],
)
def test_a_resumed_training_equals_an_unbroken_one(
    kind, dtype, language_model, arguments, training_rows, validation_rows, tmp_path
):
    """The checkpoint lies between two evaluations, so that no evaluation has put averages in."""
    trainers = []
    for seed, checkpoint in ((0, None), (1, tmp_path / "out" / "checkpoint-6")):
        trainer = RecipeTrainer(
            model=language_model(seed).to(dtype),
            args=arguments(save_strategy="steps", save_steps=2, eval_strategy="steps", eval_steps=4),
            recipe=KINDS[kind].with_stopper(StopperConfiguration("patience", {"patience": 3})),
            train_dataset=training_rows,
            eval_dataset=validation_rows,
        )
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        trainers.append(trainer)
    unbroken, resumed = trainers
    assert torch.equal(weights(resumed.model), weights(unbroken.model))
    assert resumed.run.best_value == unbroken.run.best_value
    assert resumed.run.num_steps == unbroken.run.num_steps == 12
    last = torch.load(tmp_path / "out" / "checkpoint-12" / "metaopt_run.pt", weights_only=True)
    assert last["observations"]["num_observations"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plan", "averages of a rule"])
def test_a_training_that_its_stopper_had_ended_takes_no_further_step(
    kind, language_model, arguments, training_rows, validation_rows, tmp_path
):
    recipe = KINDS[kind].with_stopper(StopperConfiguration("budget", {"max_steps": 6}))

    def trained(seed, checkpoint=None):
        args = arguments(save_strategy="epoch")
        rows = {"train_dataset": training_rows, "eval_dataset": validation_rows}
        trainer = RecipeTrainer(model=language_model(seed), args=args, recipe=recipe, **rows)
        trainer.train(resume_from_checkpoint=checkpoint)
        return trainer

    ended = trained(0)
    checkpoint = str(tmp_path / "out" / f"checkpoint-{ended.run.num_steps}")
    with pytest.warns(UserWarning, match="of this checkpoint had come to its end, and no further step is taken: .*8"):
        resumed = trained(1, checkpoint)
    assert resumed.run.num_steps == ended.run.num_steps == resumed.state.global_step == 8
    assert torch.equal(weights(resumed.model), weights(ended.model))
    assert resumed.run.best_value == ended.run.best_value


def test_a_checkpoint_of_another_trainer_is_refused(language_model, arguments, training_rows, tmp_path):
    args = arguments(save_strategy="steps", save_steps=2, max_steps=2, eval_strategy="no")
    transformers.Trainer(model=language_model(), args=args, train_dataset=training_rows).train()
    trainer = RecipeTrainer(model=language_model(), args=args, train_dataset=training_rows, recipe=KINDS["plan"])
    with pytest.raises(metaopt.InputError, match=r"has no metaopt_run.pt: it was not saved in a training"):
        trainer.train(resume_from_checkpoint=True)


def test_best_weights_of_a_checkpoint_are_loaded_where_the_run_keeps_none(
    language_model, arguments, training_rows, validation_rows
):
    recipe = recipe_of("schedulefree_adamw", hparams={"schedulefree_adamw.lr": 0.3})
    trainer = RecipeTrainer(
        model=language_model(),
        args=arguments(save_strategy="best", metric_for_best_model="loss", load_best_model_at_end=True),
        recipe=recipe,
        train_dataset=training_rows,
        eval_dataset=validation_rows,
        bind={"keep_best": None},
        validate_first=False,
    )
    trainer.train()
    assert loss_of(trainer.model, validation_rows) == pytest.approx(trainer.run.best_value, abs=1e-6)


def test_the_stopper_ends_the_training(language_model, arguments, training_rows, validation_rows, caplog):
    stopper = StopperConfiguration("budget", {"fraction": 0.5})
    trainer = RecipeTrainer(
        model=language_model(),
        args=arguments(num_train_epochs=4, eval_strategy="steps", eval_steps=2),
        recipe=recipe_of("adamw", stopper=stopper),
        train_dataset=training_rows,
        eval_dataset=validation_rows,
    )
    with caplog.at_level("INFO", logger="metaopt"):
        trainer.train()
    assert trainer.state.global_step == trainer.run.num_steps == 8
    assert "8" in caplog.text


def test_a_model_that_training_made_worse_is_handed_back_as_it_came(
    language_model, arguments, training_rows, validation_rows
):
    model = language_model()
    before = weights(model).clone()
    trainer = RecipeTrainer(
        model=model,
        args=arguments(save_strategy="epoch", load_best_model_at_end=True),
        recipe=recipe_of("sgd", hparams={"sgd.lr": 100.0}),
        train_dataset=training_rows,
        eval_dataset=validation_rows,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.train()
    assert trainer.run.best_step == 0
    assert torch.equal(weights(model), before)


def test_the_first_validation_changes_nothing_else(language_model, arguments, training_rows, validation_rows):
    ends = []
    for first in (True, False):
        trainer = RecipeTrainer(
            model=language_model(resid_pdrop=0.1),
            args=arguments(),
            recipe=KINDS["plan"],
            train_dataset=training_rows,
            eval_dataset=validation_rows,
            validate_first=first,
        )
        trainer.train()
        assert [line["step"] for line in trainer.state.log_history if "eval_loss" in line] == [0] * first + [4, 8, 12]
        ends.append(weights(trainer.model))
    assert torch.equal(*ends)


def test_the_default_recipe_knows_batch_and_plan(language_model, arguments, training_rows, validation_rows):
    trainer = RecipeTrainer(
        model=language_model(),
        args=arguments(per_device_train_batch_size=2, gradient_accumulation_steps=4, max_steps=12),
        train_dataset=training_rows,
        eval_dataset=validation_rows,
    )
    assert trainer.run is None
    trainer.train()
    model = language_model()
    expected = metaopt.load_recipe("default").bind(model, total_steps=12, batch_size=8)
    assert trainer.run.scheduler.horizon == trainer.run.num_steps == 12
    assert trainer.run.scheduler.base_lrs == expected.scheduler.base_lrs


def test_arguments_that_the_recipe_replaces_are_told_once(language_model, arguments, training_rows, validation_rows):
    given = {"train_dataset": training_rows, "eval_dataset": validation_rows, "recipe": KINDS["plan"]}
    args = arguments(learning_rate=3e-4, optim="adafactor", max_steps=2)
    trainer = RecipeTrainer(model=language_model(), args=args, **given)
    with pytest.warns(UserWarning, match=r"not used: optim='adafactor', learning_rate=0.0003") as told:
        trainer.train()
    assert len(told) == 1
    trainer.train()


def test_an_optimizer_besides_is_refused(language_model, arguments, training_rows):
    model = language_model()
    pair = (torch.optim.SGD(model.parameters(), 0.1), None)
    with pytest.raises(metaopt.InputError, match=r"^RecipeTrainer has the recipe's optimizer.*leave out optimizers="):
        RecipeTrainer(model, arguments(eval_strategy="no"), train_dataset=training_rows, optimizers=pair)


def test_what_a_trainer_cannot_supply_is_refused_by_name(language_model, arguments, training_rows):
    stopper = StopperConfiguration("evidence", {})
    with pytest.raises(metaopt.PluginError, match=r"does not supply evidence, which the recipe's stopper"):
        RecipeTrainer(
            model=language_model(),
            args=arguments(),
            train_dataset=training_rows,
            recipe=recipe_of("adamw", stopper=stopper),
        )


def test_clipping_before_a_controller_that_looks_at_gradients_is_told(
    language_model, arguments, training_rows, validation_rows
):
    trainer = RecipeTrainer(
        model=language_model(),
        args=arguments(max_grad_norm=1.0, max_steps=2),
        train_dataset=training_rows,
        eval_dataset=validation_rows,
        recipe=KINDS["loss and gradients"],
    )
    with pytest.warns(UserWarning, match=r"max_grad_norm=1.0 before the controller 'polyak'.*max_grad_norm=0"):
        trainer.train()


def test_a_stopper_without_evaluations_is_told(language_model, arguments, training_rows):
    trainer = RecipeTrainer(model=language_model(), args=arguments(eval_strategy="no"), train_dataset=training_rows)
    with pytest.warns(UserWarning, match="listens to evaluations, and eval_strategy is 'no'"):
        trainer.train()
    assert trainer.run.num_steps == 12
    assert trainer.run.best_step is None
