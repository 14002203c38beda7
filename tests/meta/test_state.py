"""The state of a meta-training in a checkpoint's document and back."""

import io

import torch

from metaopt.meta.state import MetaState


def test_a_state_comes_back_from_what_a_checkpoint_holds():
    theta = {"start": torch.arange(3.0).requires_grad_()}
    state = MetaState(theta, best={"start": torch.ones(3)}, best_value=0.5, iteration=7, states=[{"step": 3}])
    file = io.BytesIO()
    torch.save(state.to_document(), file)
    file.seek(0)
    document = torch.load(file, weights_only=True)
    fresh = MetaState({"start": torch.zeros(3).requires_grad_()}, best={})
    held = fresh.theta["start"]
    fresh.restore(document, torch.device("cpu"))
    assert fresh.theta["start"] is held, "an optimizer holds it"
    assert held.requires_grad
    assert torch.equal(held.detach(), torch.arange(3.0))
    assert (fresh.best_value, fresh.iteration, fresh.states) == (0.5, 7, [{"step": 3}])
    assert torch.equal(fresh.best["start"], torch.ones(3))


def test_a_document_holds_no_gradient():
    state = MetaState({"start": torch.zeros(2).requires_grad_()}, best={})
    assert not state.to_document()["theta"]["start"].requires_grad
