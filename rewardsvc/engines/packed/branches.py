"""What differs between members that share the lower layers of one trunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from rewardsvc.engines.packed.layout import MicroBatch

__all__ = ["Branch"]


class Branch:
    """The trunk's own layers; other branches put others in their place."""

    @contextmanager
    def layers(self, own: Sequence[nn.Module], batch: MicroBatch) -> Iterator[Sequence[nn.Module]]:
        """The layers to run above the shared ones, while the context lasts.

        `own` are the trunk's, `batch` is what they are run on.
        """
        yield own
