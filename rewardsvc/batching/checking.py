"""Checks what a scorer answered before anyone relies on it.

A result of the wrong shape, a number that is not finite, or a number where there must be
none is the scorer's defect; it becomes an error of the affected samples that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from rewardsvc.types import Group, Score, Status

LONGEST_REASON = 300


def checked_batch(
    name: str, groups: Sequence[Group], results: object
) -> tuple[list[tuple[Score, ...]], str]:
    """One tuple of valid scores for each group, and what was wrong (empty when nothing)."""
    if not isinstance(results, Sequence) or len(results) != len(groups):
        answered = len(results) if isinstance(results, Sequence) else type(results).__name__
        wrong = f"scorer {name!r} answered {len(groups)} groups with {answered}"
        return failed(groups, wrong), wrong
    scored: list[tuple[Score, ...]] = []
    wrong = ""
    for group, scores in zip(groups, results, strict=True):
        checked, fault = checked_group(name, len(group.responses), scores)
        scored.append(checked)
        wrong = fault or wrong
    return scored, wrong


def checked_group(name: str, responses: int, scores: object) -> tuple[tuple[Score, ...], str]:
    """Valid scores of a group of so many responses, and what was wrong with them."""
    if not isinstance(scores, (tuple, list)) or len(scores) != responses:
        answered = len(scores) if isinstance(scores, Sequence) else type(scores).__name__
        wrong = f"scorer {name!r} answered {responses} responses with {answered} scores"
        return (Score.unscored(Status.ERROR, wrong),) * responses, wrong
    ok, truncated = Status.OK, Status.TRUNCATED
    try:
        for score in scores:
            status = score.status
            value = score.value
            if status is ok or status is truncated:
                if value is None or not isfinite(value):
                    break
            elif value is not None:
                break
        else:
            return tuple(scores), ""
    except (AttributeError, TypeError, OverflowError):
        pass
    return _repaired(name, scores)


def failed(groups: Sequence[Group], reason: str) -> list[tuple[Score, ...]]:
    """An error for every sample of every group."""
    score = Score.unscored(Status.ERROR, reason)
    return [(score,) * len(group.responses) for group in groups]


def shortened(error: BaseException) -> str:
    """The type and message of an exception, in one short line."""
    try:
        message = " ".join(str(error)[: 4 * LONGEST_REASON].split())
    except Exception:
        message = "its message cannot be shown"
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"


def _repaired(name: str, scores: Sequence[object]) -> tuple[tuple[Score, ...], str]:
    repaired: list[Score] = []
    wrong = ""
    for score in scores:
        fault = _fault(score)
        if fault:
            wrong = f"scorer {name!r} answered {fault}"
            repaired.append(Score.unscored(Status.ERROR, wrong))
        else:
            assert isinstance(score, Score)
            repaired.append(score)
    return tuple(repaired), wrong


def _fault(score: object) -> str:
    if not isinstance(score, Score):
        return f"a {type(score).__name__} in place of a Score"
    if not isinstance(score.status, Status):
        return f"status {score.status!r}, which is none"
    value = score.value
    if not score.status.scored:
        return "" if value is None else f"status {score.status.value} with a value of {value!r}"
    if value is None:
        return f"status {score.status.value} without a value"
    try:
        return "" if isfinite(value) else f"a value of {value!r}"
    except (TypeError, OverflowError):
        return f"a {type(value).__name__} that is no finite number"
