"""The latest so many numbers, and the first so many: what drift is measured between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Baseline", "Window"]

Array = NDArray[np.float64]


class Window:
    """A ring of the latest numbers."""

    def __init__(self, size: int) -> None:
        self._ring = np.empty(size)
        self._next = 0
        self.seen = 0
        """Numbers that were ever put in."""

    def extend(self, values: Sequence[float]) -> None:
        """Puts numbers in, the latest last."""
        size = len(self._ring)
        latest = np.asarray(values, dtype=np.float64)[-size:]
        places = (self._next + np.arange(len(latest))) % size
        self._ring[places] = latest
        self._next = (self._next + len(latest)) % size
        self.seen += len(values)

    @property
    def values(self) -> Array:
        """The numbers in it, in no particular order."""
        return self._ring[: min(self.seen, len(self._ring))].copy()


class Baseline:
    """The first so many numbers that come along, for what has nothing better to compare with."""

    def __init__(self, size: int) -> None:
        self._first: list[float] = []
        self._size = size

    def extend(self, values: Sequence[float]) -> Sequence[float]:
        """Takes what it still needs and returns the rest."""
        taken = self._size - len(self._first)
        self._first.extend(values[:taken])
        return values[taken:]

    @property
    def values(self) -> Array | None:
        """The numbers; None while there are too few."""
        return np.array(self._first) if len(self._first) >= self._size else None
