"""A distribution that somebody else wrote is installed, found, checked, tuned and bound, through the public door."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

SOURCE = Path(__file__).parent / "fixtures" / "metaopt_thirdparty"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the distribution, so that building it leaves nothing in the checkout."""
    return shutil.copytree(SOURCE, tmp_path_factory.mktemp("source") / SOURCE.name)


@pytest.fixture(scope="module")
def environment(tmp_path_factory, source):
    """The distribution, really installed into a folder of its own; the environment in which Python sees it."""
    site = tmp_path_factory.mktemp("site")
    command = ["pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", site, source]
    subprocess.run([sys.executable, "-m", *command], check=True)
    return {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def run(environment, tmp_path):
    """Runs Python where the distribution is installed and the checkout is not the current folder."""

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-W", "error::RuntimeWarning", *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def metaopt(*arguments):
    return "-c", "from metaopt.cli import main; main()", *arguments


def test_it_is_found_with_its_provenance(run):
    done = run(*metaopt("plugins", "--json"))
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout) if row["distribution"] == "metaopt-sign-descent"}
    assert set(rows) == {"signum", "inverse_sqrt"}
    assert rows["signum"]["kind"] == "optimizer"
    assert rows["signum"]["distribution_version"] == "0.2.0"
    assert rows["signum"]["entry_point"] == "sign_descent = metaopt_sign_descent"
    assert rows["inverse_sqrt"]["status"] == "ok"


@pytest.mark.parametrize("name", ["signum", "inverse_sqrt"])
def test_it_keeps_its_contract(run, name):
    done = run(*metaopt("check", name))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout


def test_its_own_tests_pass_under_pytest(run, source):
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(source / "tests"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_tuned_and_the_recipe_is_bound(run, tmp_path):
    (tmp_path / "tune.py").write_text(TUNE)
    done = run("tune.py")
    assert done.returncode == 0, done.stderr
    configuration, first, last = json.loads(done.stdout.splitlines()[-1])
    assert configuration["optimizer"] == "signum"
    assert configuration["controller"] == "inverse_sqrt"
    assert 1e-5 <= configuration["hparams"]["signum.lr"] <= 1e-1
    assert last < first


def test_it_is_bound_to_a_model_and_trains_it(run, tmp_path):
    (tmp_path / "train.py").write_text(TRAIN)
    done = run("train.py")
    assert done.returncode == 0, done.stderr
    first, last = json.loads(done.stdout)
    assert last < 0.2 * first


TUNE = """
import json
import torch
import metaopt

def split(count, seed):
    inputs = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return metaopt.Split(inputs, inputs.sum(1, keepdim=True))

def task(name, width):
    return metaopt.Task(
        name=name, family="sums", data=metaopt.Splits(split(64, 0), split(32, 1), split(32, 2)),
        model=lambda: torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Tanh(), torch.nn.Linear(width, 1)),
        loss=torch.nn.functional.mse_loss, batch_size=16, num_steps=20, num_validations=5,
    )

result = metaopt.tune(
    [task("narrow", 4), task("wide", 16)], n_trials=6, seed=0,
    optimizers=["signum"], controllers=["inverse_sqrt"], against=["adamw"],
)
result.recipe.save("recipe")
recipe = metaopt.load_recipe("recipe")

data = split(64, 3)
torch.manual_seed(0)
model = torch.nn.Linear(3, 1)
run = recipe.bind(model, total_steps=100)
losses = []
for _ in range(100):
    run.optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(data.inputs), data.targets)
    loss.backward()
    run.step(loss)
    losses.append(loss.item())
print(json.dumps([recipe.configuration.to_json(), losses[0], losses[-1]]))
"""

TRAIN = """
import json
import torch
import metaopt
from metaopt.configuration import Configuration

hparams = {"signum.lr": 0.02, "inverse_sqrt.warmup": 0.1}
recipe = metaopt.Recipe.create(Configuration("signum", "inverse_sqrt", hparams=hparams))
recipe.save("recipe")

torch.manual_seed(0)
model, inputs = torch.nn.Linear(3, 1), torch.randn(64, 3)
targets = inputs.sum(1, keepdim=True)
run = metaopt.load_recipe("recipe").bind(model, total_steps=200)
losses = []
for _ in range(200):
    run.optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(inputs), targets)
    loss.backward()
    run.step(loss)
    losses.append(loss.item())
print(json.dumps([losses[0], losses[-1]]))
"""
