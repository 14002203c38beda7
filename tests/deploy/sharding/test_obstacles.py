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


@pytest.mark.slow
def test_a_class_without_a_rule_is_refused_unless_it_is_known_to_serve():
    for message, made in on_ranks(refusals, own_pair=True):
        assert "'adamax_of_test' cannot run here: ranks hold parts of the parameters" in message
        assert "sharded=True" in message
        assert made == "Adamax"


def flattened(rank):
    """How far flattened parameters come to lie from whole ones, and what is refused."""
    from torch.distributed.fsdp import FullyShardedDataParallel

    inputs, farthest, messages = torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), 0.0, []
    for original in (False, True):

        def flat(original=original):
            return FullyShardedDataParallel(model(), device_id=torch.device("cpu"), use_orig_params=original)

        for wrappers in ((), ("averaged",)):
            trained = []
            for own in (model(), flat()):
                configuration = Configuration("adamw", wrappers=wrappers, no_decay="none")
                run = Recipe.create(configuration).bind(own, total_steps=9)
                for _ in range(5):
                    run.optimizer.zero_grad()
                    loss = own(inputs).square().mean()
                    loss.backward()
                    run.step(loss)
                    with run.evaluating():
                        run.observe(own(inputs).square().mean().item())
                run.restore_best()
                trained.append(own(inputs).detach())
            farthest = max(farthest, float((trained[0] - trained[1]).abs().max()))
        for name, controller, keywords in (
            ("adamw", "constant", {}),
            ("prodigy", "constant", {"no_decay": "none"}),
            ("adamw", "hypergradient", {"no_decay": "none"}),
            ("adamw", "constant", {"no_decay": "none", "wrappers": ("clip",)}),
        ):
            with pytest.raises(metaopt.PluginError, match=r"torch\.distributed\.fsdp\.fully_shard") as no:
                Recipe.create(Configuration(name, controller, **keywords)).bind(flat(), total_steps=9)
            messages.append(str(no.value).removeprefix("FullyShardedDataParallel has laid the parameters end to end, "))
    return farthest, [message.partition(";")[0] for message in messages]


@pytest.mark.slow
def test_flattened_parameters_are_for_rules_that_look_at_each_number_by_itself():
    for farthest, messages in on_ranks(flattened, own_pair=True):
        assert farthest <= 1e-6
        assert messages == 2 * [
            "and roles and no_decay='1d' look at their shapes",
            "and 'prodigy' looks at whole tensors",
            "and the controller 'hypergradient' looks at all gradients",
            "and 'clip(adamw)' looks at the norm of all gradients",
        ]
