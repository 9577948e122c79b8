"""One confidence from several, each rule under an assumption that it names.

With probabilities p_k that the parts are right:

    all_right              Π p_k              the response is right if every part is, and the
                                              parts err independently
    any_right              1 − Π (1 − p_k)    it is right if any part is, likewise
    independent_evidence   σ(Σ logit p_k)     every p_k is about the same question, from an even
                                              prior, and the evidence is independent given the
                                              truth (naive Bayes); overstates what is shared
    shared_evidence        σ(mean logit p_k)  the same question, with evidence that is wholly
                                              shared: a logarithmic opinion pool of equal weights

Every rule grows with each p_k, so the ends of the interval are the rule of the ends: it covers
if all parts' intervals cover, and is wider than it must be. Derived; the opinion pool is Genest
and Zidek (Statistical Science, 1986).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, log, prod
from types import MappingProxyType

from rewardsvc.types import Confidence

__all__ = ["CONFIDENCE_RULES"]

_SMALLEST = 1e-12
Rule = Callable[[Sequence[float]], float]


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _SMALLEST), 1 - _SMALLEST)
    return log(inside) - log(1 - inside)


def _probability(log_odds: float) -> float:
    if log_odds >= 0:
        return 1 / (1 + exp(-log_odds))
    return exp(log_odds) / (1 + exp(log_odds))


def _rule(name: str, function: Rule) -> Callable[[Sequence[Confidence]], Confidence]:
    def combine(parts: Sequence[Confidence]) -> Confidence:
        return Confidence(
            function([part.probability for part in parts]),
            function([part.lower for part in parts]),
            function([part.upper for part in parts]),
            name,
        )

    return combine


_FUNCTIONS: dict[str, Rule] = {
    "all_right": prod,
    "any_right": lambda values: 1 - prod(1 - value for value in values),
    "independent_evidence": lambda values: _probability(sum(map(_log_odds, values))),
    "shared_evidence": lambda values: _probability(sum(map(_log_odds, values)) / len(values)),
}
CONFIDENCE_RULES: Mapping[str, Callable[[Sequence[Confidence]], Confidence]] = MappingProxyType(
    {name: _rule(name, function) for name, function in _FUNCTIONS.items()}
)
"""The rules by name: from at least one confidence to one."""
