"""What differs between members that share the lower layers of one trunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from rewardsvc.engines.packed.layout import MicroBatch

__all__ = ["Branch", "ReplacedLayers"]


class Branch:
    """The trunk's own layers; other branches put others in their place.

    Attributes:
        changes_own: Whether the trunk's own layers work otherwise while the branch runs, which
            compiled code would not notice.
    """

    changes_own = False

    @contextmanager
    def layers(self, own: Sequence[nn.Module], batch: MicroBatch) -> Iterator[Sequence[nn.Module]]:
        """The layers to run above the shared ones, while the context lasts.

        `own` are the trunk's, `batch` is what they are run on.
        """
        yield own


class ReplacedLayers(Branch):
    """Other layers in the place of the trunk's top ones.

    Args:
        upper: As many as are run above the shared layers.
    """

    def __init__(self, upper: Sequence[nn.Module]) -> None:
        self._upper = list(upper)

    @contextmanager
    def layers(self, own: Sequence[nn.Module], batch: MicroBatch) -> Iterator[Sequence[nn.Module]]:
        """As `Branch.layers`.

        Raises:
            ValueError: there are more or fewer of the trunk's layers to replace.
        """
        if len(own) != len(self._upper):
            raise ValueError(
                f"branch: has {len(self._upper)} layers for the trunk's top {len(own)}"
            )
        yield self._upper
