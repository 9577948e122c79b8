"""What shaping sees of one group, and what it gives back: arrays, one place a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "GroupView", "Shaped"]

Array = NDArray[np.float64]
_NOTHING: Mapping[str, Array] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class GroupView:
    """One group's rewards and what is known of its responses.

    Every array has shape (responses,), with NaN where a response has no such number. A
    response without a reward stays without one whatever the shaping.
    """

    rewards: Array
    components: Mapping[str, Array] = field(default_factory=lambda: _NOTHING)
    """Each component's part by name, after calibration, correction and its own shaping."""
    correct: Array | None = None
    """1 where the verdict is correct, 0 where it is incorrect or there is no answer."""
    confidence: Array | None = None
    """The calibrated probability that the response is right."""
    stated_confidence: Array | None = None
    """What the response itself says of its confidence, in [0, 1]."""
    characters: Array | None = None
    """Length of each response in characters."""
    texts: tuple[str | None, ...] = ()
    """Each response's text; None for token ids."""
    values: Mapping[str, Array] = field(default_factory=lambda: _NOTHING)
    """The caller's numbers by name."""
    steps: tuple[Array, ...] = ()
    """Each response's step scores, shape (steps,)."""
    batch_id: str = ""
    """The caller's name for the training batch that the group belongs to."""

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which responses have a reward."""
        return np.isfinite(self.rewards)

    def component(self, name: str) -> Array:
        """One component's part; raises KeyError, naming those there are."""
        try:
            return self.components[name]
        except KeyError:
            known = ", ".join(self.components) or "none"
            raise KeyError(f"there is no component {name!r}; there are {known}") from None

    def value(self, name: str) -> Array:
        """The caller's numbers of that name; NaN where not given."""
        given = self.values.get(name)
        return np.full(len(self), np.nan) if given is None else given

    def of(self, array: Array | None) -> Array:
        """The array, or NaN everywhere where there is none."""
        return np.full(len(self), np.nan) if array is None else array


@dataclass(frozen=True, slots=True, eq=False)
class Shaped:
    """What one step of shaping made of a group."""

    rewards: Array
    """Shape (responses,); NaN takes the reward away, and `reasons` must say why."""
    values: Mapping[str, Array] = field(default_factory=lambda: _NOTHING)
    """The numbers it used, by name, shape (responses,) each; shown in the results."""
    reasons: Mapping[int, str] = field(default_factory=dict)
    """Why a response, by its place, has no reward any more."""
    note: str = ""
    """What should be said of the whole group."""
    steps: tuple[Array, ...] = ()
    """Step rewards of each response, where the shaping makes them."""
