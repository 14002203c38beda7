import copy
import pickle

import pytest
import torch
from torch import nn

import metaopt
from metaopt.multitask import Balance, ModuleBalance
from metaopt_multitask import cagrad, pcgrad, uncertainty

HPARAMS = {"weighting": {"rate": torch.tensor(0.05)}, "surgery": {"c": torch.tensor(0.5)}}


def gradients(model):
    return {name: param.grad.clone() for name, param in model.named_parameters()}


def by_hand(model, losses, mix):
    """Each task's gradients by a pass of its own; the surgery over those of the trunk."""
    each = losses(model)
    rows = [
        torch.autograd.grad(loss, list(model.parameters()), retain_graph=True, allow_unused=True)
        for loss in each.values()
    ]
    names = [name for name, _ in model.named_parameters()]
    trunk = [place for place, name in enumerate(names) if name.startswith("trunk")]
    flat = torch.stack([torch.cat([own[place].reshape(-1) for place in trunk]) for own in rows])
    coefficients, _ = mix(flat @ flat.T, {}, HPARAMS["surgery"], metaopt.StepInfo(torch.tensor(0.0)))
    answer = {}
    for place, name in enumerate(names):
        own = [row[place] for row in rows]
        if place in trunk:
            answer[name] = sum(share * grad for share, grad in zip(coefficients, own, strict=True))
        else:
            answer[name] = next(grad for grad in own if grad is not None) / len(own)
    return answer


@pytest.mark.parametrize("mix", [pcgrad.mix, cagrad.mix])
def test_a_trunk_gets_what_surgery_makes_of_a_pass_for_each_task_and_heads_their_own(model, losses, mix):
    expected = by_hand(model, losses, mix)
    balance = ModuleBalance(Balance(mix=mix), HPARAMS, model, 10)
    for _ in range(2):  # the first step is checked, the others are not
        model.zero_grad()
        loss = balance.backward(losses(model), 0)
        assert all(torch.allclose(own, expected[name], atol=1e-5) for name, own in gradients(model).items())
    assert torch.allclose(loss, torch.stack(list(losses(model).values())).mean())


def test_models_without_a_trunk_of_their_own_share_what_several_losses_reach(model, losses):
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.heads = model.trunk, model.heads

        def forward(self, inputs):
            features = self.trunk(inputs)
            return {name: head(features) for name, head in self.heads.items()}

    bare = Bare()
    expected = by_hand(bare, losses, pcgrad.mix)
    ModuleBalance(Balance(mix=pcgrad.mix), HPARAMS, bare, None).backward(losses(bare), 0)
    assert all(torch.allclose(own, expected[name], atol=1e-5) for name, own in gradients(bare).items())


def test_a_loss_that_does_not_go_through_its_head_alone_is_noticed(model, losses):
    def penalised(model):
        each = losses(model)
        return {**each, "a": each["a"] + model.trunk[0].weight.square().sum()}

    expected = by_hand(model, penalised, pcgrad.mix)
    ModuleBalance(Balance(mix=pcgrad.mix), HPARAMS, model, None).backward(penalised(model), 0)
    assert all(torch.allclose(own, expected[name], atol=1e-4) for name, own in gradients(model).items())


def test_inputs_of_their_own_take_a_pass_through_the_trunk_each(model, losses):
    inputs = {name: torch.randn(4 + place, 5) for place, name in enumerate(model.heads)}

    def of(model):
        return {name: output.square().mean() for name, output in model(inputs).items()}

    expected = by_hand(model, of, pcgrad.mix)
    ModuleBalance(Balance(mix=pcgrad.mix), HPARAMS, model, None).backward(of(model), 0)
    assert all(torch.allclose(own, expected[name], atol=1e-5) for name, own in gradients(model).items())


def test_the_level_of_a_representation_takes_one_pass_through_the_trunk(model, losses):
    views = []
    each = losses(model)
    balance = ModuleBalance(Balance(mix=pcgrad.mix, level="representation"), HPARAMS, model, None)
    model.trunk[-1].register_full_backward_hook(lambda *_: views.append(1))
    balance.backward(losses(model), 0)
    model.zero_grad()
    views.clear()
    balance.backward(losses(model), 1)
    assert len(views) == 1
    assert set(each) == {"a", "b", "c"}
    stacked = ModuleBalance(Balance(mix=pcgrad.mix, level="representation"), HPARAMS, nn.Linear(2, 2), None)
    output = stacked._model(torch.ones(1, 2))
    with pytest.raises(
        metaopt.InputError, match=r"level='representation' takes gradients .* needs a metaopt.SharedTrunk"
    ):
        stacked.backward({"a": output[0, 0], "b": output[0, 1]}, 0)


def test_weights_alone_take_one_ordinary_pass(model, losses):
    balance = ModuleBalance(Balance(weigh=uncertainty.weigh, init_weighting=uncertainty.init), HPARAMS, model, None)
    for step in range(3):
        weights = torch.exp(-balance.state.get("weighting.s", torch.zeros(3)))
        model.zero_grad()
        (torch.stack(list(losses(model).values())) * weights).mean().backward()
        expected = gradients(model)
        model.zero_grad()
        balance.backward(losses(model), step)
        assert all(torch.allclose(own, expected[name], atol=1e-6) for name, own in gradients(model).items())


def test_gradients_add_up_and_are_scaled(model, losses):
    balance = ModuleBalance(Balance(mix=pcgrad.mix), HPARAMS, model, None)
    balance.backward(losses(model), 0)
    single = gradients(model)
    balance.backward(losses(model), 0, scale=3.0)
    assert all(torch.allclose(own, 4 * single[name], rtol=1e-4, atol=1e-6) for name, own in gradients(model).items())


def test_its_state_goes_on_elsewhere(model, losses):
    made = [
        ModuleBalance(Balance(weigh=uncertainty.weigh, init_weighting=uncertainty.init), HPARAMS, own, None)
        for own in (model, copy.deepcopy(model))
    ]
    made[0].backward(losses(model), 0)
    made[1].load_state_dict(pickle.loads(pickle.dumps(made[0].state_dict())))
    assert all(torch.equal(made[1].state[name], value) for name, value in made[0].state.items())
    other = ModuleBalance(Balance(), {}, metaopt.SharedTrunk(nn.Linear(1, 1), {"x": nn.Linear(1, 1)}), None)
    with pytest.raises(metaopt.InputError, match="This state is of the tasks"):
        other.load_state_dict(made[0].state_dict())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"The losses of a step are given by task, {'task': loss, …}, got {}"),
        ({"a": torch.ones(())}, "Each step needs the losses of the same tasks, a, b, c, got those of a"),
        ({"a": 1.0, "b": 1.0, "c": 1.0}, "The loss of the task 'a' must be one number with a graph"),
    ],
)
def test_losses_that_are_none_are_refused(model, given, message):
    with pytest.raises(metaopt.InputError, match=message):
        ModuleBalance(Balance(), {}, model, None).backward(given, 0)
