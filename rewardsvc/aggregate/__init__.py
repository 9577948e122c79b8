"""From member scores to one score: pure functions on arrays, no torch."""

from rewardsvc.aggregate.disagreement import disagreement
from rewardsvc.aggregate.learned import LearnedMember, LearnedObjective, load_objective
from rewardsvc.aggregate.learned_fit import fit_learned_objective
from rewardsvc.aggregate.members import enough_members, mask_failures
from rewardsvc.aggregate.objectives import (
    FITTED_OBJECTIVES,
    OBJECTIVES,
    Objective,
    objective_named,
)
from rewardsvc.aggregate.standardisation import IDENTITY, MemberStatistics, Standardisation

__all__ = [
    "FITTED_OBJECTIVES",
    "IDENTITY",
    "OBJECTIVES",
    "LearnedMember",
    "LearnedObjective",
    "MemberStatistics",
    "Objective",
    "Standardisation",
    "disagreement",
    "enough_members",
    "fit_learned_objective",
    "load_objective",
    "mask_failures",
    "objective_named",
]
