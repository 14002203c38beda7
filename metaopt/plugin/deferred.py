"""An optimizer that is listed at once and made when somebody names it: its library is not imported before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

from metaopt.errors import MetaOptError, PluginError, known_keywords, named_line
from metaopt.plugin.optimizer import OptimizerSpec
from metaopt.plugin.plugin_spec import PluginSpec


@final
@known_keywords(PluginError)
@dataclass(frozen=True, kw_only=True)
class DeferredOptimizer(PluginSpec):
    """A promise of an `OptimizerSpec`, for libraries that take long to import.

    Attributes:
        make: returns the spec; called once, when the optimizer is named.
        proposed: never: a study that proposed it would have to import the library.
    """

    kind: ClassVar[str] = "optimizer"

    make: Callable[[], OptimizerSpec]
    proposed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.proposed:
            raise PluginError(f"DeferredOptimizer(name={self.name!r}) cannot be proposed; return its OptimizerSpec.")

    def made(self) -> OptimizerSpec:
        """The spec.

        Raises:
            PluginError: it cannot be made, or is another one than was promised.
        """
        try:
            spec = self.make()
        except MetaOptError:
            raise
        except Exception as error:  # a stranger's library
            raise PluginError(f"The optimizer {self.name!r} cannot be made: {named_line(error)}.") from error
        if not isinstance(spec, OptimizerSpec) or (spec.name, spec.version) != (self.name, self.version):
            raise PluginError(
                f"DeferredOptimizer(name={self.name!r}, version={self.version!r}): make must return the OptimizerSpec "
                f"of that name and version, got {spec!r:.80}."
            )
        return spec
