"""What cannot serve sharded parameters gives way to a rule, or is refused by name before the first step."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

import metaopt
from metaopt import Configuration, Recipe
from tests.ranks import on_ranks


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2))


def fully_sharded(part=None):
    from torch.distributed.fsdp import fully_shard

    whole = model()
    fully_shard(whole if part is None else whole[part], mesh=dist.device_mesh.init_device_mesh("cpu", (2,)))
    return whole


def classes(rank):
    names = ("adamw", "sgd", "rmsprop", "adagrad", "schedulefree_adamw", "adafactor")
    made = {name: type(metaopt.create_optimizer(name, fully_sharded())).__name__ for name in names}
    made["clip"] = type(metaopt.create_optimizer("adamw", fully_sharded(), wrappers=["clip"])).__name__
    made["partly"] = type(metaopt.create_optimizer("adamw", fully_sharded(0))).__name__
    return made


def test_classes_that_step_each_number_by_itself_stay():
    for made in on_ranks(classes):
        assert made == {
            "adamw": "AdamW",
            "sgd": "SGD",
            "rmsprop": "RMSprop",
            "adagrad": "Adagrad",
            "schedulefree_adamw": "AdamWScheduleFree",
            "adafactor": "RuleOptimizer",
            "clip": "RuleOptimizer",
            "partly": "RuleOptimizer",
        }


def refusals(rank):
    spec = metaopt.optimizer_spec(torch.optim.Adamax, name="adamax_of_test")
    known = metaopt.optimizer_spec(torch.optim.Adamax, name="adamax_that_shards", sharded=True)
    metaopt.register(spec)
    metaopt.register(known)
    with pytest.raises(metaopt.PluginError) as refused:
        Recipe.create(Configuration(spec.name)).bind(fully_sharded(), total_steps=3)
    run = Recipe.create(Configuration(known.name)).bind(fully_sharded(), total_steps=3)
    with pytest.raises(metaopt.PluginError, match="Adafactor looks at whole ones"):
        metaopt.create_optimizer("adafactor", fully_sharded(), implementation="native")
    return str(refused.value), type(run.optimizer).__name__


def test_a_class_without_a_rule_is_refused_unless_it_is_known_to_serve():
    for message, made in on_ranks(refusals, own_pair=True):
        assert "'adamax_of_test' cannot run here: ranks hold parts of the parameters" in message
        assert "sharded=True" in message
        assert made == "Adamax"
