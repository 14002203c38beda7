"""Fused kernels step each number where it lies, by its own gradient and state, or do not step at all."""

import pytest
import torch
from torch import nn

import metaopt

FUSED = ("adagrad", "adamw")


def views() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Memory and a view of it, by the view's kind."""
    flat = torch.arange(60.0)
    return {
        "whole": (whole := flat.clone().reshape(6, 10), whole),
        "columns": (columns := flat.clone().reshape(6, 10), columns[:, ::2]),
        "narrow": (narrow := flat.clone().reshape(6, 10), narrow[:, 2:7]),
        "transposed": (transposed := flat.clone().reshape(6, 10), transposed.t()),
        "channels_last": (
            images := flat.clone().reshape(1, 3, 4, 5).contiguous(memory_format=torch.channels_last),
            images,
        ),
        "padded": (padded := flat.clone(), padded.as_strided((5, 4), (12, 1))),
        "one": (one := flat.clone(), one[7]),
        "empty": (empty := flat.clone(), empty[:0]),
        "row": (row := flat.clone().reshape(6, 10), row[3]),
    }


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("kind", views())
@pytest.mark.parametrize("wrappers", [(), ("dog",)])
def test_a_view_is_stepped_where_it_lies_and_nothing_beside_it(name, kind, wrappers):
    memory, view = views()[kind]
    before = memory.clone()
    ordinary = nn.Parameter(view.detach().clone(memory_format=torch.contiguous_format))
    param = view.requires_grad_()
    outside = torch.ones_like(memory, dtype=torch.bool).as_strided(memory.shape, memory.stride())
    outside.as_strided(view.shape, view.stride(), view.storage_offset()).fill_(False)
    optimizers = [
        metaopt.create_optimizer(name, [tensor], lr=0.1, wrappers=wrappers)
        if not wrappers
        else metaopt.create_optimizer(name, [tensor], wrappers=wrappers)
        for tensor in (param, ordinary)
    ]
    for step in range(3):
        for tensor, optimizer in zip((param, ordinary), optimizers, strict=True):
            optimizer.zero_grad()
            (tensor * (tensor + step)).sum().backward()
            optimizer.step()
    torch.testing.assert_close(param.detach(), ordinary.detach())
    assert torch.equal(memory.detach()[outside], before[outside])


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("steered", [False, True])
def test_a_gradient_whose_numbers_lie_otherwise_steps_their_own_parameters(name, steered):
    generator = torch.Generator().manual_seed(0)
    gradients = [
        torch.randn(5, 3, generator=generator).t(),
        torch.randn(3, 5, generator=generator),
        torch.randn(3, 1, generator=generator).expand(3, 5),
        torch.randn(6, 5, generator=generator)[::2],
    ]
    ends = []
    for contiguous in (False, True):
        param = nn.Parameter(torch.linspace(-1, 1, 15).reshape(3, 5))
        wrappers = ("dog",) if steered else ()
        optimizer = metaopt.create_optimizer(name, [param], wrappers=wrappers)
        for gradient in gradients:
            param.grad = gradient.contiguous() if contiguous else gradient
            optimizer.step()
        ends.append(param.detach())
    assert torch.equal(*ends)


@pytest.mark.parametrize("name", FUSED)
def test_state_follows_a_model_into_another_memory_format(name):
    ends = []
    for fmt in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        model = nn.Conv2d(3, 4, 2)
        optimizer = metaopt.create_optimizer(name, model, lr=0.1)
        images = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(1))
        for step in range(4):
            if step == 2:
                model.to(memory_format=fmt)
            optimizer.zero_grad()
            model(images).square().mean().backward()
            optimizer.step()
        ends.append(model.weight.detach().contiguous())
    torch.testing.assert_close(*ends)


@pytest.mark.parametrize("name", FUSED)
def test_a_state_loads_into_a_model_of_another_memory_format(name):
    def trained(model, optimizer, first, last):
        images = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(1))
        for _ in range(first, last):
            optimizer.zero_grad()
            model(images).square().mean().backward()
            optimizer.step()

    torch.manual_seed(0)
    whole = nn.Conv2d(3, 4, 2)
    optimizer = metaopt.create_optimizer(name, whole, lr=0.1)
    trained(whole, optimizer, 0, 2)
    other = nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last)
    other.load_state_dict(whole.state_dict())
    again = metaopt.create_optimizer(name, other, lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    trained(whole, optimizer, 2, 5)
    trained(other, again, 2, 5)
    torch.testing.assert_close(other.weight.detach(), whole.weight.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("wrappers", [(), ("dog",)])
def test_a_strided_parameter_that_joins_late_ends_the_fusing(name, wrappers):
    flat = torch.zeros(4, 8)
    first, late = nn.Parameter(torch.ones(2)), flat[:, ::2].requires_grad_()
    optimizer = metaopt.create_optimizer(name, [first], wrappers=wrappers)
    for step in range(3):
        if step == 1:
            optimizer.add_param_group({"params": [late]})
        optimizer.zero_grad()
        (first.sum() + late.sum()).backward()
        optimizer.step()
    assert (flat[:, 1::2] == 0).all()
    assert (flat[:, ::2] != 0).all()


def test_dense_parameters_are_fused_and_others_are_not():
    channels_last = nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last)
    assert metaopt.create_optimizer("adamw", channels_last).param_groups[0]["fused"] is True
    strided = torch.zeros(4, 8)[:, ::2].requires_grad_()
    assert not metaopt.create_optimizer("adamw", [strided]).param_groups[0]["fused"]


def test_a_saved_state_does_not_fuse_what_cannot_be():
    dense, strided = nn.Parameter(torch.ones(4, 4)), torch.ones(4, 8)[:, ::2].requires_grad_()
    fused, plain = metaopt.create_optimizer("adamw", [dense]), metaopt.create_optimizer("adamw", [strided])
    dense.grad = torch.ones(4, 4)
    fused.step()
    plain.load_state_dict(fused.state_dict())
    assert not plain.param_groups[0]["fused"]
    fused.load_state_dict(plain.state_dict())
    assert fused.param_groups[0]["fused"]


def embedding_loss(model):
    return model(torch.tensor([1, 2, 1])).square().sum()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # torch's own, about the tensors that it makes
@pytest.mark.parametrize(
    ("name", "settings"),
    [("adagrad", {}), ("sgd", {}), ("sgd", {"momentum": 0.9}), ("sgd", {"momentum": 0.9, "nesterov": True})],
)
def test_a_sparse_gradient_steps_as_a_dense_one_where_the_class_has_a_path_for_it(name, settings):
    ends = []
    for sparse in (False, True):
        torch.manual_seed(0)
        model = nn.Embedding(5, 2, sparse=sparse)
        optimizer = metaopt.create_optimizer(name, model, lr=0.1, **settings)
        for _ in range(3):
            optimizer.zero_grad()
            embedding_loss(model).backward()
            optimizer.step()
        assert not optimizer.param_groups[0]["fused"] or not sparse
        ends.append(model.weight.detach())
    torch.testing.assert_close(*ends)


@pytest.mark.parametrize("controller", ["constant", "cosine", "adagrad_norm", "hypergradient", "greedy", "polyak"])
def test_controllers_see_a_sparse_gradient_as_a_dense_one(controller):
    ends = []
    for sparse in (False, True):
        torch.manual_seed(0)
        model = nn.Embedding(5, 2, sparse=sparse)
        recipe = metaopt.Recipe.create(metaopt.Configuration("sgd", controller, hparams={"sgd.lr": 0.1}))
        run = recipe.bind(model, total_steps=5)
        for _ in range(4):
            run.optimizer.zero_grad()
            loss = embedding_loss(model)
            loss.backward()
            run.step(loss)
        ends.append(model.weight.detach())
    torch.testing.assert_close(*ends)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("adamw", {}),
        ("nadamw", {}),
        ("rmsprop", {}),
        ("schedulefree_adamw", {}),
        ("adagrad", {"weight_decay": 0.1}),
        ("sgd", {"weight_decay": 0.1}),
        ("sgd", {"implementation": "rule"}),
        ("adamw", {"implementation": "rule"}),
        ("adamw", {"wrappers": ["dog"]}),
        ("lion", {}),
    ],
)
def test_a_sparse_gradient_that_nothing_takes_is_refused_in_one_sentence(name, settings, late):
    torch.manual_seed(0)
    model = nn.ModuleList([nn.Embedding(5, 2, sparse=True), nn.Linear(2, 1)])
    optimizer = metaopt.create_optimizer(name, model, **settings)
    if late:
        model[1](torch.ones(1, 2)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    before = model[0].weight.detach().clone()
    embedding_loss(model[0]).backward()
    with pytest.raises(metaopt.InputError, match=r"(?s)^[^\n]* has a sparse gradient, which [^\n]*use sparse=False"):
        optimizer.step()
    assert torch.equal(model[0].weight.detach(), before)


def test_sparse_gradients_in_a_step_of_a_grad_scaler_say_what_to_do():
    model = nn.Embedding(5, 2, sparse=True)
    optimizer = metaopt.create_optimizer("adagrad", model)
    if not optimizer.param_groups[0]["fused"]:
        pytest.skip("this torch's Adagrad is not fused")
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(embedding_loss(model)).backward()
    with pytest.raises(metaopt.InputError, match=r"call scaler\.unscale_\(optimizer\)|set 'fused' to False"):
        scaler.step(optimizer)


@pytest.mark.parametrize("implementation", ["auto", "rule"])
@pytest.mark.parametrize(
    "name", ["adagrad", "adamw", "lion", "metz_nadamw", "nadamw", "rmsprop", "schedulefree_adamw", "sgd", "prodigy"]
)
def test_a_group_may_go_up_beside_one_that_goes_down(name, implementation):
    up, down = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    groups = [{"params": [up], "maximize": True}, {"params": [down]}]
    optimizer = metaopt.create_optimizer(name, groups, implementation=implementation)
    for _ in range(3):
        optimizer.zero_grad()
        (up.sum() + down.sum()).backward()
        optimizer.step()
    assert (up > 1).all()
    assert (down < 1).all()


@pytest.mark.parametrize("wrapper", ["dog", "dowg", "ldog"])
def test_a_steered_group_may_go_up(wrapper):
    up, down = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    groups = [{"params": [up], "maximize": True, "lr": 1.0}, {"params": [down], "lr": 1.0}]
    optimizer = metaopt.create_optimizer("sgd", groups, wrappers=[wrapper])
    for _ in range(3):
        optimizer.zero_grad()
        (up.sum() + down.sum()).backward()
        optimizer.step()
    assert (up > 1).all()
    assert (down < 1).all()


def test_a_class_without_maximize_is_not_asked_to():
    groups = [{"params": [nn.Parameter(torch.ones(2))], "maximize": True}]
    with pytest.raises(metaopt.PluginError, match="AdamWScheduleFree has no maximize"):
        metaopt.create_optimizer("schedulefree_adamw", groups, implementation="native")
    param = nn.Parameter(torch.ones(2))
    optimizer = metaopt.create_optimizer("schedulefree_adamw", [param])
    optimizer.add_param_group({"params": [late := nn.Parameter(torch.ones(2))], "maximize": True})
    late.grad = torch.ones(2)
    with pytest.raises(metaopt.InputError, match="has no maximize and would go down the gradient"):
        optimizer.step()


@pytest.mark.parametrize("keyword", [True, False])
def test_a_host_that_makes_gradients_in_a_closure_is_served_too(keyword):
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(5, 3, generator=generator).t()
    ends = []
    for contiguous in (False, True):
        param = nn.Parameter(torch.linspace(-1, 1, 15).reshape(3, 5))
        optimizer = metaopt.create_optimizer("adamw", [param])

        def closure(param=param, contiguous=contiguous):
            param.grad = gradient.contiguous() if contiguous else gradient.clone(memory_format=torch.preserve_format)
            return 1.0

        for _ in range(3):
            optimizer.step(closure=closure) if keyword else optimizer.step(closure)
        ends.append(param.detach())
    assert torch.equal(*ends)
    model = nn.Embedding(5, 2, sparse=True)
    optimizer = metaopt.create_optimizer("adamw", model)

    def backward():
        optimizer.zero_grad()
        loss = embedding_loss(model)
        loss.backward()
        return loss

    with pytest.raises(metaopt.InputError, match="has a sparse gradient, which AdamW does not take"):
        optimizer.step(closure=backward) if keyword else optimizer.step(backward)


def test_a_parameter_unfrozen_in_a_host_with_closures_is_told():
    model = nn.Sequential(nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 1))
    optimizer = metaopt.create_optimizer("adamw", model)
    model[0].requires_grad_(True)

    def backward():
        model.zero_grad()
        loss = model(torch.ones(1, 2)).sum()
        loss.backward()
        return loss

    with pytest.warns(UserWarning, match=r"'0\.weight' \(and 1 more\) was frozen when the optimizer was made"):
        optimizer.step(backward)
