"""What of a space decides its proposals."""

from metaopt import Categorical, Float
from metaopt.space import as_proposed


def test_bounds_on_what_people_type_do_not_count_and_ranges_do():
    space = {"lr": Float(1e-4, 1.0, log=True, default=1e-2), "kind": Categorical(("a", "b"), default="a")}
    wider = {**space, "lr": Float(1e-4, 1.0, log=True, default=1e-2, valid="(0, inf)")}
    other = {**space, "lr": Float(1e-3, 1.0, log=True, default=1e-2)}
    assert as_proposed(wider) == as_proposed(dict(reversed(space.items())))
    assert as_proposed(other) != as_proposed(space)
