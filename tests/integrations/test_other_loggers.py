"""The loggers of docs/loggers.md, as they stand there, write what MLflow and Weights & Biases read back."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch

import metaopt
from metaopt import Configuration

PAGE = (Path(__file__).parents[2] / "docs" / "loggers.md").read_text()


def logger(name):
    if importlib.util.find_spec(name.lower()) is None:
        pytest.skip(f"{name.lower()} is not installed.")
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if f"class {name}:" in block]
    namespace = {}
    exec(block, namespace)
    return namespace[name]


def train(watch):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    run = metaopt.Recipe.create(Configuration("adamw", "cosine")).bind(model, total_steps=3, watch=watch)
    losses = []
    for _ in range(3):
        run.optimizer.zero_grad()
        loss = model(torch.ones(4, 3)).square().mean()
        loss.backward()
        run.step(loss)
        losses.append(loss.item())
    run.observe(losses[-1])
    run.finish()
    return losses


@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_each_step_and_why_the_run_ended(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    watch = logger("MLflow")(uri, "digits")
    losses = train(watch)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    history = client.get_metric_history(watch.run_id, "run/loss")
    assert [(metric.step, metric.value) for metric in history] == [
        (step, pytest.approx(loss)) for step, loss in enumerate(losses, 1)
    ]
    run = client.get_run(watch.run_id)
    assert run.data.tags["run.finish"] == "Finished after 3 steps, whose best validation was that of step 3."
    assert run.info.status == "FINISHED"


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_keeps_the_run_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    watch = logger("WandB")("digits")
    losses = train(watch)
    import wandb

    wandb.teardown()  # what writes the file is a process of its own
    file, *_ = tmp_path.rglob("*.wandb")
    content = file.read_bytes()  # records one after the other, their keys as they are
    assert content.count(b"run/gradient_norm") >= len(losses)
    for name in (b"run/loss", b"run/rate", b"run/metric", b"Finished after 3 steps"):
        assert name in content
