"""Blocks run in long-lived actors of a Ray cluster, one a slot; machines may go and come."""

import itertools
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cloudpickle

from metaopt.plugin import current_registry
from metaopt.tuning.executors.protocol import Block, Ended, ExecutorError, Loss, Shared
from metaopt.tuning.executors.ray_cluster import slot as slot_module
from metaopt.tuning.executors.ray_cluster.beginnings import Beginnings
from metaopt.tuning.executors.ray_cluster.connection import Connection
from metaopt.tuning.executors.ray_cluster.machines import Machines
from metaopt.tuning.executors.ray_cluster.refusals import failed_on, no_room, too_large
from metaopt.tuning.executors.ray_cluster.resources import Kind, kind_of, on_machines, options
from metaopt.tuning.executors.ray_cluster.sources import own_folder, own_sources
from metaopt.tuning.executors.ray_cluster.store import Store
from metaopt.tuning.executors.ray_cluster.versions import check_worker, wanted_versions
from metaopt.tuning.running.carried_plugins import plugin_files_by_value

#: How long machines that have what a block needs are waited for: a dead one may be on its way back.
_PATIENCE_SECONDS = 30.0
#: How often machines are looked at for signs of life.
_LOOK_SECONDS = 1.0
#: How long a worker of other resources must have been idle to make room.
_IDLE_SECONDS = 2.0


@dataclass(eq=False)
class _Slot:
    """A worker: starting until it has a node, then idle or running a block."""

    actor: Any
    kind: Kind
    node: str = ""
    host: str = ""
    ticket: int | None = None
    label: str = ""
    idle_since: float = 0.0


@dataclass
class RayExecutor:
    """Slots on a cluster.

    Attributes:
        connection: to it.
        most: slots at most; None for as many as there is room for.
        setup: makes what each worker calls first.
        announce: told in one line whenever there is something to say.
    """

    connection: Connection
    most: int | None
    setup: Callable[[], Callable[[], None]]
    announce: Callable[[str], None] = lambda line: None
    _refs: dict[Any, _Slot] = field(default_factory=dict, init=False)
    _idle: dict[Kind, list[_Slot]] = field(default_factory=dict, init=False)
    _ended: list[Ended] = field(default_factory=list, init=False)
    _roomless_since: dict[Kind, float] = field(default_factory=dict, init=False)
    _tickets: "itertools.count[int]" = field(default_factory=itertools.count, init=False)
    _refusal: ExecutorError | None = field(default=None, init=False)

    @property
    def is_elsewhere(self) -> bool:
        """Blocks run on the cluster, one that comes alone as well."""
        return True

    def submit(self, block: Block, waiting: int = 1) -> int | None:
        """Start a block in an idle slot, or see to it that there will be slots."""
        if self._refusal is not None:
            raise self._refusal
        if not self.connection.answers():
            return None
        with self.connection.asked(), self._store.fitting(block.label):
            kind = kind_of(block.resources)
            idle = self._idle.setdefault(kind, [])
            if not idle:
                self._start_slots(kind, waiting, block.label)
                return None
            plugin_files_by_value()
            shared = block.shared
            work = cloudpickle.dumps((block.function, block.arguments))
            key, value = (None, None) if shared is None else (shared.key, self._store.put(shared))
            ref = idle[-1].actor.run.remote(work, key, value)
            self._refs[ref] = slot = idle.pop()
            slot.ticket, slot.label = next(self._tickets), block.label
            return slot.ticket

    def finished(self, timeout: float) -> Sequence[Ended]:
        """What has ended; slots that are ready now end the waiting as well."""
        with self.connection.asked():
            if not self._ended:
                self._wait(timeout)
            if self.connection.answers():
                self._lose_silent()
        ended, self._ended = self._ended, []
        return ended

    def cancel(self, tickets: Collection[int]) -> None:
        """End the workers of these blocks."""
        for ref, slot in list(self._refs.items()):
            if slot.ticket in tickets:
                self._lose(ref, "worker")

    def is_alive(self) -> bool:
        """Whether the cluster answers."""
        return self.connection.is_alive()

    def close(self) -> None:
        """End all workers and leave the cluster."""
        try:
            for slot in [*self._refs.values(), *itertools.chain.from_iterable(self._idle.values())]:
                self._kill(slot)
            if self.connection.answers():
                self._machines.close()
        except Exception:  # a cluster that is gone has no workers of ours
            pass
        finally:
            self._refs, self._idle, self._ended = {}, {}, []
            self.connection.close()

    @property
    def _ray(self) -> Any:
        return self.connection.ray

    @cached_property
    def _store(self) -> Store:
        return Store(self.connection.ray)

    @cached_property
    def _machines(self) -> Machines:
        return Machines(self.connection.ray)

    @cached_property
    def _beginnings(self) -> Beginnings:
        return Beginnings(self.announce)

    @cached_property
    def _actor_class(self) -> Any:
        self._ray.cloudpickle.register_pickle_by_value(slot_module)  # machines may lack metaopt, and shall say so
        return self._ray.remote(slot_module.Slot)

    @cached_property
    def _begin_with(self) -> tuple[dict[str, str], Shared]:
        return wanted_versions(current_registry()), Shared("sources of this study", own_sources())

    def _start_slots(self, kind: Kind, waiting: int, label: str) -> None:
        """Start workers for blocks that wait, as many as there is room for."""
        room = self._machines.room(on_machines(kind))
        if room == 0:
            self._wait_for_room(kind, label)
            return
        self._roomless_since.pop(kind, None)
        slots = [*self._refs.values(), *itertools.chain.from_iterable(self._idle.values())]
        starting = sum(slot.kind == kind and not slot.node for slot in slots)
        most = room - sum(slot.kind == kind for slot in slots)
        if self.most is not None:
            most = min(most, self.most - len(slots))
        wanted = min(waiting - starting, most)
        if wanted <= 0 and not any(slot.kind == kind and slot.node for slot in slots):
            self._make_room(kind)
            self._beginnings.wait()
        distributions, sources = self._begin_with
        for _ in range(max(wanted, 0)):
            actor = self._actor_class.options(**options(kind), **self._machines.others()).remote()
            setup, modules = cloudpickle.dumps(self.setup()), self._store.put(sources)
            self._refs[actor.begin.remote(modules, list(distributions), setup, own_folder())] = _Slot(actor, kind)

    def _make_room(self, kind: Kind) -> None:
        """End workers of other resources that have had nothing to do for a while."""
        now = time.monotonic()
        for other, slots in self._idle.items():
            tired = [slot for slot in slots if other != kind and now - slot.idle_since > _IDLE_SECONDS]
            for slot in tired:
                slots.remove(slot)
                self._kill(slot)

    def _wait_for_room(self, kind: Kind, label: str) -> None:
        now = time.monotonic()
        if now - self._roomless_since.setdefault(kind, now) <= _PATIENCE_SECONDS:
            return
        raise no_room(label, kind, self._machines.silent())

    def _wait(self, timeout: float) -> None:
        if not self._refs:
            time.sleep(min(timeout, 0.2))
            return
        timeout = min(timeout, _LOOK_SECONDS)
        ready, _ = self._ray.wait(list(self._refs), num_returns=1, timeout=timeout)
        if ready and len(self._refs) > 1:
            ready, _ = self._ray.wait(list(self._refs), num_returns=len(self._refs), timeout=0)
        for ref in ready:
            slot = self._refs[ref]
            if slot.ticket is None:
                self._begun(ref, slot)
            else:
                self._done(ref, slot)

    def _begun(self, ref: Any, slot: _Slot) -> None:
        del self._refs[ref]
        try:
            facts = self._ray.get(ref)
            check_worker(facts, self._begin_with[0])
        except self._ray.exceptions.RayError as error:
            self._kill(slot)  # its machine went away; another worker is started when one is wanted
            self._refusal = self._beginnings.fail(error) or self._refusal
            return
        except ExecutorError as error:
            self._kill(slot)
            self._refusal = error
            return
        slot.node, slot.host = facts["node"], facts["host"]
        self._beginnings.succeed()
        self._machines.watch(slot.node)
        self._rest(slot)

    def _done(self, ref: Any, slot: _Slot) -> None:
        assert slot.ticket is not None
        try:
            went_well, result = cloudpickle.loads(self._ray.get(ref))
        except self._ray.exceptions.RayError as error:
            if self._store.is_full(error):
                self._forget(ref, Ended(slot.ticket, error=too_large(slot.label)))
            else:
                self._lose(ref, self._loss(slot, error))
            return
        ended = (
            Ended(slot.ticket, result=result) if went_well else Ended(slot.ticket, error=failed_on(slot.host, result))
        )
        del self._refs[ref]
        self._ended.append(ended)
        slot.ticket = None
        self._rest(slot)

    def _rest(self, slot: _Slot) -> None:
        slot.idle_since = time.monotonic()
        self._idle.setdefault(slot.kind, []).append(slot)

    def _loss(self, slot: _Slot, error: Exception) -> Loss:
        """Whether a block's process died, or what it ran on."""
        errors = self._ray.exceptions
        if isinstance(error, errors.ActorUnavailableError | errors.ObjectLostError | errors.NodeDiedError):
            return "node"
        if (
            not self.connection.answers()
            or slot.node not in self._machines.alive(now=True)
            or "node" in str(error).lower().partition("\n")[0]
        ):
            return "node"
        return "worker"

    def _lose_silent(self) -> None:
        """Take the blocks of machines that are gone back, whatever Ray makes of it."""
        if self._machines.look():
            self._begin_elsewhere()
        alive = self._machines.alive()
        for ref, slot in list(self._refs.items()):
            if slot.ticket is not None and slot.node not in alive:
                self._lose(ref, "node")
            elif slot.ticket is not None:
                self._machines.watch(slot.node)
        for slots in self._idle.values():
            for slot in [slot for slot in slots if slot.node not in alive]:
                slots.remove(slot)
                self._kill(slot)

    def _begin_elsewhere(self) -> None:
        """Give up workers that are starting, nobody knows where or from whose data, as others may be used now."""
        self._store.renew()
        for ref, slot in list(self._refs.items()):
            if not slot.node:
                self._kill(self._refs.pop(ref))

    def _lose(self, ref: Any, loss: Loss) -> None:
        slot = self._refs[ref]
        assert slot.ticket is not None
        if loss == "node":
            self._machines.doubt(slot.node)
        self._forget(ref, Ended(slot.ticket, lost=loss))

    def _forget(self, ref: Any, ended: Ended) -> None:
        self._kill(self._refs.pop(ref))
        self._ended.append(ended)

    def _kill(self, slot: _Slot) -> None:
        if self.connection.answers():  # else its workers end without being told
            self._ray.kill(slot.actor)
