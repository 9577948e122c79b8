"""Error rates: exact intervals, counts that add up, fallbacks that are named."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewardsvc_verifiers.math.generate import FAMILIES, labelled_pairs
from rewardsvc_verifiers.math.incomplete_beta import beta_quantile, incomplete_beta
from rewardsvc_verifiers.math.rates import Counts, ErrorRates, Label, lookup, rate, shipped
from rewardsvc_verifiers.math.rates_script import measure


@pytest.mark.parametrize(
    ("a", "b", "x", "expected"),
    [
        (1, 1, 0.3, 0.3), (2, 1, 0.5, 0.25), (1, 3, 0.2, 1 - 0.8**3), (0.5, 0.5, 0.5, 0.5),
        (0.5, 0.5, 0.25, 1 / 3), (2, 2, 0.25, 0.15625), (5, 5, 0.5, 0.5),
    ],
)  # fmt: skip
def test_incomplete_beta_has_its_closed_forms(
    a: float, b: float, x: float, expected: float
) -> None:
    assert incomplete_beta(a, b, x) == pytest.approx(expected, rel=1e-12)


@given(st.floats(0.5, 500), st.floats(0.5, 500), st.floats(0.001, 0.999))
def test_the_quantile_inverts_the_distribution(a: float, b: float, p: float) -> None:
    assert incomplete_beta(a, b, beta_quantile(p, a, b)) == pytest.approx(p, abs=1e-9)


@given(st.floats(0.5, 300), st.floats(0.5, 300), st.floats(0, 1))
def test_incomplete_beta_is_symmetric(a: float, b: float, x: float) -> None:
    assert incomplete_beta(a, b, x) == pytest.approx(1 - incomplete_beta(b, a, 1 - x), abs=1e-9)


def test_quantiles_agree_with_binomial_sums() -> None:
    """For whole a and b, I_x(a, b) is a binomial tail (an independent formula)."""
    a, b, x = 4, 9, 0.37
    n = a + b - 1
    tail = sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert incomplete_beta(a, b, x) == pytest.approx(tail, rel=1e-12)


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_rate_lies_in_its_interval(errors: int, rest: int) -> None:
    found = rate(errors, errors + rest)
    assert 0 <= found.lower <= found.estimate <= found.upper <= 1
    assert (found.lower == 0) == (errors == 0)
    assert (found.upper == 1) == (rest == 0)


def test_no_errors_in_a_hundred_is_not_a_rate_of_zero() -> None:
    found = rate(0, 100)
    assert found.lower == 0
    assert 0.01 < found.upper < 0.03
    with pytest.raises(ValueError, match="errors"):
        rate(3, 2)


def test_updates_leave_the_old_rates_alone() -> None:
    before = ErrorRates("v1", {("identity", "expression"): Counts(10, 1, 10, 1)})
    after = before.update(
        [Label("identity", "expression", True, False), Label("numeric", "integer", False, True)]
    )
    assert before.cells[("identity", "expression")] == Counts(10, 1, 10, 1)
    assert after.cells[("identity", "expression")] == Counts(10, 2, 10, 1)
    assert after.cells[("numeric", "integer")] == Counts(0, 0, 0, 1)
    assert after.version == "v1+2"
    assert before.merge(after).cells[("identity", "expression")] == Counts(20, 3, 20, 2)


def test_thin_cells_borrow_and_say_so() -> None:
    rates = ErrorRates(
        "v", {("identity", "matrix"): Counts(1, 0, 1, 0), ("typed", "matrix"): Counts(60, 2, 60, 3)}
    )
    found = rates.lookup("identity", "matrix")
    assert found.scope == "type"
    assert found.false_positive_rate.errors == 2
    assert found.false_positive_rate.decided == 63
    assert rates.lookup("typed", "matrix").scope == "stage and type"
    assert rates.lookup("nothing", "known").scope == "all"
    assert ErrorRates("empty").lookup("a", "b").false_positive_rate.decided == 0


def test_json_round_trip_and_refusal() -> None:
    rates = shipped()
    assert ErrorRates.from_json(json.loads(json.dumps(rates.to_json()))) == rates
    with pytest.raises(ValueError, match="counts"):
        ErrorRates.from_json({"version": "v", "cells": [["a", "b", 1, 2, 3, -4]]})


def test_the_shipped_rates_cover_what_the_verifier_decides() -> None:
    found = lookup("numeric", "integer")
    assert found.scope == "stage and type"
    assert found.false_positive_rate.decided > 50
    assert found.false_positive_rate.upper < 0.05
    assert found.version.startswith("generated-")


def test_the_generator_is_deterministic_and_balanced() -> None:
    pairs = list(labelled_pairs(3, 6))
    assert pairs == list(labelled_pairs(3, 6))
    assert pairs != list(labelled_pairs(4, 6))
    assert {pair.family for pair in pairs} == set(FAMILIES)
    assert sum(pair.equal for pair in pairs) * 2 == len(pairs)


def test_generated_accuracy_holds_on_a_fresh_seed() -> None:
    cells = measure(seed=99, per_family=30).cells.values()
    total = Counts(*(sum(column) for column in zip(*cells, strict=True)))
    right = 15 * len(FAMILIES)
    assert total.true_positives / right >= 0.97
    assert total.false_positives / right <= 0.005
