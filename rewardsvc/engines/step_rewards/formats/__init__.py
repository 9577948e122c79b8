"""The formats of published process reward models: one file and one line here each.

No torch here: the scorer reads this, the engine process loads what it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["FORMATS", "FormatEntry"]


@dataclass(frozen=True, slots=True)
class FormatEntry:
    """Where a format's class is, and how its step scores are best aggregated."""

    location: str
    """`module:Class`, a `StepFormat` to be made with a tokenizer."""
    aggregation: str
    """By what its models were trained on; see `rewardsvc.aggregate.steps`."""
    right_classes: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """For formats that classify steps: by the number of classes, those that mean right."""


_HERE = "rewardsvc.engines.step_rewards.formats"

FORMATS: Mapping[str, FormatEntry] = MappingProxyType(
    {
        "math_shepherd": FormatEntry(f"{_HERE}.math_shepherd:MathShepherd", "last"),
        "prm800k": FormatEntry(f"{_HERE}.prm800k:Prm800k", "min", {2: (1,), 3: (1, 2)}),
        "qwen2_5_math": FormatEntry(f"{_HERE}.qwen_math:QwenMath", "min", {2: (1,)}),
        "rlhflow": FormatEntry(f"{_HERE}.rlhflow:RlhFlow", "last"),
        "skywork_o1": FormatEntry(f"{_HERE}.skywork_o1:SkyworkO1", "last"),
    }
)
"""Formats by the name that configurations use. Models of Monte Carlo labels estimate how the
solution will end, so that the last step holds it all; the others judge each step."""
