import numpy as np

from metaopt.space import Categorical, Float, Int
from metaopt.tuning.chooser import ask
from metaopt.tuning.search.trial_stand_ins import RandomChooser


def test_each_kind_of_distribution_is_asked_for_in_its_own_way():
    chooser = RandomChooser(np.random.default_rng(0))
    for _ in range(20):
        assert 0.5 <= ask(chooser, "a", Float(0.5, 2.0, log=True)) <= 2.0
        assert ask(chooser, "b", Int(1, 3)) in (1, 2, 3)
        assert ask(chooser, "c", Categorical(("x", "y", "z"), proposed=("y",))) == "y"
