"""From the scores of a response's steps to one score of the response.

Step scores are probabilities in [0, 1] that a step is right, in the order of the steps. A
response without steps has no score: None, never a number that looks like one.

Which aggregation fits depends on what the process reward model was trained on. Labels by
Monte Carlo rollouts (Math-Shepherd) estimate the chance that the solution still ends right,
so the last step already holds it all; labels by judges or people (PRM800K, Qwen2.5-Math-PRM)
say whether this one step is right, so all of them count. Zhang et al., "The Lessons of
Developing Process Reward Models" (arXiv 2501.07301), compare them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["AGGREGATIONS", "StepAggregation", "aggregate_steps", "check_probabilities"]


@dataclass(frozen=True, slots=True)
class StepAggregation:
    """An aggregation of step scores, and which responses it favours for no good reason."""

    function: Callable[[Sequence[float]], float]
    bias: str


def _product(scores: Sequence[float]) -> float:
    return math.prod(scores)


def _mean(scores: Sequence[float]) -> float:
    return math.fsum(scores) / len(scores)


def _geometric_mean(scores: Sequence[float]) -> float:
    if min(scores) == 0:
        return 0.0
    return math.exp(math.fsum(math.log(score) for score in scores) / len(scores))


def _last(scores: Sequence[float]) -> float:
    return scores[-1]


AGGREGATIONS: Mapping[str, StepAggregation] = MappingProxyType(
    {
        "min": StepAggregation(
            min, "the worst step decides; falls with the number of steps when scores are noisy"
        ),
        "product": StepAggregation(
            _product, "falls with every step that is not certain, so short responses score higher"
        ),
        "geometric_mean": StepAggregation(
            _geometric_mean,
            "a product without the penalty on length; easy steps dilute a wrong one",
        ),
        "last": StepAggregation(
            _last,
            "looks at the last step alone, as an outcome score does; for Monte Carlo labels",
        ),
        "mean": StepAggregation(
            _mean, "rises with every easy step added, so padding hides a wrong step"
        ),
        "max": StepAggregation(max, "one good step is enough; for comparison only"),
    }
)
"""Aggregations by the name that configurations use."""


def aggregate_steps(name: str, scores: Sequence[float]) -> float | None:
    """The aggregation called `name` over step scores in [0, 1]; None when there are no steps.

    Raises:
        ValueError: a score is not a number in [0, 1], or there is no such aggregation.
    """
    aggregation = AGGREGATIONS.get(name)
    if aggregation is None:
        raise ValueError(f"aggregation: is {name!r}; must be one of {', '.join(AGGREGATIONS)}")
    check_probabilities(scores)
    return aggregation.function(scores) if scores else None


def check_probabilities(scores: Sequence[float]) -> None:
    """Raises ValueError unless every step score is a number in [0, 1]."""
    for index, score in enumerate(scores):
        if not 0 <= score <= 1:  # false for NaN as well
            raise ValueError(f"the score of step {index + 1} is {score}; must lie in [0, 1]")
