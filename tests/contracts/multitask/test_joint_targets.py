import torch

import metaopt
from metaopt.contracts.multitask.joint_targets import joined


def splits(*counts, targets):
    return metaopt.Splits(
        *[metaopt.Split(torch.arange(count * 2.0).reshape(count, 2), targets(count)) for count in counts]
    )


def test_targets_of_any_kind_come_back_as_they_were():
    parts = [
        splits(4, 2, 2, targets=lambda n: torch.arange(n) + 2**40),
        splits(4, 2, 2, targets=lambda n: torch.rand(n, 2, 3)),
        splits(4, 2, 2, targets=lambda n: torch.ones(n, dtype=torch.bool)),
    ]
    joint, targets = joined(parts, stacked=False)
    for name in ("train", "validation", "test"):
        apart = targets.apart(getattr(joint, name).targets)
        for own, part in zip(apart, parts, strict=True):
            assert torch.equal(own, getattr(part, name).targets)
            assert own.dtype == getattr(part, name).targets.dtype


def test_floats_stay_in_single_precision():
    joint, _ = joined([splits(3, 1, 1, targets=lambda n: torch.rand(n, 1))] * 2, stacked=False)
    assert joint.train.targets.dtype == torch.float32


def test_of_unequally_many_examples_each_is_judged_once():
    parts = [splits(4, 3, 2, targets=torch.arange), splits(7, 5, 2, targets=torch.arange)]
    joint, targets = joined(parts, stacked=True)
    assert len(joint.train) == 7
    assert targets.counts(joint.train.targets) == [None, None]
    assert targets.apart(joint.train.targets)[0].tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert targets.counts(joint.validation.targets) == [3, 5]
    assert [own.tolist() for own in targets.apart(joint.validation.targets)] == [[0, 1, 2], [0, 1, 2, 3, 4]]
    assert targets.counts(joint.test.targets) == [None, None]
    assert torch.equal(joint.validation.inputs[:3, 0], parts[0].validation.inputs)
