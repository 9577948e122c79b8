"""Scores from probabilities, and probabilities from tokens."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.judging.candidates import Masses, candidate_masses, continuation_masses
from rewardsvc.judging.distribution import (
    DistributionMethod,
    distribution_score,
    expectation,
    odds_weighted,
    share,
)
from rewardsvc.judging.rubric_scale import Scale

PUBLISHED = {8: 0.6, 7: 0.3, 6: 0.1}


@dataclass(frozen=True)
class Token:
    text: str
    log_probability: float = 0.0
    alternatives: tuple[tuple[str, float], ...] = ()


def tok(text: str, **alternatives: float) -> Token:
    """A token with probabilities instead of their logarithms; `_` begins a space."""
    named = tuple((t.replace("_", " "), log(p)) for t, p in alternatives.items())
    return Token(text, dict(named).get(text, 0.0), named)


def test_golden_values() -> None:
    assert odds_weighted(PUBLISHED, 0.2) == pytest.approx(7.998, abs=5e-4)
    assert expectation(PUBLISHED) == pytest.approx(7.5)
    # T = 1: weights are the odds 1.5, 3/7, 1/9.
    by_hand = (8 * 1.5 + 7 * 3 / 7 + 6 / 9) / (1.5 + 3 / 7 + 1 / 9)
    assert odds_weighted(PUBLISHED, 1.0) == pytest.approx(by_hand)
    assert share(PUBLISHED, 7) == pytest.approx(0.9)


@pytest.mark.parametrize("method", list(DistributionMethod))
def test_a_certain_judge_gives_the_number_itself(method: DistributionMethod) -> None:
    for masses in ({4: 1.0}, {1: 0.0, 4: 1.0, 5: 0.0}, {4: 0.7}):
        assert distribution_score(masses, method=method) == pytest.approx(4, abs=1e-6)


def test_probabilities_are_renormalised_before_odds_are_taken() -> None:
    halved = {number: mass / 2 for number, mass in PUBLISHED.items()}
    assert odds_weighted(halved, 0.2) == pytest.approx(odds_weighted(PUBLISHED, 0.2))


def test_too_little_mass_abstains() -> None:
    assert distribution_score({3: 0.3, 4: 0.19}, minimum_mass=0.5) is None
    assert distribution_score({3: 0.3, 4: 0.2}, minimum_mass=0.5) == pytest.approx(3.4)
    assert distribution_score({}, minimum_mass=0.0) is None
    assert distribution_score({3: 0.0}, minimum_mass=0.0) is None


@pytest.mark.parametrize("mass", [float("nan"), float("inf"), -0.1, 1.1])
def test_what_is_no_probability_is_refused(mass: float) -> None:
    with pytest.raises(ValueError, match=r"masses\[3\]"):
        distribution_score({3: mass})


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_temperatures_out_of_range_are_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        odds_weighted(PUBLISHED, temperature)


@given(
    st.dictionaries(st.integers(1, 100), st.floats(1e-6, 1), min_size=1, max_size=12),
    st.floats(0.05, 5),
)
def test_scores_lie_between_the_numbers(masses: dict[int, float], temperature: float) -> None:
    masses = {number: mass / sum(masses.values()) for number, mass in masses.items()}
    low, high = min(masses), max(masses)
    for score in (expectation(masses), odds_weighted(masses, temperature)):
        assert low - 1e-9 <= score <= high + 1e-9
    other = dict(sorted(masses.items(), reverse=True))
    assert odds_weighted(other, temperature) == pytest.approx(odds_weighted(masses, temperature))


NUMBERS_TO_10 = Scale(1, 10)
LABELS = tuple(map(str, NUMBERS_TO_10.numbers))
TO_100 = tuple(map(str, Scale(1, 100).numbers))


def test_one_token_numbers_with_and_without_space() -> None:
    tokens = [tok("[RESULT]"), tok(" 8", **{"_8": 0.5, "8": 0.1, "_7": 0.3, "_x": 0.1})]
    masses = candidate_masses(tokens, len("[RESULT] "), LABELS)
    assert masses is not None
    assert masses.by_candidate == pytest.approx({"8": 0.6, "7": 0.3})
    assert masses.total == pytest.approx(0.9)


def test_a_token_that_begins_before_the_number() -> None:
    tokens = [tok("[8", **{"[8": 0.7, "[9": 0.2, "(9": 0.1})]
    masses = candidate_masses(tokens, 1, LABELS)
    assert masses is not None
    assert masses.by_candidate == pytest.approx({"8": 0.7, "9": 0.2})


def test_a_token_that_goes_on_behind_the_number() -> None:
    tokens = [tok("8]", **{"8]": 0.7, "10]": 0.2, "88]": 0.1})]
    masses = candidate_masses(tokens, 0, LABELS)
    assert masses is not None
    assert masses.by_candidate == pytest.approx({"8": 0.7, "10": 0.2})


def test_the_chosen_path_of_a_number_of_two_tokens() -> None:
    tokens = [
        tok("1", **{"1": 0.6, "9": 0.4}),
        tok("0", **{"0": 0.75, "\n": 0.25}),
        tok(" ", **{" ": 1.0}),
    ]
    masses = candidate_masses(tokens, 0, LABELS)
    assert masses is not None
    assert masses.by_candidate == pytest.approx({"10": 0.45, "1": 0.15, "9": 0.4})
    assert masses.unresolved == {}


def test_numbers_split_into_digits_leave_prefixes_unresolved_until_continued() -> None:
    tokens = [
        tok("8", **{"8": 0.6, "7": 0.3, "x": 0.1}),
        tok("7", **{"7": 0.5, "5": 0.3, "]": 0.2}),
        tok("]", **{"]": 1.0}),
    ]
    masses = candidate_masses(tokens, 0, TO_100)
    assert masses is not None
    assert masses.by_candidate == pytest.approx({"87": 0.3, "85": 0.18, "8": 0.12})
    assert masses.unresolved == pytest.approx({"7": 0.3})
    more = continuation_masses([tok("0", **{"0": 0.5, "2": 0.4, "\n": 0.1})], "7", TO_100)
    whole = masses.resolved("7", more)
    assert whole.by_candidate == pytest.approx(
        {"87": 0.3, "85": 0.18, "8": 0.12, "70": 0.15, "72": 0.12, "7": 0.03}
    )
    assert whole.unresolved == {}
    assert whole.total == pytest.approx(0.9)


def test_a_hundred_takes_three_digits() -> None:
    tokens = [
        tok("1", **{"1": 1.0}),
        tok("0", **{"0": 0.9, "5": 0.1}),
        tok("0", **{"0": 0.5, ".": 0.5}),
    ]
    masses = candidate_masses(tokens, 0, TO_100)
    assert masses is not None
    assert masses.by_candidate == pytest.approx({"100": 0.45, "10": 0.45, "15": 0.1})


def test_a_tokenizer_with_whole_numbers_leaves_nothing_unresolved() -> None:
    tokens = [tok("87", **{"87": 0.5, "9": 0.2, "90": 0.3})]
    masses = candidate_masses(tokens, 0, TO_100)
    assert masses is not None
    assert masses.by_candidate == pytest.approx({"87": 0.5, "9": 0.2, "90": 0.3})


def test_labels_in_pieces_and_any_case() -> None:
    choices = ("CORRECT", "INCORRECT")
    tokens = [tok("COR", COR=0.7, IN=0.2, Correct=0.05), tok("RECT")]
    masses = candidate_masses(tokens, 0, choices)
    assert masses is not None
    assert masses.by_candidate == pytest.approx({"CORRECT": 0.75, "INCORRECT": 0.2})


def test_the_chosen_token_counts_though_it_is_not_among_the_likeliest() -> None:
    token = Token("3", log(0.1), (("4", log(0.5)), ("5", log(0.3))))
    masses = candidate_masses([token], 0, LABELS)
    assert masses is not None
    assert masses.by_candidate == pytest.approx({"3": 0.1, "4": 0.5, "5": 0.3})


@pytest.mark.parametrize("text", ["８", "08", "+8", "8.5", "-8", "11", "nan", "٨"])
def test_what_is_no_number_of_the_scale_has_no_mass(text: str) -> None:
    masses = candidate_masses([Token(text)], 0, LABELS)
    assert masses is not None
    assert masses.by_candidate.get("8", 0.0) == (1.0 if text == "8.5" else 0.0)
    assert masses.total == (1.0 if text == "8.5" else 0.0)


def test_numbers_that_are_no_log_probabilities_have_no_mass() -> None:
    token = Token("4", float("nan"), (("5", float("-inf")), ("3", 0.7)))
    masses = candidate_masses([token], 0, LABELS)
    assert masses is not None
    assert masses.by_candidate == {"4": 0.0, "5": 0.0, "3": 1.0}


def test_a_place_behind_the_last_token_is_nowhere() -> None:
    assert candidate_masses([Token("ab")], 2, LABELS) is None
    assert candidate_masses([], 0, LABELS) is None
    assert Masses().total == 0


@given(st.lists(st.floats(-8, 0), min_size=10, max_size=10))
def test_masses_are_the_probabilities_themselves_for_one_token_numbers(logs: list[float]) -> None:
    labels = LABELS[:9]
    token = Token("1", logs[0], tuple(zip(labels, logs, strict=False)))
    masses = candidate_masses([token], 0, labels)
    assert masses is not None
    assert masses.by_candidate == pytest.approx(
        {label: exp(value) for label, value in zip(labels, logs, strict=False)}
    )


def test_scales_map_to_the_unit_interval() -> None:
    assert [Scale(1, 5).unit(number) for number in (1, 3, 5)] == [0, 0.5, 1]
    assert Scale(1, 100).unit(100) == 1
    for number in (0, 6, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not on the scale"):
            Scale(1, 5).unit(number)
    for ends in ((5, 5), (5, 1), (-1, 5), (1, 1001)):
        with pytest.raises(ValueError, match="scale: is"):
            Scale(*ends)
