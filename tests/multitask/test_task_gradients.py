import torch

from metaopt.multitask.task_gradients import by_pass, through_heads, through_trunk


def test_rows_of_the_trunk_are_the_gradients_of_each_loss(model, losses):
    seen = model.record()
    stacked = list(losses(model).values())
    trunk = list(model.trunk.parameters())
    heads = through_heads(list(model.heads.parameters()), seen, stacked)
    rows = through_trunk(seen, trunk, heads.cotangents, {})
    plain = by_pass(list(model.parameters()), list(losses(model).values()))
    assert all(torch.allclose(rows[param], plain.rows[param], atol=1e-6) for param in trunk)
    assert all(torch.allclose(own, plain.alone[param], atol=1e-6) for param, own in heads.alone.items())
    assert set(plain.rows) == set(trunk)


def test_rows_are_written_anew_where_a_task_does_not_reach_a_parameter():
    param = torch.ones(2, requires_grad=True)
    kept = {param: torch.full((2, 2), 7.0)}

    class Seen:
        shared = None

    first, second = 2 * param, torch.ones(2, requires_grad=True) * 1.0
    Seen.views = {"a": first, "b": second}
    rows = through_trunk(Seen, [param], [torch.ones(2), torch.ones(2)], kept)
    assert torch.equal(rows[param], torch.tensor([[2.0, 2.0], [0.0, 0.0]]))


def test_losses_of_another_pass_are_not_taken_for_this_one(model, losses):
    before = list(losses(model).values())
    model.record()
    losses(model)
    assert through_heads(list(model.heads.parameters()), model.record(), before) is None
