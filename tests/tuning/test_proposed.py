import metaopt
from metaopt.plugin import current_registry
from metaopt.tuning.proposed import proposed_specs


def test_named_plugins_come_once_and_all_others_only_where_an_ordinary_loop_serves_them():
    registry = current_registry()
    named = proposed_specs(registry, metaopt.WeightingSpec, ["dwa", "equal", "dwa"])
    assert [spec.name for spec in named] == ["dwa", "equal"]
    assert "equal" not in {spec.name for spec in proposed_specs(registry, metaopt.WeightingSpec, None)}
    learned = {spec.name for spec in proposed_specs(registry, metaopt.OptimizerSpec, None)}
    assert "adamw" in learned
    assert "maml" not in learned
