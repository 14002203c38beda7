"""Distance over gradients sets the learning rate, and needs one to set."""

import pytest

import metaopt


def test_a_rule_without_a_rate_is_refused(waves):
    spec = metaopt.OptimizerSpec(
        name="rateless",
        version="1",
        rule=metaopt.per_tensor(lambda *_: {}, lambda grad, state, *_: (-grad, state)),
        space={},
    )
    model = waves.model()
    metaopt.register(spec)
    with pytest.raises(metaopt.PluginError, match="'dog' sets the learning rate, but the rule inside has none"):
        metaopt.create_optimizer("rateless", model, wrappers=["dog"])


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg"])
def test_a_rule_that_sets_its_own_rate_is_refused(waves, wrapper):
    with pytest.raises(metaopt.PluginError, match=f"'{wrapper}' sets the learning rate, and 'prodigy' its own; leave"):
        metaopt.create_optimizer("prodigy", waves.model(), wrappers=[wrapper])
