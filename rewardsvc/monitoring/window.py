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
    """Numbers to compare with: given ones, or the first so many that come along."""

    def __init__(self, size: int, given: Array | None = None) -> None:
        self._given = given if given is not None and len(given) >= size else None
        self._first: list[float] = []
        self._size = size

    @property
    def origin(self) -> str:
        """Where the numbers are from, for people."""
        return "the calibration set" if self._given is not None else "the first samples"

    def extend(self, values: Sequence[float]) -> Sequence[float]:
        """Takes what it still needs and returns the rest."""
        if self._given is not None or len(self._first) >= self._size:
            return values
        taken = self._size - len(self._first)
        self._first.extend(values[:taken])
        return values[taken:]

    @property
    def values(self) -> Array | None:
        """The numbers; None while there are too few."""
        if self._given is not None:
            return self._given
        return np.array(self._first) if len(self._first) >= self._size else None
