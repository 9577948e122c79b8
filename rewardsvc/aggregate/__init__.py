"""From member scores to one score: pure functions on arrays, no I/O, no torch."""

from rewardsvc.aggregate.disagreement import disagreement
from rewardsvc.aggregate.members import enough_members, mask_failures
from rewardsvc.aggregate.objectives import OBJECTIVES, Objective, objective_named
from rewardsvc.aggregate.standardisation import IDENTITY, MemberStatistics, Standardisation

__all__ = [
    "IDENTITY",
    "OBJECTIVES",
    "MemberStatistics",
    "Objective",
    "Standardisation",
    "disagreement",
    "enough_members",
    "mask_failures",
    "objective_named",
]
