"""Models that vmap cannot take are meta-trained and adapted in a loop, equal to the vmapped form where both run."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import metaopt
from metaopt.meta import InnerLoop, Unrolls, Window
from metaopt.meta.evaluation import few_shot_metrics
from metaopt.plugin import current_registry
from tests.learners.conftest import digit_task, learner
from tests.meta.conftest import blob_task, learned

RULES = ("anil", "reptile", "meta_lstm", "l2l_lstm", "proto_maml")


class Branching(nn.Module):
    """A branch by a value that always goes one way, or none."""

    def __init__(self, takes_a_value=True):
        super().__init__()
        self.takes_a_value = takes_a_value
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 5)

    def forward(self, inputs):
        hidden = self.body(inputs)
        if self.takes_a_value and float(hidden.detach().abs().sum()) < 0:
            raise AssertionError("no sum of lengths is negative")
        return self.head(hidden.tanh())


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.LSTM(1, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, inputs):
        lengths = torch.full((len(inputs),), inputs.shape[1])
        packed = pack_padded_sequence(inputs.unsqueeze(-1), lengths, batch_first=True)
        return self.head(self.cells(packed)[1][0][-1])


class Unpacked(Packed):
    def forward(self, inputs):
        return self.head(self.cells(inputs.unsqueeze(-1))[0][:, -1])


class Doubled(torch.autograd.Function):
    """Of the kind that `torch.func` refuses."""

    @staticmethod
    def forward(ctx, inputs):
        return 2 * inputs

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 5)

    def forward(self, inputs):
        written = torch.zeros(len(inputs), 8)
        written[:, :] = Doubled.apply(self.body(inputs)).tanh()
        return self.head(written)


PAIRS = {"branch": (Branching, lambda: Branching(False)), "packed": (Packed, Unpacked)}


def metagradient(task, rule, limit=2**40):
    inner_loop = InnerLoop(task, learned(rule))
    generator = torch.Generator().manual_seed(0)
    theta = inner_loop.meta.init_theta(inner_loop.parameters, generator, inner_loop.assembly.meta_values)
    unrolls = Unrolls(inner_loop, theta, "eager", limit)
    episodes = task.sample("train", 3, torch.Generator().manual_seed(3))
    starts = None if unrolls.learns_start else inner_loop.starts([0, 1, 2])
    found = unrolls.gradient(theta, Window(episodes, None, 0, 2, 2, 0.5, 0.5), None, starts)
    assert not any(tensor.requires_grad for tensor in found.theta.values())
    return found.objective, found.theta, unrolls.metrics(theta, episodes, 2), inner_loop.loop_reason


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("rule", ["maml", "meta_sgd", "meta_lstm", "l2l_lstm", "proto_maml"])
def test_gradients_and_metrics_are_those_of_the_vmapped_form(rule, kind):
    looped, vmapped = (metagradient(blob_task(model), rule) for model in PAIRS[kind])
    assert "torch.vmap fails with" in looped[3]
    assert vmapped[3] is None
    torch.testing.assert_close(looped[:3], vmapped[:3], rtol=1e-4, atol=1e-6)


def test_so_are_those_in_segments():
    """A limit of one byte leaves one step a segment."""
    looped = metagradient(blob_task(Branching), "meta_sgd", limit=1)
    vmapped = metagradient(blob_task(lambda: Branching(False)), "meta_sgd")
    torch.testing.assert_close(looped[:3], vmapped[:3], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_meta_trained_saved_and_adapted_and_a_line_says_why_in_a_loop(rule, tmp_path):
    lines = []
    task = blob_task(Branching, num_iterations=3, num_evaluated=4, num_validations=1)
    metaopt.meta_train(rule, [task], announce=lines.append).recipe.save(tmp_path)
    assert len(lines) == 1
    assert lines[0].startswith("blobs goes through its episodes in a loop: after Linear 'body' torch.vmap fails with")
    recipe = metaopt.load_recipe(tmp_path)
    inputs, targets = task.examples
    assert metaopt.adapt(task.build(0), recipe, (inputs, targets))(inputs).shape == (10, 5)
    assert bool(few_shot_metrics(recipe, task, current_registry()).isfinite().all())


def test_a_whole_meta_training_ends_where_the_vmapped_one_does():
    thetas = []
    for model in PAIRS["branch"]:
        task = blob_task(model, num_iterations=4, num_evaluated=4, num_validations=1)
        thetas.append(metaopt.meta_train("meta_sgd", [task], announce=lambda line: None).recipe.theta)
    torch.testing.assert_close(*thetas, rtol=1e-3, atol=1e-5)


@pytest.mark.thorough
def test_evolution_goes_in_a_loop_too():
    thetas = []
    for model in PAIRS["branch"]:
        task = blob_task(model, num_iterations=1, num_evaluated=2, num_validations=1, episodes_per_iteration=1)
        thetas.append(metaopt.meta_train("mlp_lopt", [task], compile="off", announce=lambda line: None).recipe.theta)
    torch.testing.assert_close(*thetas, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("model", [Custom, Packed])
def test_whatever_autograd_follows_is_learned_from_in_second_order(model):
    task = blob_task(model, num_iterations=2, num_evaluated=2, num_validations=1)
    result = metaopt.meta_train("maml", [task], {"order": "second"}, announce=lambda line: None)
    assert result.skipped == 0


def test_what_fails_in_a_loop_as_well_is_told_in_one_sentence():
    class Wrong(Branching):
        def forward(self, inputs):
            if inputs.requires_grad or torch.is_grad_enabled():
                raise RuntimeError("no gradient here")
            return super().forward(inputs)

    with pytest.raises(metaopt.InputError, match=r"Task 'blobs': .* a gradient of an episode.*no gradient here"):
        metaopt.meta_train("maml", [blob_task(Wrong)])


class OfTheBatch(nn.Module):
    """What an input becomes depends on who else is in the batch."""

    def __init__(self):
        super().__init__()
        self.features, self.head = nn.Sequential(nn.Flatten(), nn.Linear(64, 8)), nn.Linear(8, 2)

    def forward(self, inputs):
        turned = inputs if float(inputs.mean()) > 0.3 else 1 - inputs
        return self.head(self.features(turned))


def test_learners_compare_an_episode_at_a_time_where_a_model_may_look_at_the_batch():
    from metaopt.meta.subject import comparison_on

    task, assembly = digit_task(OfTheBatch), learner("protonet")
    comparison = comparison_on(assembly, assembly.learner, task)
    assert "torch.vmap fails with" in comparison.loop_reason
    episodes = task.sample("test", 4, torch.Generator().manual_seed(0))
    theta = comparison.init_theta(torch.Generator().manual_seed(0))
    together, _ = comparison.logits(theta, episodes)
    for row in range(4):
        alone = metaopt.Episodes(*(tensor[row : row + 1] for tensor in episodes.tensors))
        torch.testing.assert_close(comparison.logits(theta, alone)[0][0], together[row])
    lines = []
    metaopt.meta_train("protonet", dataclasses.replace(task, num_iterations=2), announce=lines.append)
    assert len(lines) == 1
    assert "digits goes through its episodes in a loop" in lines[0]


def test_learners_take_all_episodes_at_once_where_vmap_takes_the_model():
    from metaopt.meta.subject import comparison_on

    for statistics in ("running", "support"):
        assembly = learner("protonet", batch_norm=statistics)
        assert comparison_on(assembly, assembly.learner, digit_task()).loop_reason is None
