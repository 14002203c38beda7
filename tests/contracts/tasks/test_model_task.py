"""What tasks of all kinds share."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.contracts import check_trains, num_trained
from metaopt.contracts.tasks.model_task import is_pretrained

ROWS = metaopt.Split(torch.randn(40, 3), torch.zeros(40, 1))
SPLITS = metaopt.Splits(ROWS, ROWS, ROWS)


class Lines:
    """Episodes of ones."""

    fingerprint = "lines"

    def sample(self, partition, count, generator):
        return metaopt.Episodes(*[torch.ones(count, 4, 1)] * 4)


def task(model=lambda: nn.Linear(3, 1), data=SPLITS, **changes):
    return metaopt.Task("rows", "tables", model, data, nn.functional.mse_loss, **changes)


def few_shot(**changes):
    return metaopt.FewShotTask("lines", "waves", lambda: nn.Linear(1, 1), Lines(), nn.functional.mse_loss, **changes)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (task(), "Task(name='rows', family='tables', batch_size=64, num_steps=300, train=40, validation=40)"),
        (task(data=lambda: SPLITS), "Task(name='rows', family='tables', batch_size=64, num_steps=300)"),
        (few_shot(), "FewShotTask(name='lines', family='waves', num_steps=5, batch_size=None, num_iterations=1000)"),
        (
            metaopt.BlackBoxTask("job", "jobs", lambda recipe, seed: iter([]), num_steps=3),
            "BlackBoxTask(name='job', family='jobs', num_steps=3)",
        ),
        (metaopt.Corpus("both", (task(), few_shot())), "Corpus(name='both', tasks=2, families=2)"),
        (ROWS, "Split(inputs=float32 (40, 3), targets=float32 (40, 1))"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_shown_is_one_line_of_names_and_sizes(value, shown):
    assert repr(value) == shown


def test_to_show_a_task_does_not_make_its_data():
    def data():
        raise AssertionError("made")

    assert "train" not in repr(task(data=data))


def test_a_task_with_a_name_of_a_megabyte_is_shown_in_a_line():
    shown = repr(metaopt.BlackBoxTask("x" * 1_000_000, "jobs", lambda recipe, seed: iter([])))
    assert len(shown) < 200


@pytest.mark.parametrize("make", [task, few_shot])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True])
def test_a_budget_is_a_positive_whole_number(make, value):
    with pytest.raises(metaopt.InputError, match="num_steps must be a positive whole number, got"):
        make(num_steps=value)


def test_higher_is_better_where_the_mode_says_so():
    output, targets = torch.ones(2, 1), torch.zeros(2, 1)
    assert task(mode="max").measure(output, targets) == -task().measure(output, targets)


def test_a_model_depends_on_its_seed_alone_and_leaves_the_generator_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, same, other = (task().build(seed).weight for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.rand(1), expected)


def test_lazy_layers_have_their_shapes():
    built = task(lambda: nn.LazyLinear(1)).build(0)
    assert built.weight.shape == (1, 3)
    assert num_trained(built) == 4


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: 3, "model must make a torch.nn.Module, got 3"),
        (lambda: 1 / 0, "its model function raised ZeroDivisionError"),
    ],
)
def test_a_model_that_is_none_is_one_sentence(model, message):
    with pytest.raises(metaopt.InputError, match=message):
        task(model).build(0)


def test_a_model_without_anything_to_train_is_refused():
    for model, message in (
        (nn.ReLU(), "nothing to train"),
        (nn.Linear(2, 1, device="meta"), "meta device"),
        (nn.Linear(2, 1, dtype=torch.complex64), "torch.complex64"),
    ):
        with pytest.raises(metaopt.InputError, match=message):
            check_trains("rows", model)


def test_weights_that_no_seed_decides_are_pretrained_and_zeros_are_not():
    torch.manual_seed(0)
    stored = nn.Linear(8, 8).state_dict()

    def tuned(*, loaded, head=2):
        model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, head))
        if loaded:
            model[0].load_state_dict(stored)
        return model

    def zeros():
        model = nn.Linear(8, 8)
        nn.init.zeros_(model.weight)
        return model

    assert is_pretrained(tuned(loaded=True), tuned(loaded=True))
    assert not is_pretrained(tuned(loaded=False), tuned(loaded=False))
    assert not is_pretrained(tuned(loaded=True, head=40), tuned(loaded=True, head=40))
    assert not is_pretrained(zeros(), zeros())
