"""TensorBoard's own reader finds in the event file what a run, a tuning and a meta-training reported."""

import subprocess
import sys

import pytest
import torch

import metaopt
from metaopt import Configuration

pytest.importorskip("tensorboard", reason="tensorboard is not installed")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from metaopt.integrations.tensorboard import TensorBoard


def read(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()
    scalars = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]}
    texts = {
        tag.removesuffix("/text_summary"): [event.tensor_proto.string_val[0].decode() for event in events.Tensors(tag)]
        for tag in tags["tensors"]
    }
    return scalars, texts


def train(watch, steps=6):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    recipe = metaopt.Recipe.create(Configuration("adamw", "cosine"))
    run = recipe.bind(model, total_steps=steps, watch=watch)
    losses = []
    for step in range(1, steps + 1):
        run.optimizer.zero_grad()
        loss = model(torch.ones(4, 3)).square().mean()
        loss.backward()
        run.step(loss)
        losses.append(loss.item())
        if step % 3 == 0:
            run.observe(losses[-1])
    return run, losses


def test_a_run_is_in_the_event_file(tmp_path):
    watch = TensorBoard(tmp_path / "new" / "folder")
    run, losses = train(watch)
    run.finish()
    watch.close()
    watch.close()
    scalars, texts = read(tmp_path / "new" / "folder")
    assert [step for step, _ in scalars["run/loss"]] == [1, 2, 3, 4, 5, 6]
    assert [value for _, value in scalars["run/loss"]] == pytest.approx(losses)
    assert scalars["run/rate"][0][1] == pytest.approx(1e-3)
    assert scalars["run/rate"][-1][1] < 1e-4
    assert len(scalars["run/gradient_norm"]) == 6
    assert [value for _, value in scalars["run/metric"]] == pytest.approx([losses[2], losses[5]])
    assert texts["run/finish"] == ["Finished after 6 steps, whose best validation was that of step 6."]


@pytest.mark.slow
def test_a_process_that_only_ends_loses_nothing(tmp_path):
    script = (
        "import torch, metaopt\n"
        "from metaopt.integrations.tensorboard import TensorBoard\n"
        "run = metaopt.Recipe.create(metaopt.Configuration('sgd', 'constant')).bind(\n"
        f"    model := torch.nn.Linear(1, 1), total_steps=2, watch=TensorBoard({str(tmp_path)!r}))\n"
        "loss = model(torch.ones(1, 1)).square().mean(); loss.backward(); run.step(loss)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert [step for step, _ in read(tmp_path)[0]["run/loss"]] == [1]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(metaopt.InputError, match=r"No events can be written to .*file.*: .*\.$"):
        TensorBoard(tmp_path / "file" / "inside")
