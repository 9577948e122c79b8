"""Comparisons: both orders, balanced evidence, references from the group, conflicts."""

from __future__ import annotations

from itertools import permutations, product
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.judging.conflicts import (
    conflict_ratio,
    conflicts,
    fits_a_ranking,
    non_transitivity_ratio,
)
from rewardsvc.judging.fair_eval import balanced_scores, bpde, should_be_seen
from rewardsvc.judging.group_reference import choose_reference
from rewardsvc.judging.pairwise import PairOutcome, Preference, aggregate_orders, by_perplexity

BETTER, TIE, WORSE = PairOutcome.BETTER, PairOutcome.TIE, PairOutcome.WORSE
masses = st.floats(0.0, 1.0)
preferences = st.tuples(masses, masses, masses).filter(lambda m: sum(m) > 1e-3).map(
    lambda m: Preference.of(*m)
)  # fmt: skip


def test_both_orders_are_added() -> None:
    # m[A] = .6 + .5, m[tie] = .1 + .2, m[B] = .3 + .3
    found = aggregate_orders(Preference.of(0.6, 0.1, 0.3), Preference.of(0.3, 0.2, 0.5))
    assert found.outcome is BETTER
    assert found.margin == pytest.approx((1.1 - 0.6) / 2)
    assert found.preference.better == pytest.approx(0.55)
    assert found.preference.win == pytest.approx(0.55 + 0.15 / 2)
    assert found.consistent


def test_a_judge_that_always_prefers_the_first_has_said_nothing() -> None:
    first = Preference.of(0.9, 0.0, 0.1)
    found = aggregate_orders(first, first)
    assert (found.outcome, found.margin, found.consistent) == (TIE, 0.0, False)
    assert found.preference.win == pytest.approx(0.5)


def test_small_margins_are_ties() -> None:
    first, second = Preference.of(0.5, 0.0, 0.5), Preference.of(0.45, 0.0, 0.55)
    assert aggregate_orders(first, second, tie_margin=0.05).outcome is BETTER
    assert aggregate_orders(first, second, tie_margin=0.051).outcome is TIE
    assert aggregate_orders(first, second, tie_margin=0.0).outcome is BETTER
    for margin in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="tie_margin"):
            aggregate_orders(first, second, margin)


@given(preferences, preferences, st.floats(0, 0.3))
def test_exchanging_the_candidates_exchanges_the_outcome(
    first: Preference, second: Preference, margin: float
) -> None:
    found = aggregate_orders(first, second, margin)
    exchanged = aggregate_orders(second, first, margin)
    assert exchanged.outcome == -found.outcome
    assert exchanged.preference.win == pytest.approx(1 - found.preference.win)
    assert exchanged.margin == pytest.approx(found.margin)


@pytest.mark.parametrize("bad", [(0, 0, 0), (-1, 1, 1), (float("nan"), 1, 1), (float("inf"), 0, 0)])
def test_what_are_no_masses_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="masses"):
        Preference.of(*bad)


def test_the_outcome_of_a_preference() -> None:
    assert Preference.of(2, 1, 1).outcome is BETTER
    assert Preference.of(1, 1, 2).outcome is WORSE
    assert Preference.of(1, 0, 1).outcome is TIE
    assert Preference.of(1, 3, 1).outcome is TIE
    assert Preference.certain(WORSE) == Preference(0, 0, 1)


def test_the_order_of_lower_perplexity_is_trusted() -> None:
    # (A, B) says A with perplexity 1.2, (B, A) says B with 1.5.
    assert by_perplexity(BETTER, 1.2, BETTER, 1.5) is BETTER
    assert by_perplexity(BETTER, 1.5, BETTER, 1.2) is WORSE
    assert by_perplexity(BETTER, 1.5, BETTER, 1.2, tie_margin=0.31) is TIE
    assert by_perplexity(BETTER, 1.5, BETTER, 1.5) is TIE
    assert by_perplexity(BETTER, 1.5, WORSE, 1.5) is BETTER
    assert by_perplexity(TIE, 1.1, BETTER, 1.5) is TIE
    for bad in (0.5, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="swapped_perplexity"):
            by_perplexity(BETTER, 1.0, BETTER, bad)


def test_balanced_scores() -> None:
    found = balanced_scores([(8, 6), (9, 7), None], [(7, 8), (6, 8)])
    assert found is not None
    # A: (8.5 + 8) / 2; B: (6.5 + 6.5) / 2
    assert (found.first, found.second) == (8.25, 6.5)
    assert (found.outcome, found.judgements) == (BETTER, 4)
    assert balanced_scores([None], [(1, 2)]) is None
    assert balanced_scores([(1, 2)], []) is None
    tie = balanced_scores([(8, 6)], [(8, 6)])
    assert tie is not None
    assert tie.outcome is TIE


def test_entropy_of_positions() -> None:
    assert bpde([BETTER] * 6) == 0
    assert bpde([]) == 0
    assert bpde([BETTER, WORSE]) == pytest.approx(log(2))
    assert bpde([BETTER, TIE, WORSE]) == pytest.approx(log(3))
    assert bpde([BETTER] * 4 + [TIE, WORSE]) == pytest.approx(0.867563, abs=1e-6)
    assert bpde([BETTER] * 4 + [WORSE] * 2) == pytest.approx(0.636514, abs=1e-6)


def test_a_person_sees_what_is_as_divided_as_a_coin_flip() -> None:
    assert should_be_seen([BETTER, WORSE])
    assert should_be_seen([BETTER] * 4 + [TIE, WORSE])
    assert not should_be_seen([BETTER] * 4 + [WORSE] * 2)
    assert should_be_seen([BETTER] * 4 + [WORSE] * 2, threshold=0.6)
    assert not should_be_seen([BETTER], threshold=0.0)


@given(st.lists(st.sampled_from(list(PairOutcome)), max_size=12), st.randoms())
def test_entropy_does_not_depend_on_order(outcomes: list[PairOutcome], random: object) -> None:
    shuffled = list(outcomes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert bpde(shuffled) == pytest.approx(bpde(outcomes))
    assert 0 <= bpde(outcomes) <= log(3) + 1e-9


@given(st.lists(st.text(max_size=5), min_size=2, max_size=6, unique=True), st.randoms())
def test_the_reference_is_drawn_by_content(texts: list[str], random: object) -> None:
    chosen = choose_reference("p", texts)
    shuffled = list(texts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = choose_reference("p", shuffled)
    assert chosen is not None
    assert other is not None
    assert texts[chosen] == shuffled[other]


def test_every_response_is_drawn_now_and_then() -> None:
    texts = ["a", "b", "c", "d"]
    drawn = [choose_reference(f"prompt {n}", texts) for n in range(400)]
    assert all(70 <= drawn.count(index) <= 130 for index in range(4))
    seeded = {choose_reference("p", texts, seed) for seed in range(40)}
    assert seeded == {0, 1, 2, 3}


def test_those_that_cannot_take_part_are_not_drawn() -> None:
    assert choose_reference("p", []) is None
    assert choose_reference("p", ["a"]) is None
    assert choose_reference("p", ["a", None, None]) is None
    assert choose_reference("p", [None, "a", "b"]) in (1, 2)
    assert choose_reference("p", ["a", "a"]) == 0


def test_conflicts_of_scores_and_comparisons() -> None:
    assert not conflicts(2, 1, BETTER)
    assert conflicts(2, 1, TIE)
    assert conflicts(2, 1, WORSE)
    assert conflicts(1, 1, BETTER)
    assert not conflicts(1, 1, TIE)
    assert conflict_ratio([(2, 1, BETTER), (1, 2, TIE), (1, 1, TIE), (1, 2, BETTER)]) == 0.5
    assert conflict_ratio([]) is None


def test_three_comparisons_fit_a_ranking_or_not() -> None:
    possible = set()
    for x, y, z in product(range(3), repeat=3):
        possible.add(tuple(PairOutcome((a > b) - (a < b)) for a, b in ((x, y), (y, z), (x, z))))
    for triple in product(PairOutcome, repeat=3):
        assert fits_a_ranking(*triple) == (triple in possible), triple


def test_non_transitivity() -> None:
    circle = {(0, 1): BETTER, (1, 2): BETTER, (0, 2): WORSE}
    assert non_transitivity_ratio(circle, 3) == 1
    assert non_transitivity_ratio({**circle, (0, 2): BETTER}, 3) == 0
    assert non_transitivity_ratio({(0, 1): BETTER}, 3) is None
    four = {**circle, (0, 3): BETTER, (1, 3): BETTER, (2, 3): BETTER}
    assert non_transitivity_ratio(four, 4) == 0.25
    for order in permutations(range(4)):
        renamed = {}
        for (x, y), outcome in four.items():
            a, b = order[x], order[y]
            renamed[min(a, b), max(a, b)] = outcome if a < b else PairOutcome(-outcome)
        assert non_transitivity_ratio(renamed, 4) == 0.25
