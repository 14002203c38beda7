"""The starter corpus: what holds for each of its tasks."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.func import functional_call, grad_and_value

import metaopt
import metaopt_corpora
from metaopt.contracts import num_trained
from metaopt_corpora.starter import load_starter

pytestmark = pytest.mark.thorough

STARTER = load_starter()
NUM_MEMBERS = 3


def test_it_is_offered_by_name():
    specs = metaopt_corpora.metaopt_plugins()
    assert all(isinstance(spec, metaopt.CorpusSpec) for spec in specs)
    assert [spec.name for spec in specs] == ["omniglot", "sinusoids", "starter"]


def test_it_has_many_tasks_of_many_kinds():
    assert len(STARTER) >= 18
    assert len(STARTER.families) >= 6
    assert all(len(tasks) >= 2 for tasks in STARTER.families.values())
    assert len({task.batch_size for task in STARTER}) >= 4
    assert len({task.num_steps for task in STARTER}) >= 4


def test_it_is_the_same_each_time():
    assert load_starter().fingerprint == STARTER.fingerprint


def test_its_fingerprints_are_the_same_on_every_python_and_torch():
    """CI runs this on each; where a task changes, benchmarks/recipes/starter_references.py writes the file anew."""
    known = json.loads((Path(__file__).parent / "fingerprints.json").read_text())
    loaded = [*STARTER, *metaopt.load_corpus("sinusoids")]
    assert {task.name: task.fingerprint for task in loaded} == known


def test_listing_it_imports_no_heavy_library():
    code = "import sys, metaopt_corpora; sys.exit('sklearn' in sys.modules or 'pandas' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode
        == 0
    )


@pytest.mark.parametrize("task", list(STARTER), ids=lambda task: task.name)
def test_a_task_is_small_and_complete(task):
    splits = task.splits
    assert 10 <= task.num_validations <= 20
    assert 100 <= task.num_steps <= 400
    assert task.batch_size <= len(splits.train)
    assert len(splits.validation) <= 300
    assert len(splits.test) <= 400
    for split in (splits.train, splits.validation, splits.test):
        assert split.inputs.dtype in (torch.float32, torch.int64)
        assert split.inputs.isfinite().all()
    assert num_trained(task.build(0)) < (100_000 if task.family.endswith("_ladder") else 4_000)


@pytest.mark.parametrize("task", list(STARTER), ids=lambda task: task.name)
def test_a_task_can_be_sent_to_another_process(task):
    assert pickle.loads(pickle.dumps(task)).fingerprint == task.fingerprint


@pytest.mark.parametrize("task", list(STARTER), ids=lambda task: task.name)
def test_vmap_equals_the_loop(task):
    modules = [task.build(seed) for seed in range(NUM_MEMBERS)]
    params = {
        name: torch.stack([dict(m.named_parameters())[name].detach() for m in modules]) for name in named(modules[0])
    }
    inputs, targets = task.splits.train.inputs[:8], task.splits.train.targets[:8]

    def loss(one):
        return task.loss(functional_call(modules[0], one, (inputs,)), targets)

    def measure(one):
        return task.measure(functional_call(modules[0], one, (inputs,)), targets)

    gradients, values = torch.vmap(grad_and_value(loss))(params)
    measures = torch.vmap(measure)(params)
    for member, module in enumerate(modules):
        value = task.loss(module(inputs), targets)
        for name, gradient in zip(named(module), torch.autograd.grad(value, list(module.parameters())), strict=True):
            torch.testing.assert_close(gradients[name][member], gradient, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(values[member], value.detach(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(
            measures[member], task.measure(module(inputs), targets).detach(), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("task", list(STARTER), ids=lambda task: task.name)
def test_training_helps_and_the_learning_rate_matters(task):
    """Adam at 1e-2 beats both what it started from and Adam at 1e-5, on validation data."""
    start = task.measure(task.build(0)(task.splits.validation.inputs), task.splits.validation.targets).item()
    slow, fast = trained(task, lr=1e-5), trained(task, lr=1e-2)
    assert fast < start - 0.02 * abs(start)
    assert fast < slow - 0.02 * abs(slow)


def trained(task, lr):
    """The best validation value, lower is better, of a short run."""
    module = task.build(0)
    optimizer = torch.optim.Adam(module.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(0)
    splits, best = task.splits, float("inf")
    for step in range(1, task.num_steps // 2 + 1):
        rows = torch.randint(len(splits.train), (task.batch_size,), generator=generator)
        optimizer.zero_grad()
        task.loss(module(splits.train.inputs[rows]), splits.train.targets[rows]).backward()
        optimizer.step()
        if step % 25 == 0:
            with torch.no_grad():
                best = min(best, task.measure(module(splits.validation.inputs), splits.validation.targets).item())
    return best


def named(module):
    return [name for name, _ in module.named_parameters()]
