import pytest
import torch

import metaopt
from metaopt.inner.gradients.batches import Batches, batch_indices


def test_every_epoch_sees_every_example_once():
    order = batch_indices(num_examples=10, batch_size=4, num_steps=5, seed=3).reshape(-1)
    assert sorted(order[:10].tolist()) == list(range(10))
    assert sorted(order[10:].tolist()) == list(range(10))
    assert order[:10].tolist() != order[10:].tolist()


def test_batches_depend_on_the_seed_alone_and_a_longer_run_begins_as_a_shorter_one():
    torch.manual_seed(1)
    first = batch_indices(100, 8, 30, seed=5)
    torch.manual_seed(2)
    assert torch.equal(first, batch_indices(100, 8, 30, seed=5))
    assert torch.equal(first[:10], batch_indices(100, 8, 10, seed=5))
    assert not torch.equal(first, batch_indices(100, 8, 30, seed=6))


def test_a_batch_larger_than_the_data_is_the_data():
    batches = batch_indices(num_examples=6, batch_size=64, num_steps=3, seed=0)
    assert batches.shape == (3, 6)
    assert all(sorted(batch.tolist()) == list(range(6)) for batch in batches)


def task_with(augment):
    rows = metaopt.Split(torch.arange(40.0)[:, None], torch.zeros(40, 1))
    return metaopt.Task(
        name="changed",
        family="lines",
        model=lambda: torch.nn.Linear(1, 1),
        data=metaopt.Splits(rows, rows, rows),
        loss=torch.nn.functional.mse_loss,
        batch_size=8,
        num_steps=6,
        augment=augment,
    )


def noise(inputs, generator):
    return inputs + torch.rand(inputs.shape, generator=generator)


def test_what_is_drawn_for_a_member_depends_on_its_seed_and_the_step_alone():
    task = task_with(noise)
    together = Batches(task, [3, 4, 3])
    for step in range(3):
        inputs, _ = together.at(step)
        assert torch.equal(inputs[0], inputs[2])
        for row, seed in enumerate((3, 4, 3)):
            torch.manual_seed(step)
            assert torch.equal(inputs[row], Batches(task, [seed]).at(step)[0])
    plain = Batches(task_with(None), [3])
    changes = [Batches(task, [3]).at(step)[0] - plain.at(step)[0] for step in range(2)]
    assert all(change.min() >= 0 and change.max() <= 1 for change in changes)
    assert not torch.equal(*changes)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (
            lambda inputs, generator: inputs[:2],
            r"augment must keep the inputs' type and shape, .*\(8, 1\), got",
        ),
        (lambda inputs, generator: inputs.double(), r"got torch\.float64 \(8, 1\)"),
        (lambda inputs, generator: None, r"got NoneType"),
        (lambda inputs, generator: inputs / {}, r"its augment function raised TypeError"),
    ],
)
def test_changes_that_cannot_be_are_refused(augment, message):
    with pytest.raises(metaopt.InputError, match=message):
        Batches(task_with(augment), [0]).at(0)
