"""What sees a raw input first, as one pass through models of many kinds shows it."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import metaopt


class Calls(nn.Module):
    """Modules that a function calls; they are registered in any order."""

    def __init__(self, call, **modules):
        super().__init__()
        self.call = call
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *args, **keywords):
        return self.call(self, *args, **keywords)


class Adapted(nn.Module):
    """A frozen layer and factors of low rank, named as PEFT names them."""

    def __init__(self, inside, outside):
        super().__init__()
        self.base_layer = nn.Linear(inside, outside).requires_grad_(False)
        self.lora_A = nn.ModuleDict({"default": nn.Linear(inside, 2, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(2, outside, bias=False)})

    def forward(self, x):
        return self.base_layer(x) + self.lora_B["default"](self.lora_A["default"](x))


def perceptron(inside, *widths):
    layers = [nn.Linear(before, after) for before, after in zip((inside, *widths), widths, strict=False)]
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))[:-1]


def encoder(width=8):
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(width, 2, 16, batch_first=True), 2)


def vision_transformer(patches, embed):
    def call(self, images):
        tokens = embed(self, images)
        tokens = torch.cat([self.cls.expand(len(tokens), -1, -1), tokens], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(tokens))[:, 0])

    parts = {"head": nn.Linear(8, 3), "norm": nn.LayerNorm(8), "blocks": encoder(), "patches": patches}
    model = Calls(call, **parts)
    model.cls = nn.Parameter(torch.zeros(1, 1, 8))
    model.pos_embed = nn.Parameter(torch.zeros(1, 5, 8))
    return model


def convolutional_patches():
    model = vision_transformer(nn.Conv2d(3, 8, 4, 4), lambda self, x: self.patches(x).flatten(2).transpose(1, 2))
    return model, torch.rand(2, 3, 8, 8)


def unfolded_patches():
    def embed(self, images):
        return self.patches(functional.unfold(images, 4, stride=4).transpose(1, 2))

    return vision_transformer(nn.Linear(48, 8), embed), torch.rand(2, 3, 8, 8)


def stem():
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 3)
    return nn.Sequential(*layers), torch.rand(2, 3, 8, 8)


def depth_wise_stem():
    layers = nn.Conv2d(3, 3, 3, groups=3), nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 4, 1)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 3)), torch.rand(2, 3, 8, 8)


def whole_bytes():
    def call(self, images):
        return self.head(self.first(images.float() / 255).flatten(1))

    return Calls(call, head=nn.Linear(32, 3), first=nn.Conv2d(1, 8, 3)), torch.randint(255, (2, 1, 4, 4)).byte()


def two_towers():
    def call(self, users, items):
        return (self.users(users) * self.items(items)).sum(-1)

    return Calls(call, users=perceptron(5, 8, 8), items=perceptron(7, 8, 8)), (torch.rand(2, 5), torch.rand(2, 7))


def images_and_tables():
    def call(self, *, table, image):
        return self.head(torch.cat([self.first(image).flatten(1), self.columns(table)], 1))

    model = Calls(call, head=nn.Linear(40, 2), first=nn.Conv2d(1, 8, 3), columns=perceptron(6, 16, 8))
    return model, {"table": torch.rand(2, 6), "image": torch.rand(2, 1, 4, 4)}


def numbers_beside_tables():
    def call(self, rows, numbers):
        return self.over(torch.cat([self.tables(rows).flatten(1), self.numbers(numbers)], 1))

    parts = {"tables": nn.Embedding(9, 4), "over": perceptron(16, 8, 1), "numbers": perceptron(13, 8, 8)}
    return Calls(call, **parts), (torch.randint(9, (2, 2)), torch.rand(2, 13))


def numbers_among_tables():
    def call(self, rows, numbers):
        return self.over(torch.cat([self.tables(rows).flatten(1), numbers], 1))

    model = Calls(call, tables=nn.Embedding(9, 4), over=perceptron(21, 8, 1))
    return model, (torch.randint(9, (2, 2)), torch.rand(2, 13))


def actor_and_critic():
    def call(self, observation):
        return self.actor(observation), self.critic(observation)

    return Calls(call, actor=perceptron(8, 16, 3), critic=perceptron(8, 16, 1)), torch.rand(2, 8)


def language_model():
    def call(self, tokens, mask):
        hidden = self.tokens(tokens) * mask.float().unsqueeze(-1) + self.positions(torch.arange(4))
        return self.lm_head(self.blocks(hidden, src_key_padding_mask=mask == 0))

    parts = {"lm_head": nn.Linear(8, 9), "blocks": encoder(), "tokens": nn.Embedding(9, 8)}
    model = Calls(call, **parts, positions=nn.Embedding(4, 8))
    return model, (torch.randint(9, (2, 4)), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]))


def recurrent(kind):
    def call(self, sequence):
        return self.out(self.rnn(sequence)[0][:, -1])

    model = Calls(call, out=nn.Linear(8, 1), rnn=kind(3, 4, 2, bidirectional=True, batch_first=True))
    return model, torch.rand(2, 5, 3)


def cells():
    def call(self, sequence):
        state = sequence.new_zeros(len(sequence), 4)
        for step in sequence.unbind(1):
            state = self.cell(step, state)
        return self.out(state)

    return Calls(call, out=nn.Linear(4, 1), cell=nn.GRUCell(3, 4)), torch.rand(2, 5, 3)


def u_net():
    def call(self, images):
        high = self.down(images).relu()
        low = functional.interpolate(self.low(functional.max_pool2d(high, 2)).relu(), scale_factor=2)
        return self.last(torch.cat([high, low], 1))

    convolutions = {"last": (16, 1), "low": (8, 8), "down": (1, 8)}
    return Calls(call, **{name: nn.Conv2d(*pair, 3, padding=1) for name, pair in convolutions.items()}), torch.rand(
        2, 1, 8, 8
    )


def variational():
    def call(self, x):
        hidden = self.encoder(x)
        spread = torch.randn_like(self.spread(hidden)) * self.spread(hidden).exp()
        return self.decoder(self.mean(hidden) + spread)

    parts = {"decoder": perceptron(2, 8, 12), "encoder": perceptron(12, 8), "mean": nn.Linear(8, 2)}
    return Calls(call, **parts, spread=nn.Linear(8, 2)), torch.rand(2, 12)


def one_hot():
    def call(self, tokens):
        return self.out(self.first(functional.one_hot(tokens, 9).float()).relu().mean(1))

    return Calls(call, out=nn.Linear(8, 9), first=nn.Linear(9, 8)), torch.randint(9, (2, 5))


def norm_first():
    return nn.Sequential(nn.LayerNorm(6), nn.BatchNorm1d(6), *perceptron(6, 8, 2)), torch.rand(2, 6)


def bare():
    def call(self, x):
        scaled = (x * self.scale).unsqueeze(-1) * self.w1
        return scaled.sum(1).tanh() @ self.w2 @ self.out

    model = Calls(call)
    model.out = nn.Parameter(torch.zeros(8, 1))
    model.scale = nn.Parameter(torch.ones(6))
    model.w2, model.w1 = nn.Parameter(torch.zeros(8, 8)), nn.Parameter(torch.zeros(6, 8))
    return model, torch.rand(2, 6)


def low_rank():
    return nn.Sequential(Adapted(6, 8), nn.ReLU(), Adapted(8, 2)), torch.rand(2, 6)


def normed_weights():
    normed = nn.utils.parametrizations
    layers = normed.weight_norm(nn.Linear(6, 8)), nn.ReLU(), normed.spectral_norm(nn.Linear(8, 8)), nn.Linear(8, 2)
    return nn.Sequential(*layers), torch.rand(2, 6)


def encoder_alone():
    return encoder(), torch.rand(2, 3, 8)


INPUTS = {
    convolutional_patches: ["patches.weight"],
    unfolded_patches: ["patches.weight"],
    stem: ["0.weight"],
    depth_wise_stem: ["1.weight"],
    whole_bytes: ["first.weight"],
    two_towers: ["items.0.weight", "users.0.weight"],
    images_and_tables: ["columns.0.weight", "first.weight"],
    numbers_beside_tables: ["numbers.0.weight"],
    numbers_among_tables: ["over.0.weight"],
    actor_and_critic: ["actor.0.weight", "critic.0.weight"],
    language_model: [],
    cells: ["cell.weight_ih"],
    u_net: ["down.weight"],
    variational: ["encoder.0.weight"],
    one_hot: ["first.weight"],
    norm_first: ["2.weight"],
    bare: ["w1"],
    low_rank: ["0.base_layer.weight"],
    normed_weights: ["0.parametrizations.weight.original1"],
    encoder_alone: ["layers.0.self_attn.in_proj_weight"],
}


def of_inputs(model, example=None):
    return sorted(name for name, role in metaopt.roles(model, example=example).items() if role == "input")


@pytest.mark.parametrize("build", INPUTS, ids=lambda build: build.__name__)
def test_what_a_raw_input_reaches_first_has_the_role(build):
    assert of_inputs(*build()) == INPUTS[build]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_of_a_recurrent_layer_the_input_s_matrix_of_each_direction(kind):
    assert of_inputs(*recurrent(kind)) == ["rnn.weight_ih_l0", "rnn.weight_ih_l0_reverse"]


def test_other_roles_stay_as_they_are():
    model, example = convolutional_patches()
    found = metaopt.roles(model, example=example)
    assert {name: role for name, role in found.items() if role in ("head", "embedding")} == {
        "head.weight": "head",
        "pos_embed": "embedding",
    }
    assert metaopt.roles(model, {"patches.*": "matrix"}, example=example)["patches.weight"] == "matrix"


def test_a_weight_whose_rows_are_looked_up_is_a_table():
    model = Calls(lambda self, rows: self.out(self.rows[rows]), out=nn.Linear(4, 1))
    model.rows = nn.Parameter(torch.zeros(9, 4))
    assert metaopt.roles(model, example=torch.tensor([1, 2]))["rows"] == "embedding"
    assert of_inputs(model) == ["rows"]


def test_what_is_registered_last_but_sees_the_input_makes_no_output():
    model = Calls(lambda self, x: self.top(self.first(x)), top=nn.Linear(4, 2), first=nn.Linear(3, 4))
    assert metaopt.roles(model)["first.weight"] == "head"
    assert metaopt.roles(model, example=torch.rand(2, 3))["first.weight"] == "input"
    assert metaopt.roles(nn.Linear(3, 1), example=torch.rand(2, 3))["weight"] == "head"


class Noisy(nn.Module):
    """Whatever a pass could change: counters, running statistics, random numbers, its own mode."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop, self.out = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 1)
        self.register_buffer("calls", torch.zeros(()))
        self.norm.eval()

    def train(self, mode=True):
        raise AssertionError("somebody else's train() does other things too")

    def forward(self, x):
        self.calls += 1
        noise = torch.randn(()) + np.random.rand() + random.random()
        assert not torch.is_grad_enabled()
        return self.out(self.drop(self.norm(self.first(x)))) + noise.float()


def test_the_model_and_random_numbers_stay_as_they_were():
    model = Noisy()
    modes = {name: module.training for name, module in model.named_modules()}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    versions = {name: tensor._version for name, tensor in model.state_dict(keep_vars=True).items()}
    random_states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    assert of_inputs(model, torch.rand(2, 3, generator=torch.Generator())) == ["first.weight"]
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert {name: tensor._version for name, tensor in model.state_dict(keep_vars=True).items()} == versions
    assert torch.equal(random_states[0], torch.get_rng_state())
    assert np.array_equal(random_states[1], np.random.get_state()[1])
    assert random_states[2] == random.getstate()
    assert all(param.grad is None and param.requires_grad for param in model.parameters())


def test_a_compiled_model_is_followed_as_it_is_written():
    model = torch.compile(perceptron(3, 4, 1))
    assert of_inputs(model, torch.rand(2, 3)) == ["_orig_mod.0.weight"]


def test_adapters_of_peft_are_matrices():
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(nn.Sequential(*perceptron(6, 8, 2)), peft.LoraConfig(target_modules=["0", "2"]))
    found = metaopt.roles(model, example=torch.rand(2, 6))
    assert {role for name, role in found.items() if "lora_" in name} == {"matrix"}
    assert [name for name, role in found.items() if role == "input"] == ["base_model.model.0.base_layer.weight"]


@pytest.mark.parametrize(
    ("model", "example", "message"),
    [
        (nn.Linear(3, 1), [torch.rand(2, 3)], r"example is what the model is called with, a tensor, a tuple .* got \["),
        (nn.Linear(3, 1), torch.rand(2, 4), r"A pass through the model with the example raises RuntimeError: .*shapes"),
        (nn.Linear(3, 1), {"x": torch.rand(2, 3)}, r"with the example raises TypeError: .*; give what the model takes"),
        ([torch.zeros(2, 3)], torch.rand(2, 3), r"An example goes through a model, and there are parameters alone"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_a_sentence(model, example, message):
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.roles(model, example=example)
