"""Whoever sets torch's default dtype gets the same numbers from models in float32, and can train models in theirs."""

import dataclasses
import random
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.contracts.default_dtype import Float32ByDefault, default_for
from metaopt.inner import Member, train
from metaopt.plugin.registry import current_registry
from metaopt.tracing.graph_cache import GraphCache

pytestmark = pytest.mark.thorough

REGISTRY = current_registry()
OTHERS = (torch.float64, torch.bfloat16)


@contextmanager
def default(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def names(kind):
    return sorted(REGISTRY.names(kind))


def runnable(optimizer):
    assembly = assemble(Configuration(optimizer), REGISTRY)
    trains = assembly.meta is None or assembly.meta.shipped is not None
    return trains and assembly.optimizer.takes == "all"


#: A library's class keeps whatever it likes.
RULES = sorted(
    entry.spec.name for entry in REGISTRY if entry.spec.kind == "optimizer" and getattr(entry.spec, "rule", None)
)
OPTIMIZERS = [name for name in RULES if runnable(name)]
CONFIGURATIONS = [
    *(Configuration(name) for name in OPTIMIZERS),
    *(Configuration("adamw", wrappers=(name,)) for name in names(metaopt.WrapperSpec)),
    *(Configuration("sgd", controller=name) for name in names(metaopt.ControllerSpec)),
]


def title(configuration):
    return "-".join([configuration.optimizer, configuration.controller, *configuration.wrappers])


def parameters_after_steps(configuration, implementation):
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3, dtype=torch.float32), nn.Tanh(), nn.Linear(3, 1, dtype=torch.float32))
    with torch.no_grad():
        for param in model.parameters():
            param.copy_(torch.randn(param.shape, generator=generator, dtype=torch.float32))
    inputs = torch.randn(32, 4, generator=generator, dtype=torch.float32)
    recipe = metaopt.Recipe.create(configuration)
    run = recipe.bind(model, total_steps=4, implementation=implementation)
    for step in range(4):
        run.optimizer.zero_grad()
        loss = F.mse_loss(model(inputs), inputs.sum(1, keepdim=True))
        loss.backward()
        run.step(loss)
        with run.evaluating():
            value = 1.0 / (step + 1)
        run.observe(value)
    with run.evaluating():
        evaluated = [param.detach().clone() for param in model.parameters()]
    return [*evaluated, *(param.detach() for param in model.parameters())]


@pytest.mark.parametrize("implementation", ["auto", "rule"])
@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=title)
def test_a_bound_model_in_float32_is_trained_to_the_same_bits(configuration, implementation):
    expected = parameters_after_steps(configuration, implementation)
    for dtype in OTHERS if implementation == "auto" else OTHERS[:1]:
        with default(dtype):
            found = parameters_after_steps(configuration, implementation)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def curves_of(configuration, engine):
    task = dataclasses.replace(metaopt.load_corpus("starter")["digits_mlp"], num_steps=4, num_validations=2)
    assembly = assemble(configuration, REGISTRY)
    shipped = None if assembly.meta is None or assembly.meta.shipped is None else assembly.meta.shipped()
    trained = train(task, [Member(assembly, 0), Member(assembly, 1)], theta=shipped, engine=engine)
    return [list(one.curve.values) for one in trained] + [list(one.curve.test) for one in trained]


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=title)
def test_a_population_in_float32_is_trained_to_the_same_bits(configuration):
    engines = ("population", "loop") if configuration == Configuration("adamw") else ("population",)
    expected = [curves_of(configuration, engine) for engine in engines]
    with default(torch.float64):
        assert [curves_of(configuration, engine) for engine in engines] == expected


@pytest.mark.parametrize("corpus", ["starter", "sinusoids"])
def test_corpora_that_ship_stay_what_they_are(corpus):
    expected = {task.name: task.fingerprint for task in metaopt.load_corpus(corpus)}
    for dtype in OTHERS[:1]:
        with default(dtype):
            assert {task.name: task.fingerprint for task in metaopt.load_corpus(corpus)} == expected


EVOLVED = metaopt.OptimizerSpec(
    name="evolved_rate",
    version="1",
    rule=metaopt.per_tensor(
        lambda param, hparams, theta, horizon: {"count": torch.zeros(())},
        lambda grad, state, param, hparams, theta, info: (-theta["rate"].exp() * grad, {"count": state["count"] + 1}),
    ),
    meta=metaopt.MetaTraining(
        init_theta=lambda params, generator, hparams: {"rate": torch.randn((), generator=generator) - 2.0},
        estimator="pes",
        objective="trajectory",
        truncation=2,
    ),
)


@pytest.mark.parametrize("rule", ["maml", "reptile", "meta_lstm", EVOLVED])
def test_the_same_is_learned(rule):
    def theta():
        task = metaopt.load_corpus("sinusoids")["sinusoids_5_shot"]
        small = dataclasses.replace(task, num_iterations=3, num_evaluated=4, num_validations=1)
        return metaopt.meta_train(rule, [small], compile="off").recipe.theta

    expected = theta()
    with default(torch.float64):
        torch.testing.assert_close(theta(), expected, rtol=0, atol=0)


def test_a_folder_of_tables_is_tuned_to_the_same_result(tmp_path):
    numbers = random.Random(0)
    rows = "".join(f"{numbers.random():.4f},{row % 5},{row % 2}\n" for row in range(60))
    (tmp_path / "table.csv").write_text("x,y,t\n" + rows)
    (tmp_path / "corpus.toml").write_text("[defaults]\nnum_steps = 20\nnum_validations = 4\n")

    def tuned():
        result = metaopt.tune(str(tmp_path), n_trials=2, optimizers=["adamw"], wrappers=["averaged"], against=[])
        frame = result.evaluations_dataframe()
        return result.recipe.configuration, frame["validation"].tolist(), frame["test"].tolist()

    expected = tuned()
    with default(torch.float64):
        assert tuned() == expected


class MadeByDefault(nn.Module):
    """Makes tensors without saying a dtype, as people do who set one."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 3), nn.Linear(3, 1)

    def forward(self, inputs):
        return self.head(self.body(inputs).tanh() @ torch.eye(3) + torch.arange(3) / 10 + torch.zeros(3))


def own_task(inputs, model=MadeByDefault):
    split = metaopt.Split(inputs, inputs.sum(1, keepdim=True))
    small = {"batch_size": 16, "num_steps": 12, "num_validations": 2}
    loss = lambda output, targets: (F.mse_loss(output, targets) * torch.ones(())).mean()  # noqa: E731
    return metaopt.Task("own", "own", model, metaopt.Splits(split, split, split), loss, **small)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_task_of_their_own_is_trained_in_the_dtype_of_its_data(dtype):
    with default(torch.float64):
        task = own_task(torch.randn(64, 4, generator=torch.Generator().manual_seed(0), dtype=dtype))
        assert {param.dtype for param in task.build(0).parameters()} == {dtype}
        members = [Member(assemble(Configuration("adamw"), REGISTRY), seed) for seed in (0, 1)]
        population, loop = (
            [one.curve.values[-1] for one in train(task, members, engine=engine)] for engine in ("population", "loop")
        )
        assert population == pytest.approx(loop, rel=1e-4)
        theta = metaopt.meta_train("maml", [task], num_iterations=2, compile="off").recipe.theta
        assert {tensor.dtype for tensor in theta.values()} == {torch.float32}
        assert torch.get_default_dtype() == torch.float64


def test_a_task_in_float64_trains_alike_under_every_default():
    def curves():
        inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        task = own_task(inputs, lambda: nn.Linear(4, 1, dtype=torch.float64))
        assembly = assemble(Configuration("adamw", "cosine", ("averaged",)), REGISTRY)
        return [list(one.curve.values) for one in train(task, [Member(assembly, 0)])]

    expected = curves()
    for dtype in OTHERS:
        with default(dtype):
            assert curves() == expected


def test_models_of_tokens_are_built_as_the_default_says():
    tokens = torch.randint(7, (64, 3), generator=torch.Generator().manual_seed(0))
    split = metaopt.Split(tokens, tokens[:, 0] % 2)
    model = lambda: nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 2))  # noqa: E731
    task = metaopt.Task("tokens", "tokens", model, metaopt.Splits(split, split, split), F.cross_entropy, num_steps=3)
    with default(torch.float64):
        assert task.build(0)[0].weight.dtype == torch.float64
        (trained,) = train(task, [Member(assemble(Configuration("sgd"), REGISTRY), 0)])
    assert trained.curve.values[-1] < 2


@pytest.mark.parametrize("mode", ["eager", "replayed", "compiled"])
def test_a_graph_makes_tensors_of_the_dtype_that_they_were_recorded_in(mode):
    def model(inputs):
        with default_for(tuple):
            return inputs @ torch.eye(3) + torch.full((3,), 2.0)

    with default(torch.float64):
        inputs, cache = torch.randn(2, 3), GraphCache()
        with Float32ByDefault():
            found = [cache.run(model, mode, (inputs,), ()) for _ in range(2)]
        torch.testing.assert_close(found, [inputs + 2, inputs + 2])


def test_the_default_is_theirs_again_whatever_happens():
    @Float32ByDefault()
    def fails():
        assert torch.zeros(()).dtype == torch.float32
        with default_for(lambda: (torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.float32))):
            assert torch.zeros(()).dtype == torch.float32
        with default_for(tuple):
            assert torch.zeros(()).dtype == torch.float64
            with Float32ByDefault():
                assert torch.zeros(()).dtype == torch.float32
            raise RuntimeError

    with default(torch.float64):
        with pytest.raises(RuntimeError):
            fails()
        assert torch.get_default_dtype() == torch.float64
