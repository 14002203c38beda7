"""What a recipe's law makes of its rate for a training of some size."""

import pytest

import metaopt
from metaopt import Configuration, RateLaw, Role


@pytest.fixture
def recipe(tmp_path):
    configuration = Configuration(
        "adamw",
        "wsd",
        hparams={"adamw.lr": 0.02},
        roles={"matrix": Role("muon")},
        rate_law={"adamw": RateLaw(0.5, 0.5, 0.0, spread=0.8, measured={"parameters": (1e3, 1e5)})},
    )
    metaopt.Recipe.create(configuration).save(tmp_path / "mine")
    return tmp_path / "mine"


def test_each_optimizer_has_a_line(run, recipe):
    done = run("show", recipe, "--at", "parameters=1e6,batch_size=256")
    assert done.code == 0, done.err
    first, second = done.out.splitlines()
    assert first == "adamw: rate 0.02 → 0.004: 100 × the parameters, 4 × the batch"
    assert second == "muon: rate 0.001 at any size: it has no law."


def test_without_at_the_formula_and_how_far_it_was_measured_are_shown(run, recipe):
    printed = " ".join(run("show", recipe).out.split())
    assert "rate law of adamw parameters 0.5 0.333" in printed
    assert "Rate of adamw: 0.02 * (parameters / 10_000) ** -0.5 * (batch_size / 64) ** 0.5" in printed
    assert "measured over 1,000 to 100,000 parameters; best rates lay 0.8 octaves from it" in printed


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ("width=3", "--at takes each of parameters, batch_size, total_steps once, as key=number, got 'width=3'."),
        ("parameters", "as key=number, got 'parameters'."),
        ("parameters=1,parameters=2", "as key=number, got 'parameters=2'."),
        ("batch_size=many", "--at: batch_size must be a number above 0, got 'many'."),
        ("batch_size=-3", "batch_size must be a number above 0, got -3.0."),
        ("total_steps=nan", "total_steps must be a number above 0, got nan."),
    ],
)
def test_other_sizes_are_refused_in_a_sentence(run, recipe, sizes, sentence):
    done = run("show", recipe, "--at", sizes)
    assert done.code == 2
    assert sentence in " ".join(done.err.split())
