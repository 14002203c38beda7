import torch

from metaopt.inner.gradients.batches import batch_indices


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
