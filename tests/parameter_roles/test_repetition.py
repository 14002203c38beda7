"""Which modules are part of a block that comes several times."""

from torch import nn

from metaopt.parameter_roles.repetition import is_repeated


def test_members_that_are_built_alike_are_repeated_and_so_is_what_they_hold():
    blocks = nn.ModuleList(nn.ModuleDict({"mix": nn.Linear(4, 4)}) for _ in range(2))
    model = nn.ModuleDict({"blocks": blocks, "last": nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 2)])})
    assert is_repeated(model, "blocks.1.mix")
    assert not is_repeated(model, "blocks")
    assert not is_repeated(model, "last.1")
