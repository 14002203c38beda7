"""What is wanted of a task: every configuration with every seed, at the rates that their laws give."""

from collections.abc import Mapping
from dataclasses import dataclass

from metaopt.configuration import ANCHORED, Assembly, Configuration, assemble
from metaopt.contracts import AnyTask, Scale, Task
from metaopt.errors import InputError
from metaopt.plugin import Registry
from metaopt.space import Value
from metaopt.tuning.running.trainings import SeededAssembly


@dataclass(frozen=True)
class Request:
    """Curves that are wanted of one task: every configuration with every seed."""

    task: AnyTask
    configurations: tuple[Configuration, ...]
    seeds: tuple[int, ...]

    def runs(self, registry: Registry, made: dict[tuple[str, Scale], Assembly] | None = None) -> list[SeededAssembly]:
        """The runs that it asks for, each once, at the rates that their laws give for the task.

        Args:
            registry: where plugins are.
            made: assemblies of other requests, by configuration key and scale; those that are new are added.
        """
        known = {} if made is None else made
        laws = any(configuration.rate_law for configuration in self.configurations)
        usual = self.task.scale if laws and isinstance(self.task, Task) else ANCHORED
        assemblies = {}
        for own in self.configurations:
            scale = scale_at(self.task, own.values, usual) if laws else usual
            if (own.key, scale) not in known:
                known[own.key, scale] = assemble(own, registry, scale)
            assemblies[own.key] = known[own.key, scale]
        return [(assembly, seed) for seed in dict.fromkeys(self.seeds) for assembly in assemblies.values()]


def scale_at(task: AnyTask, values: Mapping[str, Value], usual: Scale) -> Scale:
    """What laws are resolved for at values of what a task has of its own; as usual where its code fails at them."""
    if not isinstance(task, Task) or not any(name in task.space for name in values):
        return usual
    try:
        return task.with_values(values).scale
    except InputError:  # told of when it is trained
        return usual
