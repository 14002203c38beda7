"""A study that has a ladder hands over a recipe whose law was measured on it."""

import metaopt


def tuned(tasks, tmp_path, name, **more):
    lines = []
    result = metaopt.tune(
        metaopt.Corpus("ladder", tuple(tasks)),
        n_trials=20,
        seed=0,
        optimizers=("adamw",),
        controllers=("linear",),
        wrappers=(),
        storage=f"sqlite:///{tmp_path / name}.db",
        announce=lines.append,
        **more,
    )
    return result, [line for line in lines if "law" in line]


def test_the_law_is_in_the_recipe_and_its_trainings_are_counted(make_task, tmp_path):
    tasks = [make_task(f"{family}{steps}", family, num_steps=steps) for family in "abc" for steps in (8, 40)]
    result, lines = tuned(tasks, tmp_path, "climbing")
    law = result.recipe.rate_law["adamw"]
    assert law.spread is not None
    assert len(lines) == 1
    record = result.recipe.provenance["rate_law"]["adamw"]
    assert record["wins"] == bool(law.measured)
    again, repeated = tuned(tasks, tmp_path, "climbing")
    assert again.recipe.configuration == result.recipe.configuration
    assert repeated == lines


def test_fixed_exponents_stay(make_task, tmp_path):
    tasks = [make_task(f"{family}{steps}", family, num_steps=steps) for family in "abc" for steps in (8, 40)]
    result, lines = tuned(tasks, tmp_path, "fixed", settings=["rate_law.total_steps=0.4"])
    assert lines == []
    assert all(law.total_steps == 0.4 for law in result.recipe.rate_law.values())
