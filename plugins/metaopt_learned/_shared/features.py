"""What small networks read of a tensor: thirty-odd numbers for each of its coordinates (Metz et al. 2022)."""

import torch
from torch import Tensor

from metaopt import Params, Tensors, TensorState
from metaopt_learned._shared.accumulators import factored_dims, is_first_larger

#: Number of features of a coordinate, without those of time.
COUNT = 28
PLACES = list(range(COUNT))
#: Places of a matrix's features that every coordinate, each row and each column has.
OWN, ROWS, COLUMNS = [*range(13), *range(25, 28)], [13, 14, 15, 19, 20, 21], [16, 17, 18, 22, 23, 24]
#: Coordinates whose features are computed at once where nothing compiles: as many as a processor's cache has room for.
CHUNK = 65_536


class CoordinateFeatures:
    """The features of a tensor's coordinates.

    Args:
        grad: gradient.
        param: current value.
        state: statistics with this gradient.
        floor: added to the second moments of vectors and scalars before momenta are divided by their roots.

    Attributes:
        first: features of each place along the first factored dimension, shape (6, *grad.shape) with a size of 1 in the
            last one; None for vectors.
        last: the same along the last factored dimension.
        along: number of features in `first` and `last` together.
        places: places of the coordinates' own, the `first` and the `last` features in the reference's order.
        swapped: the places where the first dimension is the larger one.
        is_swapped: whether the first dimension is the larger one, 0-d; None for vectors.
    """

    def __init__(self, grad: Tensor, param: Tensor, state: TensorState, floor: float = 1e-6) -> None:
        self._grad, self._param, self._floor = grad, param, floor
        self._momentum, self._second = state["momentum"], state["second"]
        self.first: Tensor | None = None
        self.last: Tensor | None = None
        self.along = 0
        self.places, self.swapped, self.is_swapped = PLACES, PLACES, None
        dims = factored_dims(tuple(grad.shape))
        if dims is None:
            self._whole = state["whole"]
            return
        first, last = state["first"].unsqueeze(1 + dims[1]), state["last"].unsqueeze(1 + dims[0])
        # Adafactor divides the means along the smaller dimension, its rows, by their own mean.
        self.is_swapped = is_first_larger(grad, dims)
        rows = (
            first / (first.mean(1 + dims[0], keepdim=True) + 1e-9),
            last / (last.mean(1 + dims[1], keepdim=True) + 1e-9),
        )
        by_first = _safe_rsqrt(torch.where(self.is_swapped, first, rows[0]))
        by_last = _safe_rsqrt(torch.where(self.is_swapped, rows[1], last))
        # Put together, so that compilers store roots by row and column instead of taking them for each coordinate.
        first = torch.cat([first, (first + 1e-8).rsqrt(), by_first])
        last = torch.cat([last, (last + 1e-8).rsqrt(), by_last])
        self.first, self._by_first, self.last, self._by_last = first[:6], first[6:], last[:6], last[6:]
        self.along = len(self.first) + len(self.last)
        self.places, self.swapped = [*OWN, *ROWS, *COLUMNS], [*OWN, *COLUMNS, *ROWS]

    def parts(self) -> list[slice]:
        """Rows of the tensor that are computed together; all of them where a compiler fuses what follows."""
        grad = self._grad
        if grad.ndim == 0 or grad.numel() <= CHUNK or torch.compiler.is_compiling():
            return [slice(None)]
        rows = max(1, CHUNK * grad.shape[0] // grad.numel())
        return [slice(begin, begin + rows) for begin in range(0, grad.shape[0], rows)]

    def own(self, part: slice) -> list[Tensor]:
        """Features of the coordinates in a part."""
        grad, param = self.gradient(part), _rows(self._param, part)
        momentum, second = _rows_below(self._momentum, part), _rows_below(self._second, part)
        inverse = (second + 1e-6).rsqrt()
        columns = [grad, param, *momentum, *second, *(momentum * inverse), *inverse]
        if self.is_swapped is not None:
            by_both = _rows_below(self._by_first, part) * _rows_below(self._by_last, part)
            return [*columns, *(grad * by_both), *(momentum * by_both)]
        whole = _rows_below(self._whole, part)
        roots = (whole + 1e-8).rsqrt()
        columns += [*(grad * _safe_rsqrt(whole + 1e-9)), *whole, *whole, *roots, *roots]
        return [*columns, *(momentum * (whole + self._floor).rsqrt())]

    @property
    def numel(self) -> int:
        """Number of coordinates."""
        return self._grad.numel()

    def measured(self, measured: Params, part: slice) -> Tensors:
        """The measurements of the whole tensor, cut to a part of it."""
        return {key: _rows_below(value, part) if key in ("first", "last") else value for key, value in measured.items()}

    def gradient(self, part: slice) -> Tensor:
        """The gradient in a part."""
        return _rows(self._grad, part)

    def second(self, part: slice) -> Tensor:
        """The second moment in a part."""
        return _rows_below(self._second, part)[0]


def _rows(tensor: Tensor, part: slice) -> Tensor:
    return tensor if part == slice(None) else tensor[part]


def _rows_below(tensor: Tensor, part: slice) -> Tensor:
    """A part of the rows below a leading axis of decays; a single row that serves all stays."""
    return tensor if part == slice(None) or tensor.shape[1] == 1 else tensor[:, part]


def _safe_rsqrt(x: Tensor) -> Tensor:
    return x.clamp_min(1e-9).rsqrt()
