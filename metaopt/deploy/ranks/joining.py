"""Ranks with fewer batches than others: how a run takes part in `torch.distributed.algorithms.join.Join`."""

import io
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.algorithms.join import Joinable, JoinHook

from metaopt.deploy.ranks.rank_group import Call, RankGroup, averaging_module
from metaopt.deploy.saved_runs import SavedRun
from metaopt.errors import InputError


class Joining(JoinHook):
    """What a rank without further batches does under `with Join([model, run]):`.

    It keeps the others company where they average the losses of their steps. At the end every rank gets the state of
    one that took most steps, as `DistributedDataParallel` gives it that one's weights.

    Args:
        model: the module in training, or its parameters.
        ranks: the processes that train it together.
        meets_at_steps: whether the losses of steps are averaged.
        state: of the run.
    """

    def __init__(self, model: Any, ranks: RankGroup, meets_at_steps: bool, state: SavedRun) -> None:
        self.ranks, self._meets_at_steps, self._state = ranks, meets_at_steps, state
        self.averaging = averaging_module(model)
        self.is_open = False

    def main_hook(self) -> None:
        """A step of the others."""
        # Under no_sync their backward pass is one of several of a step.
        is_step = self.averaging is None or self.averaging.require_forward_param_sync
        if self._meets_at_steps and is_step:
            self.ranks.gathered(Call.LOSS, self._state.steps.count, [0.0] * 3, has_joined=True)

    def post_hook(self, is_last_joiner: bool) -> None:
        """All have joined: take over the state of one of the last."""
        self.is_open = False
        told = self.ranks.gathered(Call.JOINED, 0, [float(is_last_joiner)])
        last = [rank for rank, row in told.items() if row[0]]
        if len(last) < self.ranks.size:
            self._take_over(last[-1])  # whose weights the model takes, too

    def _take_over(self, source: int) -> None:
        """Load the state of a rank; best weights are equal already."""
        ranks, own = self.ranks, self.ranks.rank == source
        sent = [_as_bytes({**self._state.saved(), "best_weights": None}) if own else None]
        first = dist.get_global_rank(ranks.group, source)
        where = f"rank {ranks.rank}, {Call.JOINED.value}"
        ranks.meet(where, lambda: dist.broadcast_object_list(sent, src=first, group=ranks.group, device=ranks.device))
        if not own:
            best = self._state.observations()["best_weights"]
            state = torch.load(io.BytesIO(sent[0] or b""), map_location="cpu", weights_only=True)
            self._state.load({**state, "best_weights": best})


def _as_bytes(state: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


class JoinableRun(Joinable):
    """A run among the joinables of `torch.distributed.algorithms.join.Join`."""

    _joining: Joining | None = None  # where several ranks train the model

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """For torch's `Join([model, run])`."""
        if self._joining is None:
            return JoinHook()
        self._joining.is_open = True
        return self._joining

    @property
    def join_device(self) -> torch.device:
        """For torch's `Join([model, run])`."""
        return torch.device("cpu") if self._joining is None else self._joining.ranks.device

    @property
    def join_process_group(self) -> Any:
        """For torch's `Join([model, run])`."""
        return dist.group.WORLD if self._joining is None else self._joining.ranks.group

    def check_joined(self, *, meets_all: bool = False) -> None:
        """Refuse a call that ranks without batches would not answer.

        Args:
            meets_all: whether it meets all ranks, those that have joined among them.

        Raises:
            InputError: the model is in a `Join` that the run is not in, or stands before it; or the call meets all.
        """
        if self._joining is None:
            return
        averaging, (is_joined, _, is_first) = self._joining.averaging, self._join_config
        if averaging is not None and averaging._join_config.enable and (is_first or not is_joined):
            raise InputError(
                "Under torch's Join a run takes part, behind its model: write `with Join([model, run]):` in place of "
                "Join([model]) or model.join()."
            )
        if meets_all and is_joined and self._joining.is_open:
            raise InputError(
                "Ranks whose batches have ended do not validate: leave `with Join([model, run]):` before run.observe()."
            )
