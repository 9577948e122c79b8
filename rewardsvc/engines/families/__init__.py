"""The families of reward models: how each reads a sample, and what its outputs mean.

One file a family, one line here. Nothing in this package imports torch: a scorer asks a family
what it needs, and the engine, in its own process, reads samples with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rewardsvc.engines.families.attributes import Attributes
from rewardsvc.engines.families.bradley_terry import BradleyTerry
from rewardsvc.engines.families.family import Family, Readable, Reader, Reading, Unreadable
from rewardsvc.engines.families.polar import Polar
from rewardsvc.engines.families.verify_rm import VerifyRm

__all__ = ["FAMILIES", "Family", "Readable", "Reader", "Reading", "Unreadable"]

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {family.name: family for family in (BradleyTerry(), Attributes(), Polar(), VerifyRm())}
)
"""Families by the name that configurations use."""
