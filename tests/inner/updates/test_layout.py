import torch
from torch import nn

from metaopt.inner.updates.layout import Layout, cut_where_decay_ends, is_spared_part, joined_where_decay_ends


class Odd(nn.Module):
    """Parameters of every kind: 0-d, empty, frozen, convolution, of another precision."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.kernel = nn.Parameter(torch.randn(3, 2, 2, 2))
        self.bias = nn.Parameter(torch.randn(5))
        self.nothing = nn.Parameter(torch.zeros(0, 3))
        self.fixed = nn.Parameter(torch.randn(4), requires_grad=False)
        self.wide = nn.Parameter(torch.randn(2, 3, dtype=torch.float64))


def test_views_are_the_members_parameters_and_the_buffers_memory():
    members = [dict(Odd().named_parameters()) for _ in range(3)]
    layout = Layout(Odd())
    flats = layout.stack(members)
    views = layout.split(flats)
    assert list(views) == ["scale", "kernel", "bias", "nothing", "wide"]
    for name, view in views.items():
        assert torch.equal(view, torch.stack([member[name].detach() for member in members]))
        assert view.dtype == members[0][name].dtype
    views["kernel"].zero_()
    views["scale"].fill_(7)
    again = layout.split(flats)
    assert (again["kernel"] == 0).all()
    assert (again["scale"] == 7).all()
    assert all(torch.equal(flat, layout.join(again)[key]) for key, flat in flats.items())
    assert layout.num_coordinates == 1 + 24 + 5 + 6


def test_weight_decay_ends_where_vectors_begin():
    layout = Layout(Odd())
    flats = layout.stack([dict(Odd().named_parameters()) for _ in range(2)])
    parts = cut_where_decay_ends(flats, {key: layout.num_decayed(key) for key in flats})
    assert {name: part.shape for name, part in parts.items()} == {
        "float32 decayed": (2, 24),
        "float32 spared": (2, 6),
        "float64 decayed": (2, 6),
    }
    assert all(torch.equal(flat, joined_where_decay_ends(parts)[key]) for key, flat in flats.items())
    assert [layout.spares(name) for name in ("kernel", "bias", "scale")] == [False, True, True]
    assert [is_spared_part(name) for name in parts] == [False, True, False]
