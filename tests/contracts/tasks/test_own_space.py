"""What a task has of its own is declared once, taken by name, and refused in a sentence."""

import functools

import pytest
import torch
from torch import nn

import metaopt
from metaopt import BlackBoxTask, Categorical, Float, InputError, Int, When
from metaopt.contracts import own_values

SPACE = {"dropout": Float(0.0, 0.5, default=0.1), "batch": Int(8, 64, default=16)}


def network(dropout):
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(2, 1))


def task(**fields):
    parts = [metaopt.Split(torch.zeros(rows, 2), torch.zeros(rows, 1)) for rows in (64, 4, 4)]
    given = {"model": network, "space": SPACE, "batch_size_of": lambda batch: batch, **fields}
    return metaopt.Task("mine", "lines", data=metaopt.Splits(*parts), loss=nn.functional.mse_loss, **given)


def job(train, space=SPACE):
    return BlackBoxTask("job", "jobs", train=train, space=space)


def test_a_task_is_at_its_defaults_until_values_are_given():
    own = task()
    assert own.batch_size == own.scale.batch_size == 16
    assert own.build(0)[0].p == 0.1
    given = own.with_values({"batch": 32, "dropout": 0.4, "of_another_task": 7})
    assert (given.batch_size, given.build(0)[0].p, given.space) == (32, 0.4, {})
    assert own.with_values({"batch": 8}).build(0)[0].p == 0.1
    plain = task(space={}, batch_size_of=None, model=lambda: nn.Linear(2, 1))
    assert plain.with_values({"dropout": 0.4}) is plain


def test_functions_take_what_they_name_or_everything():
    everything = task(model=lambda **values: network(values["dropout"] if values["batch"] == 16 else 0.3))
    assert everything.build(0)[0].p == 0.1
    assert everything.with_values({"batch": 17}).build(0)[0].p == 0.3
    partial = task(model=functools.partial(lambda dropout, width: network(dropout), width=3))
    assert partial.with_values({"dropout": 0.2}).build(0)[0].p == 0.2


def test_a_hyperparameter_of_one_value_and_one_under_a_condition_have_their_values():
    space = {
        "kind": Categorical(("flat", "deep")),
        "depth": Int(1, 9, default=2, when=When("kind", among=("deep",))),
        "width": Categorical((7,)),
    }
    values = own_values("job", space, {"kind": "flat"})
    assert values == {"kind": "flat", "depth": 2, "width": 7}


def test_its_defaults_are_part_of_the_fingerprint_and_its_ranges_are_not():
    def train(recipe, seed, dropout, batch):
        yield 1, dropout

    plain = job(train).fingerprint
    wider = job(train, {**SPACE, "dropout": Float(0.0, 0.9, default=0.1)}).fingerprint
    other = job(train, {**SPACE, "dropout": Float(0.0, 0.5, default=0.2)}).fingerprint
    assert plain == wider != other
    assert task().fingerprint != task(space={**SPACE, "batch": Int(8, 64, default=17)}).fingerprint


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ([("dropout", SPACE["dropout"])], r"space maps names to Float, Int or Categorical, got \[\('dropout'"),
        ({"drop-out": SPACE["dropout"]}, r"names that a function can take as keywords, got 'drop-out'\."),
        ({"lambda": SPACE["dropout"]}, r"names that a function can take as keywords, got 'lambda'\."),
        ({"dropout": (0.0, 0.5)}, r"space\['dropout'\] must be a Float, Int or Categorical, got \(0\.0, 0\.5\)\."),
        ({"dropout": Categorical((None, 0.5))}, "choices are numbers, truth values or texts, got None"),
        ({"dropout": Float(0, 1, when=When("depth", above=1))}, r"Conditions of \['dropout'\] name unknown"),
        ({"depth": Int(1, 3)}, "nothing takes 'depth' of its space; give a parameter of that name to model or batch"),
    ],
)
def test_a_space_that_cannot_be_is_refused_in_a_sentence(space, message):
    with pytest.raises(InputError, match=message):
        task(space=space, model=lambda dropout=0.0: network(dropout), batch_size_of=lambda batch=8: batch)


def test_a_function_of_the_batch_size_is_one_and_makes_one():
    with pytest.raises(InputError, match="batch_size_of is a function of hyperparameters of space, got 32; a number"):
        task(batch_size_of=32)
    with pytest.raises(InputError, match="batch_size must be a positive whole number, got 0"):
        task(batch_size_of=lambda batch: 0)
    with pytest.raises(InputError, match="its batch_size_of function raised ZeroDivisionError"):
        task(batch_size_of=lambda batch: 1 // 0)


def test_a_train_that_does_not_take_them_is_refused_when_the_task_is_made():
    with pytest.raises(InputError, match=r"a seed and dropout, batch by name, and got an unexpected keyword argument"):
        job(lambda recipe, seed: iter(()))
    with pytest.raises(InputError, match=r"missing a required argument: 'width'; write def train\(recipe, seed, \*, "):
        job(lambda recipe, seed, dropout, batch, width: iter(()))
    with pytest.raises(InputError, match=r"missing a required argument: 'dropout'; write .*or state in space"):
        job(lambda recipe, seed, dropout: iter(()), {})
    with pytest.raises(InputError, match="multiple values for argument 'seed'"):
        job(lambda recipe, seed: iter(()), {"seed": Int(0, 3)})
    job(lambda recipe, seed, **values: iter(()))


def test_values_outside_of_the_space_are_refused():
    with pytest.raises(InputError, match=r"Task 'mine'\.dropout must be in \[0, 0\.5\], got 0\.7"):
        task().with_values({"dropout": 0.7})
