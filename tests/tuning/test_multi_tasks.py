import dataclasses

import pytest
import torch
from torch import nn

import metaopt
from metaopt.plugin import current_registry
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.start_from import sampler_params


def joint():
    inputs = torch.randn(48, 3, generator=torch.Generator().manual_seed(0))
    targets = {"sum": inputs.sum(1, keepdim=True), "first": inputs[:, :1].tanh()}
    cut = (slice(0, 24), slice(24, 36), slice(36, 48))
    tasks = [
        metaopt.Task(
            name=name,
            family="f",
            model=lambda: nn.Linear(3, 1),
            data=metaopt.Splits(*[metaopt.Split(inputs[rows], own[rows]) for rows in cut]),
            loss=nn.functional.mse_loss,
        )
        for name, own in targets.items()
    ]
    return metaopt.MultiTask(
        name="joint",
        family="f",
        tasks=tasks,
        trunk=lambda: nn.Linear(3, 4),
        heads=lambda: nn.Linear(4, 1),
        batch_size=8,
        num_steps=6,
        num_validations=2,
    )


def tuned(corpus, **arguments):
    quiet = {"controllers": ["cosine"], "wrappers": [], "optimizers": ["sgd"], "against": [], "compile": "off"}
    return metaopt.tune(corpus, n_trials=6, announce=lambda line: None, **{**quiet, **arguments})


@pytest.mark.slow
def test_a_study_chooses_weightings_and_surgeries_and_hands_them_over(tmp_path):
    result = tuned([joint()], weightings=["uncertainty"], surgeries=["pcgrad"])
    table = result.evaluations_dataframe()
    assert {"uncertainty"} == set(table["weighting"].dropna())
    assert {"pcgrad"} == set(table["surgery"].dropna())
    result.recipe.save(tmp_path / "recipe")
    assert metaopt.load_recipe(tmp_path / "recipe") == result.recipe


def test_other_corpora_have_neither():
    assert "weighting" not in tuned([joint().single("sum")]).evaluations_dataframe()
    with pytest.raises(metaopt.InputError, match=r"the corpus has no metaopt\.MultiTask"):
        tuned([joint().single("sum")], surgeries=["pcgrad"])


def test_a_known_setting_is_found_in_the_space():
    registry = current_registry()

    def space(**of_tasks):
        chosen = {"optimizers": ["adamw"], "controllers": ["constant"], "wrappers": []}
        return joint_space(registry, **chosen, **of_tasks, laws=False, roles=False)

    plain = metaopt.Configuration("adamw")
    own = dataclasses.replace(plain, surgery="cagrad", weighting="dwa", hparams={"cagrad.c": 0.3})
    params = sampler_params(space(weightings=None, surgeries=None), own, registry)
    assert (params["surgery"], params["weighting"], params["cagrad.c"]) == ("cagrad", "dwa", 0.3)
    assert sampler_params(space(weightings=None, surgeries=None), plain, registry)["surgery"] == "none"
    assert sampler_params(space(), plain, registry)
    assert not sampler_params(space(), own, registry)
    assert not sampler_params(space(weightings=["uncertainty"], surgeries=None), own, registry)
