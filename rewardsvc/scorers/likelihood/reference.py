"""How likely the reference answer is after the response's reasoning.

The response is kept up to its last answer mark, and the reference stands in place of its
answer. Over the reference's tokens with log-probabilities l_1 … l_n:

* `reference_probability`           exp(sum l)              (VeriFree, arXiv 2505.21493)
* `reference_mean_probability`      mean exp(l)             (RLPR, arXiv 2506.18254)
* `reference_log_probability`       sum l                   (arXiv 2602.03979 recommends it)
* `reference_mean_log_probability`  mean l
* `reference_gain`                  max(0, mean exp(l) - the same without the reasoning)
                                    (RLPR's debiased reward, before its filtering)

With several reference answers the highest counts. A measure of the log favours short
references; only `reference_gain` asks whether the reasoning made a difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from rewardsvc.scorers.likelihood.measure import MeasureSettings, NoAnswer, TextSample
from rewardsvc.scorers.token_scores import Context, Part, TokenScores

__all__ = ["REFERENCE_MEASURES", "ReferenceGain", "ReferenceLikelihood"]

_Array = NDArray[np.float64]


class ReferenceLikelihood:
    """One statistic of the reference's log-probabilities."""

    needs_reference = True

    def __init__(
        self,
        settings: MeasureSettings,
        statistic: Callable[[_Array], float],
        range: tuple[float | None, float | None],
    ) -> None:
        self._marks = settings.marks
        self._statistic = statistic
        self.range = range

    def contexts(self, sample: TextSample) -> list[Context]:
        """The reference after the reasoning, one continuation a reference."""
        at = sample.response.rfind(self._marks.start)
        if at < 0:
            raise NoAnswer(f"the response has no {self._marks.start!r}")
        reasoning = sample.response[: at + len(self._marks.start)]
        return [Context(sample.messages, _followed(reasoning, sample.references))]

    def value(self, found: Sequence[Sequence[TokenScores]]) -> float:
        """The highest over the references."""
        return max(self._statistic(scores.log_probabilities[0]) for scores in found[0])


class ReferenceGain(ReferenceLikelihood):
    """How much the reasoning raises the reference's mean probability; never below 0."""

    def __init__(self, settings: MeasureSettings) -> None:
        super().__init__(settings, _mean_probability, (0.0, 1.0))

    def contexts(self, sample: TextSample) -> list[Context]:
        """The reference with the reasoning, and without."""
        without = Context(sample.messages, _followed(self._marks.start, sample.references))
        return [*super().contexts(sample), without]

    def value(self, found: Sequence[Sequence[TokenScores]]) -> float:
        """The highest gain over the references."""
        return max(
            max(0.0, _mean_probability(a.log_probabilities[0]) - _mean_probability(b))
            for a, b in zip(found[0], (s.log_probabilities[0] for s in found[1]), strict=True)
        )


def _followed(text: str, references: Sequence[str]) -> tuple[tuple[Part, ...], ...]:
    return tuple((Part(text, scored=False), Part(reference)) for reference in references)


def _mean_probability(values: _Array) -> float:
    return float(np.exp(values).mean())


_STATISTICS: Mapping[str, tuple[Callable[[_Array], float], tuple[float | None, float | None]]] = (
    MappingProxyType(
        {
            "reference_probability": (lambda v: math.exp(float(v.sum())), (0.0, 1.0)),
            "reference_mean_probability": (_mean_probability, (0.0, 1.0)),
            "reference_log_probability": (lambda v: float(v.sum()), (None, 0.0)),
            "reference_mean_log_probability": (lambda v: float(v.mean()), (None, 0.0)),
        }
    )
)


def _of(name: str) -> Callable[[MeasureSettings], ReferenceLikelihood]:
    statistic, range = _STATISTICS[name]
    return lambda settings: ReferenceLikelihood(settings, statistic, range)


REFERENCE_MEASURES: Mapping[str, Callable[[MeasureSettings], ReferenceLikelihood]] = (
    MappingProxyType({**{name: _of(name) for name in _STATISTICS}, "reference_gain": ReferenceGain})
)
