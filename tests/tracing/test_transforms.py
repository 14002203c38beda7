"""Plain derivatives are those of `torch.func`, nested and through trees; a loop gives what vmap gives."""

import torch
from torch import nn
from torch.testing import assert_close

from metaopt.tracing import FUNCTIONAL, PLAIN, vmap_obstacle

BOTH = (FUNCTIONAL, PLAIN)


def tree():
    generator = torch.Generator().manual_seed(0)
    return {"a": torch.randn(3, generator=generator), "b": torch.randn(3, generator=generator)}


def value(params, scale):
    return scale * (params["a"].pow(3) * params["b"].sin()).sum()


def test_gradients_values_and_what_comes_beside_them_are_those_of_torch_func():
    scale = torch.tensor(2.0)
    for transform in ("grad", "grad_and_value"):
        functional, plain = (getattr(both, transform)(value)(tree(), scale) for both in BOTH)
        assert_close(plain, functional)
        beside = lambda params, scale: (value(params, scale), {"twice": 2 * params["a"]})  # noqa: E731
        functional, plain = (getattr(both, transform)(beside, has_aux=True)(tree(), scale) for both in BOTH)
        assert_close(plain, functional)


def test_a_step_of_descent_is_differentiated_through_and_a_parameter_made_of_another_counts_alone():
    def objective(transforms):
        def after_a_step(params):
            made = {"a": params["a"], "b": params["a"].exp() + params["b"]}
            gradient = transforms.grad(value)(made, torch.tensor(0.1))
            return value({name: made[name] - 0.1 * gradient[name] for name in made}, torch.tensor(1.0))

        return transforms.grad(after_a_step)(tree())

    assert_close(objective(PLAIN), objective(FUNCTIONAL))


def test_cotangents_go_back_to_all_arguments_and_what_nothing_depends_on_gets_zeros():
    def function(params, other, unused):
        return {"sum": params["a"].sum() * other, "fixed": torch.ones(2)}

    primals = (tree(), torch.tensor(3.0), torch.ones(2))
    cotangents = {"sum": torch.tensor(2.0), "fixed": torch.ones(2)}
    with torch.no_grad():
        value, pull = PLAIN.vjp(function, *primals)
        expected, pull_back = FUNCTIONAL.vjp(function, *primals)
        assert_close(value, expected)
        assert_close(pull(cotangents), pull_back(cotangents))


def test_nothing_that_comes_out_holds_a_graph():
    with_graph = [*PLAIN.grad_and_value(value)(tree(), torch.tensor(1.0))]
    assert not with_graph[1].requires_grad
    assert not any(tensor.requires_grad for tensor in with_graph[0].values())


def test_a_loop_gives_what_vmap_gives():
    rows = {name: torch.stack([tensor, 2 * tensor]) for name, tensor in tree().items()}

    def function(params, shared, number):
        return {"out": params["a"] * shared, "sum": (params["b"].sum() + number, shared.sum())}

    arguments = (rows, torch.arange(3.0), torch.tensor([1.0, 2.0]))
    functional, plain = (both.vmap(function, in_dims=(0, None, 0))(*arguments) for both in BOTH)
    assert_close(plain, functional)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 2)

    def forward(self, inputs):
        hidden = self.body(inputs)
        return hidden if hidden.sum() > 0 else -hidden


def test_the_layer_after_which_vmap_fails_is_named():
    model = Branching()
    assert vmap_obstacle(model.body, model, torch.ones(4, 3)) is None
    assert vmap_obstacle(model, model, torch.ones(4, 3)).startswith("after Linear 'body' torch.vmap fails with Runtime")


def test_looking_for_an_obstacle_draws_nothing():
    before = torch.get_rng_state()
    vmap_obstacle(lambda inputs: nn.functional.dropout(inputs), nn.Flatten(), torch.ones(4, 3))
    assert torch.equal(torch.get_rng_state(), before)
