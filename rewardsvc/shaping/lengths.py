"""How long a response is, in the unit that a shaper is set to."""

from __future__ import annotations

from typing import Literal

from rewardsvc.shaping.view import Array, GroupView

__all__ = ["LengthUnit", "lengths"]

LengthUnit = Literal["characters", "tokens"]


def lengths(group: GroupView, unit: LengthUnit) -> Array:
    """Lengths, shape (responses,); tokens are the caller's value `tokens`."""
    return group.value("tokens") if unit == "tokens" else group.of(group.characters)
