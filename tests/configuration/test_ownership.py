import pytest

import metaopt
from metaopt.configuration.ownership import by_owner
from metaopt.plugin import current_registry

ADAMW = current_registry().get(metaopt.OptimizerSpec, "adamw")
COSINE = current_registry().get(metaopt.ControllerSpec, "cosine")


def test_values_are_told_apart_by_the_plugins_name():
    owned = by_owner({"adamw.lr": 0.1, "cosine.warmup": 0.2}, [ADAMW, COSINE])
    assert owned == {"adamw": {"lr": 0.1}, "cosine": {"warmup": 0.2}}


def test_what_belongs_to_nobody_and_who_comes_twice_is_refused():
    with pytest.raises(metaopt.InputError, match=r"'sgd.lr' belongs to none of \['adamw'\]"):
        by_owner({"sgd.lr": 0.1}, [ADAMW])
    with pytest.raises(metaopt.InputError, match="comes more than once"):
        by_owner({}, [ADAMW, ADAMW])
