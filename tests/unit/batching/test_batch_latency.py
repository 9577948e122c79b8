"""The latency model: exact on a line, never negative, calm about stalls, quick to follow."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.batching.latency import (
    FORGETTING,
    SEED_BATCHES,
    WARM_UP_BATCHES,
    LatencyModel,
)

SIZES = [100, 5000, 300, 20_000, 64_000, 900, 12_000]


def taught(pairs: list[tuple[float, float]]) -> LatencyModel:
    model = LatencyModel()
    for _ in range(WARM_UP_BATCHES):
        model.observe(1000, 30.0)
    for tokens, seconds in pairs:
        model.observe(tokens, seconds)
    return model


def line(fixed: float, per_token: float, count: int = 40) -> list[tuple[float, float]]:
    sizes = [SIZES[i % len(SIZES)] for i in range(count)]
    return [(tokens, fixed + per_token * tokens) for tokens in sizes]


def test_predicts_nothing_before_it_has_seen_enough() -> None:
    model = LatencyModel()
    for seen in range(WARM_UP_BATCHES + SEED_BATCHES):
        assert not model.ready
        assert model.coefficients() == (0.0, 0.0)
        model.observe(SIZES[seen], 1.0)
    assert model.ready
    assert model.seconds(1000) > 0


@pytest.mark.parametrize(("fixed", "per_token"), [(0.02, 1e-5), (0.0, 2e-4), (0.5, 1e-6)])
def test_recovers_a_line_and_forgets_the_slow_first_batches(fixed: float, per_token: float) -> None:
    model = taught(line(fixed, per_token, 150))
    assert model.coefficients() == pytest.approx((fixed, per_token), rel=1e-3, abs=1e-6)


def test_agrees_with_weighted_least_squares() -> None:
    rng = random.Random(7)
    pairs = [(t, s * rng.uniform(0.99, 1.01)) for t, s in line(0.02, 1e-5, 60)]
    weights = np.sqrt(FORGETTING ** np.arange(len(pairs))[::-1])
    columns = np.array([[1.0, tokens] for tokens, _ in pairs]) * weights[:, None]
    expected = np.linalg.lstsq(columns, np.array([s for _, s in pairs]) * weights, rcond=None)[0]
    assert taught(pairs).coefficients() == pytest.approx(tuple(expected), rel=0.01)


def test_larger_batches_that_were_quicker_give_a_constant() -> None:
    fixed, per_token = taught([(t, 1.0 - t / 100_000) for t in SIZES * 5]).coefficients()
    assert per_token == 0.0
    assert 0.3 < fixed < 1.0


def test_a_line_below_zero_is_bent_through_the_origin() -> None:
    sizes = [50_000, 60_000, 70_000, 80_000, 55_000, 64_000, 75_000] * 5
    fixed, per_token = taught([(t, 1e-5 * t - 0.3) for t in sizes]).coefficients()
    assert fixed == 0.0
    assert per_token * 64_000 == pytest.approx(0.34, rel=0.1)


def test_batches_of_one_size_say_nothing_of_larger_ones() -> None:
    rng = random.Random(3)
    model = taught([(100, 0.005)] * 30)
    assert model.seconds(100) == model.seconds(64_000) == pytest.approx(0.005)
    noisy = taught([(100 + i % 3, rng.uniform(0.004, 0.006)) for i in range(60)])
    assert noisy.seconds(64_000) < 0.1


def test_a_stall_hardly_moves_it_and_is_soon_forgotten() -> None:
    model = taught(line(0.02, 1e-5, 60))
    before = model.seconds(10_000)
    model.observe(10_000, 1000 * before)
    assert model.seconds(10_000) < 1.3 * before
    for tokens, seconds in line(0.02, 1e-5, 60):
        model.observe(tokens, seconds)
    assert model.seconds(10_000) == pytest.approx(before, rel=0.02)


def test_a_stall_among_the_first_batches_does_not_spoil_it() -> None:
    pairs = line(0.02, 1e-5, 30)
    pairs[2] = (pairs[2][0], 60.0)
    assert taught(pairs).seconds(10_000) < 3 * 0.12


@pytest.mark.parametrize("factor", [5.0, 0.2])
def test_follows_a_lasting_change(factor: float) -> None:
    model = taught(line(0.02, 1e-5, 60))
    for tokens, seconds in line(0.02 * factor, 1e-5 * factor, SEED_BATCHES):
        model.observe(tokens, seconds)
    assert model.seconds(20_000) == pytest.approx(0.22 * factor, rel=0.1)


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=True, allow_infinity=True, min_value=None, max_value=None),
            st.floats(allow_nan=True, allow_infinity=True),
        ),
        max_size=60,
    )
)
def test_never_raises_on_nonsense(pairs: list[tuple[float, float]]) -> None:
    model = taught([])
    for tokens, seconds in pairs:
        model.observe(min(tokens, 1e9), min(seconds, 1e6))
    fixed, per_token = model.coefficients()
    assert fixed >= 0 and per_token >= 0
    assert math.isfinite(fixed) and math.isfinite(per_token)


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.floats(1e-5, 100.0)), min_size=SEED_BATCHES, max_size=80
    )
)
def test_predictions_grow_with_tokens_and_stay_in_reach(pairs: list[tuple[int, float]]) -> None:
    model = taught([(float(tokens), seconds) for tokens, seconds in pairs])
    largest = max(seconds for _, seconds in pairs)
    assert 0 <= model.seconds(1) <= model.seconds(1000) <= model.seconds(10**6)
    mean = sum(tokens for tokens, _ in pairs) / len(pairs)
    assert model.seconds(min(mean, min(t for t, _ in pairs))) <= 3 * largest
