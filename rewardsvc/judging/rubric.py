"""A rubric of weighted criteria with hard rules and principles (OpenRubrics).

A hard rule that is not met fails the response: score 0. Otherwise the score is the weighted
mean Σ wᵢ·sᵢ / Σ wᵢ over the judged criteria, sᵢ the share of votes that found criterion i met.
A hard rule's weight counts in the mean as well; weight 0 makes it a gate only. Hard rules are
decided by the majority of their votes, principles are not rounded.

What could not be judged is never counted as met or as not met: an undecided hard rule leaves
the response without a score (unless another one fails it), and principles that are missing
are left out as long as the judged ones hold at least `minimum_weight` of the weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from rewardsvc.judging.voting import majority
from rewardsvc.types import Criterion, CriterionVerdict, Outcome

__all__ = ["RubricScore", "criterion_verdict", "rubric_fault", "score_rubric"]


@dataclass(frozen=True, slots=True)
class RubricScore:
    """A rubric's score in [0, 1], or None and why."""

    value: float | None
    reason: str = ""


def rubric_fault(rubric: Sequence[Criterion]) -> str:
    """What makes a rubric unusable, naming the criterion; empty for a usable one."""
    if not rubric:
        return "it has no criteria"
    seen = set()
    for criterion in rubric:
        if not (isfinite(criterion.weight) and criterion.weight >= 0):
            return (
                f"criterion {criterion.name!r} has weight {criterion.weight!r}; "
                "must be a finite number of at least 0"
            )
        if not (criterion.name.strip() or criterion.description.strip()):
            return "a criterion has neither name nor description"
        if criterion.name and criterion.name in seen:
            return f"two criteria are named {criterion.name!r}"
        seen.add(criterion.name)
    if not any(criterion.weight > 0 or criterion.hard_rule for criterion in rubric):
        return "all weights are 0 and no criterion is a hard rule"
    return ""


def criterion_verdict(
    criterion: Criterion, votes: Sequence[bool], reason: str = ""
) -> CriterionVerdict:
    """One criterion's verdict from the votes that could be read; undecided without any."""
    share = sum(votes) / len(votes) if votes else None
    met = majority(list(votes))
    outcome = Outcome.UNDECIDED if met is None else Outcome.CORRECT if met else Outcome.INCORRECT
    return CriterionVerdict(
        criterion.name or criterion.description,
        outcome,
        share,
        criterion.weight,
        criterion.hard_rule,
        reason,
    )


def score_rubric(verdicts: Sequence[CriterionVerdict], minimum_weight: float = 0.5) -> RubricScore:
    """The score of a response from the verdicts of a rubric without `rubric_fault`."""
    failed = [v.name for v in verdicts if v.hard_rule and v.outcome is Outcome.INCORRECT]
    if failed:
        return RubricScore(0.0, f"It breaks the hard rule {_names(failed)}.")
    undecided = [v.name for v in verdicts if v.hard_rule and v.outcome is Outcome.UNDECIDED]
    if undecided:
        return RubricScore(None, f"The hard rule {_names(undecided)} could not be judged.")
    weight = sum(v.weight for v in verdicts)
    judged = [v for v in verdicts if v.score is not None]
    judged_weight = sum(v.weight for v in judged)
    if weight == 0:
        return RubricScore(1.0)  # hard rules of weight 0, all of them met
    if judged_weight == 0 or judged_weight < minimum_weight * weight:
        return RubricScore(
            None,
            f"Only criteria of weight {judged_weight:g} of {weight:g} could be judged; "
            f"at least {minimum_weight * weight:g} is needed.",
        )
    met = sum(v.weight * v.score for v in judged if v.score is not None)
    return RubricScore(min(met / judged_weight, 1.0))


def _names(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
