"""Rewards from per-test outcomes. Pure functions; None means that nothing can be said.

A test that could not be run (`sandbox_error`) counts neither for nor against a response.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rewardsvc_verifiers.verdict import Outcome, TestStatus, Verdict


def all_or_nothing(verdict: Verdict) -> float | None:
    """1.0 when every test passed, 0.0 when one failed or there is no program; else None."""
    if verdict.outcome is Outcome.CORRECT:
        return 1.0
    if verdict.outcome in (Outcome.INCORRECT, Outcome.NO_ANSWER):
        return 0.0
    return None


def fraction_passed(verdict: Verdict) -> float | None:
    """Share of the tests that were run and passed, in [0, 1]; None when none was run.

    A response without a program has 0.0.
    """
    if verdict.outcome is Outcome.NO_ANSWER:
        return 0.0
    passed = [value for value in passes(verdict).values() if value is not None]
    if not passed:
        return 0.0 if verdict.outcome is Outcome.INCORRECT else None
    return sum(passed) / len(passed)


def passes(verdict: Verdict) -> dict[str, bool | None]:
    """Each test's name and whether it passed; None for one that could not be run."""
    return {
        test.name: None if test.status is TestStatus.SANDBOX_ERROR
        else test.status is TestStatus.PASSED
        for test in verdict.tests
    }  # fmt: skip


def group_pass_rates(group: Sequence[Verdict]) -> dict[str, float]:
    """Each test's share of passing responses in a group, in [0, 1].

    A response that did not compile, or has no program, failed every test; a test that could
    not be run for a response is left out of that test's rate.
    """
    names = _names(group)
    rates = {}
    for name in names:
        seen = [_result(verdict, name) for verdict in group]
        known = [value for value in seen if value is not None]
        if known:
            rates[name] = sum(known) / len(known)
    return rates


def difficulty_weights(
    pass_rates: Mapping[str, float], *, alpha: float = 2.0, sigma: float = 0.1, delta: float = 1e-6
) -> dict[str, float]:
    """VeRPO's weight of each test, normalised to sum to 1.

    w_j = exp(-alpha rho_j) / (N(rho_j) + delta), N(rho_j) = sum_j' exp(-(rho_j - rho_j')^2 /
    (2 sigma^2)) (arXiv 2601.03525, density term as of its third version; sigma and delta are
    ours, the paper's are not published; normalisation to 1 is ours). Harder tests weigh more,
    and many tests of like difficulty share their weight. A test that all of the group passed
    or all failed carries no weight: it cannot tell its members apart.

    Args:
        pass_rates: each test's pass rate, in [0, 1].

    Returns:
        A weight for each test; all 0.0 when every test is constant.

    Raises:
        ValueError: a rate is outside [0, 1], or sigma or delta is not above 0.
    """
    if not sigma > 0 or not delta > 0:
        raise ValueError(f"sigma and delta must be above 0, got {sigma!r} and {delta!r}")
    for name, rate in pass_rates.items():
        if not 0 <= rate <= 1:
            raise ValueError(f"pass rate of test {name!r} must be in [0, 1], got {rate!r}")
    telling = {name: rate for name, rate in pass_rates.items() if 0 < rate < 1}
    raw = {}
    for name, rate in telling.items():
        density = sum(
            math.exp(-((rate - other) ** 2) / (2 * sigma**2)) for other in telling.values()
        )
        raw[name] = math.exp(-alpha * rate) / (density + delta)
    total = sum(raw.values())
    return {name: raw.get(name, 0.0) / total if total else 0.0 for name in pass_rates}


def difficulty_weighted(
    group: Sequence[Verdict], estimate: PassRates | None = None, *, alpha: float = 2.0,
    sigma: float = 0.1,
) -> list[float | None]:  # fmt: skip
    """VeRPO's dense reward of each response: the summed weights of the tests it passed.

    Args:
        group: the verdicts on the responses to one prompt.
        estimate: rates over earlier groups, blended in; without it the group's own decide.
        alpha, sigma: see `difficulty_weights`.

    Returns:
        A reward in [0, 1] for each response. None for one of which no weighted test could be
        run, and for all when no test tells the group apart (the group carries no signal, which
        is not the same as a reward of 0).
    """
    rates = group_pass_rates(group)
    constant = {name for name, rate in rates.items() if rate in (0.0, 1.0)}
    blended = estimate.blended(rates, len(group)) if estimate is not None else rates
    usable = {name: rate for name, rate in blended.items() if name not in constant}
    weights = difficulty_weights(usable, alpha=alpha, sigma=sigma)
    rewards: list[float | None] = []
    for verdict in group:
        known = {name: result for name in weights if (result := _result(verdict, name)) is not None}
        total = sum(weights[name] for name in known)
        earned = sum(weights[name] for name, passed in known.items() if passed)
        rewards.append(earned / total if total > 0 else None)
    return rewards


@dataclass
class PassRates:
    """A running estimate of each test's pass rate for one suite.

    Attributes:
        prior_weight: how many responses the estimate counts for against a group's own rates.
        decay: share of the past kept at each update, in (0, 1]; policies improve, so old
            rates should fade.
    """

    prior_weight: float = 8.0
    decay: float = 0.9
    _passed: dict[str, float] = field(default_factory=dict)
    _seen: dict[str, float] = field(default_factory=dict)

    def update(self, group: Sequence[Verdict]) -> None:
        """Takes in a group's outcomes."""
        for name in _names(group):
            known = [r for v in group if (r := _result(v, name)) is not None]
            self._passed[name] = self._passed.get(name, 0.0) * self.decay + sum(known)
            self._seen[name] = self._seen.get(name, 0.0) * self.decay + len(known)

    def rate(self, name: str) -> float | None:
        """The estimate for one test; None before its first outcome."""
        seen = self._seen.get(name, 0.0)
        return self._passed[name] / seen if seen > 0 else None

    def blended(self, rates: Mapping[str, float], group_size: int) -> dict[str, float]:
        """A group's rates drawn towards the estimate, which counts as `prior_weight` responses."""
        result = {}
        share = self.prior_weight / (self.prior_weight + group_size)
        for name, rate in rates.items():
            past = self.rate(name)
            result[name] = rate if past is None else (1 - share) * rate + share * past
        return result


def _names(group: Sequence[Verdict]) -> list[str]:
    """All tests seen in a group, in order; those of compile errors may be fewer."""
    names = dict.fromkeys(
        test.name
        for verdict in group
        for test in verdict.tests
        if test.name != "script" and test.status is not TestStatus.COMPILE_ERROR
    )
    return list(names or dict.fromkeys(t.name for v in group for t in v.tests))


def _result(verdict: Verdict, name: str) -> bool | None:
    found = passes(verdict)
    if name in found:
        return found[name]
    if verdict.outcome in (Outcome.INCORRECT, Outcome.NO_ANSWER):
        return False
    return None
