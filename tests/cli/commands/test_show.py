"""A recipe is shown to people, or as plain PyTorch."""

import json

import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from tests.learners.conftest import digit_task


@pytest.fixture
def recipe(tmp_path):
    configuration = Configuration("adamw", "cosine", hparams={"adamw.lr": 0.003, "cosine.warmup": 0.1})
    made = metaopt.Recipe.create(
        configuration,
        StopperConfiguration("patience", {"patience": 0.25}),
        num_validations=20,
        provenance={"corpus": {"name": "mine", "fingerprint": "0" * 16, "tasks": ["a", "b"]}},
    )
    made.save(tmp_path / "mine")
    return tmp_path / "mine"


def test_it_shows_every_hyperparameter_beside_its_default(run, recipe):
    done = run("show", recipe)
    assert done.code == 0, done.err
    printed = " ".join(done.out.split())
    assert "adamw+cosine+patience" in printed
    assert "optimizer adamw lr 0.003 0.001" in printed
    assert "controller cosine warmup 0.1" in printed
    assert "stopper patience patience 0.25 0.1" in printed
    assert "weight_decay" in printed


@pytest.mark.parametrize(("stated", "rate"), [({}, "1 1"), ({"sgd.lr": 0.5}, "0.5 1")])
def test_it_shows_the_rate_that_a_wrapper_leaves_the_optimizer(run, tmp_path, stated, rate):
    metaopt.Recipe.create(Configuration("sgd", wrappers=("dog",), hparams=stated)).save(tmp_path / "mine")
    assert f"optimizer sgd lr {rate}" in " ".join(run("show", tmp_path / "mine").out.split())


def test_it_says_where_the_recipe_comes_from(run, recipe):
    printed = " ".join(run("show", recipe).out.split())
    assert "Tuned on 'mine' (2 tasks, fingerprint 0000000000000000)." in printed
    assert "expects 20 validations" in printed
    assert "Weight decay: not for parameters of at most one dimension" in printed
    assert f"torch {metaopt.load_recipe(recipe).provenance['libraries']['torch']}" in printed


def test_code_is_plain_torch_that_runs(run, recipe):
    done = run("show", recipe, "--code")
    assert done.code == 0, done.err
    assert "metaopt" not in done.out
    names = {}
    exec(done.out, names)
    assert callable(names["make_optimizer"])


def test_a_recipe_without_plain_form_says_why(run, tmp_path):
    metaopt.Recipe.create(Configuration("lion")).save(tmp_path)
    failed = run("show", tmp_path, "--code")
    assert failed.code == 2
    assert "This recipe has no plain PyTorch form: no library's class computes what the optimizer 'lion'" in failed.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "recipe.json"),
        (json.dumps({"schema": 99}), "99"),
    ],
)
def test_a_corrupt_or_newer_recipe_is_named(run, recipe, text, message):
    (recipe / "recipe.json").write_text(text)
    failed = run("show", recipe)
    assert failed.code == 2
    assert message in failed.err
    assert len(failed.err.splitlines()) == 1


def test_a_shipped_recipe_shows_what_it_scored_held_out(run):
    printed = " ".join(run("show", "default").out.split())
    scores = metaopt.load_recipe("default").provenance["scores"]["held_out"]
    value, low, high = scores["mean"]["recipe"]
    assert f"Test scores on {scores['tasks']} held-out tasks" in printed
    assert f"recipe {value:.3f} [{low:.3f}, {high:.3f}], " in printed
    assert f"is worth {scores['random_trials_worth'][0]:.1f} [" in printed


@pytest.fixture
def learned(tmp_path):
    corpus = metaopt.load_corpus("sinusoids")
    result = metaopt.meta_train("meta_sgd", corpus["sinusoids_5_shot"], num_iterations=1, compile="off")
    result.recipe.save(tmp_path / "learned")
    return tmp_path / "learned"


def test_what_a_learned_rule_does_is_told_and_drawn(run, learned, tmp_path):
    done = run("show", learned, "--explain", "--corpus", "sinusoids", "--out", tmp_path / "drawn.png")
    assert done.code == 0, done.err
    printed = " ".join(done.out.split())
    assert "2.weight" in printed
    assert "cosine" in printed
    assert "test episodes of 'sinusoids_5_shot'" in printed
    assert (tmp_path / "drawn.png").stat().st_size > 5000


def test_a_hand_designed_rule_is_told_on_the_corpus_it_was_made_on(run):
    done = run("show", "default", "--explain", "--corpus", "starter")
    assert done.code == 0, done.err
    assert "trainings of 'digits_mlp'" in " ".join(done.out.split())


def test_without_a_corpus_it_asks_for_one(run, tmp_path):
    metaopt.Recipe.create(Configuration("adamw")).save(tmp_path / "bare")
    done = run("show", tmp_path / "bare", "--explain")
    assert (done.code, "give --corpus" in done.err) == (2, True)


@pytest.mark.parametrize(
    "part", ["corpus", "study", "scores", "libraries", "distributions", "created", "meta_training"]
)
@pytest.mark.parametrize(
    "value", [None, 7, "text", [None], [[]], {"name": 3}, "x" * 5000, {"held_out": 1}, {"mean": []}]
)
def test_a_record_that_somebody_else_wrote_is_left_out(run, recipe, part, value):
    document = json.loads((recipe / "recipe.json").read_text())
    document["provenance"][part] = value
    (recipe / "recipe.json").write_text(json.dumps(document))
    done = run("show", recipe)
    assert (done.code, done.err) == (0, "")
    assert "adamw" in done.out
    assert "x" * 81 not in done.out.replace("\n", "")


@pytest.mark.parametrize(
    "scores", [{"mean": {"a": 1}}, {"mean": {"a": [1, 2, 3]}}, {"mean": {"a": ["x", None, 2]}, "tasks": 1}]
)
def test_scores_that_cannot_be_read_are_named(run, recipe, scores):
    document = json.loads((recipe / "recipe.json").read_text())
    document["provenance"]["scores"] = {"held_out": scores}
    (recipe / "recipe.json").write_text(json.dumps(document))
    done = run("show", recipe)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "scores are not what tune wrote" in done.err


DIGITS = [digit_task()]


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_a_learners_recipe_says_whether_queries_see_each_other(run, statistics, tmp_path):
    hparams = {"protonet.batch_norm": statistics}
    record = {"meta_training": {"transductive": statistics == "batch"}}
    recipe = metaopt.Recipe.create(metaopt.Configuration(learner="protonet", hparams=hparams), provenance=record)
    recipe.save(tmp_path)
    shown = " ".join(run("show", tmp_path).out.split())
    assert "learner protonet" in shown
    assert "Weight decay" not in shown
    wanted = "Transductive:" if statistics == "batch" else "Queries do not see each other"
    assert wanted in shown


def test_what_a_learner_compares_is_told_and_drawn(run, tmp_path):
    metaopt.meta_train("protonet", DIGITS, num_iterations=1).recipe.save(tmp_path / "recipe")
    picture = tmp_path / "seen.png"
    done = run("show", tmp_path / "recipe", "--explain", "--corpus", f"{__name__}:DIGITS", "--out", picture)
    assert done.code == 0, done.err
    assert "What protonet compares" in done.out
    assert "class 1" in done.out
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--code"], "no plain PyTorch form: 'protonet' is a learner"),
        (["--at", "parameters=100"], "'protonet' is a learner, which trains nothing and so has no rate"),
        (["--explain", "--corpus", "sinusoids"], "the support targets are float32, no class numbers"),
        (["--explain", "--corpus", "starter"], "has no episodes to compare; give --corpus, one with a few-shot task"),
    ],
)
def test_what_a_learner_has_not_is_said(run, options, message, tmp_path):
    metaopt.Recipe.create(metaopt.Configuration(learner="protonet")).save(tmp_path)
    done = run("show", tmp_path, *options)
    assert done.code == 2
    assert message in " ".join(done.err.split())
