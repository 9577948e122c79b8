"""The best-of-n estimator against enumeration, and the KL axis by golden values."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewardsvc.aggregate.best_of_n import best_of_n, best_of_n_kl


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_it_is_the_mean_over_all_subsets(n: int) -> None:
    rng = np.random.default_rng(n)
    proxy, gold = rng.normal(size=(2, 6)), rng.normal(size=(2, 6))
    expected = [
        np.mean([g[max(subset, key=p.__getitem__)] for subset in combinations(range(6), n)])
        for p, g in zip(proxy, gold, strict=True)
    ]
    np.testing.assert_allclose(best_of_n(proxy, gold, [n])[:, 0], expected)


def test_ties_are_broken_at_random() -> None:
    # Best of 2 of proxies (0, 1, 1): the pairs {0,1}, {0,2} give gold 4 and 8, {1,2} either.
    proxy, gold = np.array([[0.0, 1.0, 1.0]]), np.array([[0.0, 4.0, 8.0]])
    assert best_of_n(proxy, gold, [2])[0, 0] == pytest.approx((4 + 8 + 6) / 3)
    assert best_of_n(np.zeros((1, 3)), gold, [1, 2, 3])[0] == pytest.approx([4, 4, 4])


def test_large_n_does_not_overflow() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(1, 12_600))
    at = best_of_n(scores, scores, [1, 1000, 12_500, 12_600])[0]
    assert at[0] == pytest.approx(scores.mean())
    assert at[0] < at[1] < at[2] < at[3] == pytest.approx(scores.max())


def test_kl_golden_values() -> None:
    np.testing.assert_allclose(
        best_of_n_kl(np.array([1, 4, 12_500])), [0, 0.636294, 8.433564], atol=1e-6
    )


@given(arrays(np.float64, (2, 5), elements=st.floats(-10, 10)), st.permutations(range(5)))
def test_order_of_samples_does_not_matter(proxy: np.ndarray, order: list[int]) -> None:
    gold = np.arange(10.0).reshape(2, 5)
    np.testing.assert_allclose(
        best_of_n(proxy[:, order], gold[:, order], [2, 4]), best_of_n(proxy, gold, [2, 4])
    )


@pytest.mark.parametrize(
    ("proxy", "gold", "sizes", "message"),
    [
        (np.zeros((1, 3)), np.zeros((1, 2)), [1], "one shape"),
        (np.zeros(3), np.zeros(3), [1], "one shape"),
        (np.array([[np.nan, 1.0]]), np.zeros((1, 2)), [1], "finite"),
        (np.zeros((1, 3)), np.zeros((1, 3)), [4], r"1\.\.3"),
        (np.zeros((1, 3)), np.zeros((1, 3)), [0], r"1\.\.3"),
    ],
)
def test_wrong_input_is_refused(
    proxy: np.ndarray, gold: np.ndarray, sizes: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        best_of_n(proxy, gold, sizes)
