import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration.rate_table import rate_table
from metaopt.plugin.registry import Registry
from metaopt.space import encode, resolve

REGISTRY = Registry.discover()
TABLES = [e.spec.name for e in REGISTRY if isinstance(e.spec, metaopt.ControllerSpec) and e.spec.cadence == "table"]


def numbers(spec, **values):
    return {
        name: torch.tensor(value, dtype=torch.float64)
        for name, value in encode(spec.space, resolve(spec.space, values, spec.name)).items()
    }


@pytest.mark.parametrize("name", TABLES)
def test_a_table_holds_what_the_scheduler_sets_step_by_step(name):
    spec = REGISTRY.get(metaopt.ControllerSpec, name)
    table, absolute = rate_table(spec, numbers(spec), 20, 25)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = metaopt.create_scheduler(name, optimizer, total_steps=20)
    rates = []
    for _ in range(25):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert not absolute
    # Past the horizon a scheduler holds its last rate.
    torch.testing.assert_close(table[:20], torch.tensor(rates[:20], dtype=torch.float64), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", TABLES)
def test_many_members_tables_are_those_of_each(name):
    spec = REGISTRY.get(metaopt.ControllerSpec, name)
    each = [numbers(spec) for _ in range(3)]
    for index, values in enumerate(each):
        if "warmup" in values:
            values["warmup"] = torch.tensor(0.1 * index, dtype=torch.float64)
    together = {key: torch.stack([values[key] for values in each]) for key in each[0]}
    tables, _ = rate_table(spec, together, 30, 30)
    for row, values in enumerate(each):
        torch.testing.assert_close(tables.expand(3, -1)[row] if tables.ndim == 1 else tables[row],
                                   rate_table(spec, values, 30, 30)[0])  # fmt: skip


def test_a_constant_rate_is_one_at_every_step_and_needs_no_horizon():
    spec = REGISTRY.get(metaopt.ControllerSpec, "constant")
    table, absolute = rate_table(spec, numbers(spec, warmup=0.0), None, 7)
    assert table.tolist() == [1.0] * 7
    assert not absolute


def test_a_rate_that_depends_on_the_horizon_says_so_where_there_is_none():
    spec = REGISTRY.get(metaopt.ControllerSpec, "cosine")
    with pytest.raises(metaopt.InputError, match="'cosine' spreads its rates over the planned number of steps"):
        rate_table(spec, numbers(spec), None, 7)


def test_absolute_rates_are_told_apart_from_multipliers():
    class Absolute:
        def init(self, hparams):
            return {}

        def update(self, state, info, hparams):
            return metaopt.Rate(0.1 * (info.step + 1), absolute=True), state

    table, absolute = rate_table(metaopt.ControllerSpec(name="mine", version="1", controller=Absolute()), {}, 3, 3)
    assert absolute
    torch.testing.assert_close(table.float(), torch.tensor([0.1, 0.2, 0.3]))
