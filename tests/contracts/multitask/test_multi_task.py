import dataclasses

import pytest
import torch
from torch import nn

import metaopt

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(20, 3, generator=GENERATOR)


def task(name="a", inputs=INPUTS, classes=2, **changes):
    targets = (inputs.flatten(1).sum(1) > 0).long()
    parts = [metaopt.Split(inputs[rows], targets[rows]) for rows in (slice(0, 12), slice(12, 16), slice(16, None))]
    fields = {"model": lambda: nn.Linear(3, classes), "loss": nn.functional.cross_entropy, **changes}
    return metaopt.Task(name=name, family="f", data=metaopt.Splits(*parts), **fields)


def joint(*tasks, **changes):
    fields = {"trunk": lambda: nn.Linear(3, 4), "heads": lambda: nn.Linear(4, 2), "batch_size": 4, "num_steps": 6}
    return metaopt.MultiTask(name="pair", family="f", tasks=list(tasks) or [task(), task("b")], **{**fields, **changes})


def test_it_is_a_task_whose_loss_is_the_mean_of_its_tasks():
    pair = joint()
    model, train = pair.build(0), pair.splits.train
    assert isinstance(pair, metaopt.Task)
    assert isinstance(model, metaopt.SharedTrunk)
    outputs = model(train.inputs)
    each = [nn.functional.cross_entropy(outputs[own.name], own.splits.train.targets) for own in pair.tasks]
    assert torch.allclose(pair.loss(outputs, train.targets), torch.stack(each).mean())
    assert torch.allclose(pair.losses.each(outputs, train.targets), torch.stack(each))
    assert train.inputs is INPUTS or torch.equal(train.inputs, INPUTS[:12])


def test_tasks_with_inputs_of_their_own_are_stacked():
    pair = joint(task(), task("b", inputs=INPUTS + 1))
    assert pair.splits.train.inputs.shape == (12, 2, 3)
    assert pair.build(0).stacked


def test_metrics_that_point_both_ways_are_turned():
    def accuracy(output, targets):
        return (output.argmax(1) == targets).float().mean()

    both = joint(task(metric=accuracy, mode="max"), task("b", metric=accuracy, mode="max"))
    assert both.mode == "max"
    mixed = joint(task(metric=accuracy, mode="max"), task("b"))
    assert mixed.mode == "min"
    outputs, targets = mixed.build(0)(INPUTS[:12]), mixed.splits.train.targets
    own = [own.splits.train.targets for own in mixed.tasks]
    expected = (nn.functional.cross_entropy(outputs["b"], own[1]) - accuracy(outputs["a"], own[0])) / 2
    assert torch.allclose(mixed.metric(outputs, targets), expected)


def test_parts_of_it_are_tasks():
    pair = joint()
    single = pair.single("b")
    assert (single.num_steps, single.batch_size) == (6, 4)
    assert single.build(0)(INPUTS).shape == (20, 2)
    assert [own.name for own in pair.without("a").tasks] == ["b"]
    assert pair["a"] is pair.tasks[0]
    with pytest.raises(metaopt.InputError, match="Task 'pair' has no task 'z'"):
        pair.single("z")


def test_it_can_be_replaced_in_part():
    shorter = dataclasses.replace(joint(), num_steps=3)
    assert shorter.num_steps == 3
    assert shorter.fingerprint != joint().fingerprint
    assert joint().fingerprint == joint().fingerprint


@pytest.mark.parametrize(
    ("tasks", "changes", "message"),
    [
        ([], {"tasks": []}, r"tasks must be a list of one metaopt.Task or more, got \[\]"),
        ([], {"tasks": [3]}, "each of its tasks is a metaopt.Task, got 3"),
        ([task(), task()], {}, "Two heads are called 'a'"),
        (
            [task(), task("b", inputs=INPUTS[:, :2])],
            {},
            r"share no inputs: those of 'a' are float32 of shape \(3,\), those of 'b' float32 of shape \(2,\)",
        ),
        ([], {"heads": {"a": lambda: nn.Linear(4, 2)}}, "'b' is a task and no head"),
        ([], {"heads": [("a", nn.Identity), ("a", nn.Identity)]}, "Two heads are called 'a'"),
        ([], {"heads": dict.fromkeys("ab", nn.Linear(4, 2))}, "the head 'a' must be a function that makes a module"),
        ([], {"trunk": nn.Linear(3, 4)}, "trunk must be a function that makes a module, got Linear"),
        ([], {"trunk": 3}, "trunk must be a function that makes a module, got 3"),
        ([], {"redraw": lambda seed, test: None}, "redraw and widened are for one model"),
        ([], {"weights": 3}, "MultiTask takes no 'weights'"),
    ],
)
def test_what_cannot_be_trained_together_is_refused_in_a_sentence(tasks, changes, message):
    given = {"name": "pair", "family": "f", "tasks": tasks or [task(), task("b")], "trunk": lambda: nn.Linear(3, 4)}
    given |= {"heads": lambda: nn.Linear(4, 2), **changes}
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.MultiTask(**given)


def test_a_head_that_does_not_take_the_trunks_output_is_refused_when_a_model_is_built():
    with pytest.raises(metaopt.InputError, match=r"The head 'a' does not take the trunk's output, of shape \(2, 4\)"):
        joint(heads=lambda: nn.Linear(5, 2)).build(0)
