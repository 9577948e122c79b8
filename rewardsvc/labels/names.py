"""Which rewards and scorers labels may be about, and how each is configured."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rewardsvc.errors import InvalidRequest, UnknownReward
from rewardsvc.store.noise import ScorerKey


@dataclass(frozen=True, slots=True)
class LabelledScorer:
    """What the configuration says of one scorer of a reward."""

    method: str = "isotonic"
    """The calibration method of calls that name none."""
    from_store: bool = True
    """Whether scoring takes this scorer's calibrator from the store."""


LabelledRewards = Mapping[str, Mapping[str, LabelledScorer]]
"""The configured rewards, and in each its scorers, by name."""


def scorer_of(rewards: LabelledRewards, reward: str, scorer: str) -> ScorerKey:
    """The scorer that a request is about; an empty name is the only one there is.

    Raises:
        UnknownReward, InvalidRequest: name what there is, and what is close.
    """
    if reward not in rewards:
        raise UnknownReward(
            f"reward: {reward!r} is not configured; there are: "
            f"{', '.join(sorted(rewards))}{_suggestion(reward, rewards)}"
        )
    scorers = rewards[reward]
    if not scorer and len(scorers) == 1:
        return ScorerKey(reward, next(iter(scorers)))
    if scorer not in scorers:
        said = f"is {scorer!r}, which is not in" if scorer else "is empty, but there are several in"
        raise InvalidRequest.field(
            "scorer",
            f"{said} reward {reward!r}; it has: {', '.join(sorted(scorers))}"
            + _suggestion(scorer, scorers),
        )
    return ScorerKey(reward, scorer)


def _suggestion(name: str, allowed: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
