"""From a reward to the reward that a trainer should see: pure functions, one idea a file."""

from rewardsvc.shaping.apply import Account, shape_group
from rewardsvc.shaping.registry import SHAPERS
from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.stated_confidence import ConfidenceFormat, StatedConfidence, read_confidence
from rewardsvc.shaping.view import GroupView, Shaped

__all__ = [
    "SHAPERS",
    "Account",
    "ConfidenceFormat",
    "GroupView",
    "Shaped",
    "Shaper",
    "StatedConfidence",
    "read_confidence",
    "shape_group",
]
