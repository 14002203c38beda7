"""Tasks say what is wrong with themselves."""

import pytest
import torch
from torch import nn

import metaopt


def split(rows: int) -> metaopt.Split:
    return metaopt.Split(torch.zeros(rows, 2), torch.zeros(rows, 1))


def task(**fields: object) -> metaopt.Task:
    given = {
        "name": "mine",
        "family": "lines",
        "model": lambda: nn.Linear(2, 1),
        "data": metaopt.Splits(split(8), split(4), split(4)),
        "loss": nn.functional.mse_loss,
        **fields,
    }
    return metaopt.Task(**given)  # type: ignore[arg-type]


def broken() -> None:
    raise FileNotFoundError("train.npz")


@pytest.mark.parametrize("part", ["data", "model"])
def test_a_task_whose_own_code_fails_is_named_with_the_part_and_the_cause(part: str) -> None:
    with pytest.raises(
        metaopt.InputError, match=f"Task 'mine': its {part} function raised FileNotFoundError: train.npz"
    ):
        _ = task(**{part: broken}).fingerprint


def test_data_is_made_once() -> None:
    calls = []

    def data() -> metaopt.Splits:
        calls.append(1)
        return metaopt.Splits(split(8), split(4), split(4))

    one = task(data=data)
    assert one.splits is one.splits
    assert len(calls) == 1


def test_a_model_depends_on_the_seed_alone_and_leaves_the_global_generator_as_it_was() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, again, other = (task().build(seed).weight for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("field", ["num_steps", "batch_size", "num_validations"])
def test_counts_are_positive_whole_numbers(field: str) -> None:
    with pytest.raises(metaopt.InputError, match=f"{field} must be a positive whole number, got 0"):
        task(**{field: 0})


def test_validations_are_spread_evenly_and_end_with_the_last_step() -> None:
    assert task(num_steps=100, num_validations=4).validation_steps == (25, 50, 75, 100)
    assert task(num_steps=3, num_validations=20).validation_steps == (1, 2, 3)


def test_the_fingerprint_follows_data_model_and_budget_and_nothing_else() -> None:
    base = task().fingerprint
    assert task().fingerprint == base
    assert task(num_steps=7).fingerprint != base
    assert task(model=lambda: nn.Linear(2, 1, bias=False)).fingerprint != base
    moved = metaopt.Splits(split(8), split(4), metaopt.Split(torch.ones(4, 2), torch.zeros(4, 1)))
    assert task(data=moved).fingerprint != base


def test_a_corpus_names_what_it_has() -> None:
    corpus = metaopt.Corpus("mine", (task(name="a"), task(name="b", family="other")))
    assert list(corpus.families) == ["lines", "other"]
    with pytest.raises(metaopt.InputError, match=r"has no task 'c'; it has \['a', 'b'\]"):
        corpus["c"]
    with pytest.raises(metaopt.InputError, match=r"tasks of the same name: \['a'\]"):
        metaopt.Corpus("mine", (task(name="a"), task(name="a")))
