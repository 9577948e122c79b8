"""What is cut when an input is too long: the right end, as much as must be, and said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.engines.truncation import TooLong, common_prefix_length, fit

IDS = list(range(10))


def test_what_fits_is_left_alone() -> None:
    for truncation in ("prompt_left", "response_middle", "reject"):
        fitted = fit(IDS, 4, 10, truncation)
        assert (fitted.ids, fitted.truncation) == (IDS, "")


def test_the_prompt_is_cut_from_the_left() -> None:
    fitted = fit(IDS, 6, 7, "prompt_left")
    assert fitted.ids == IDS[3:]
    assert fitted.truncation == (
        "the first 3 of the prompt's 6 tokens were dropped to fit the model's 7"
    )
    assert fit(IDS, 6, 7, "prompt_left", begins=True).ids == [0, *IDS[4:]]


def test_prompt_left_never_cuts_the_response() -> None:
    assert fit(IDS, 6, 4, "prompt_left").ids == IDS[6:]
    with pytest.raises(TooLong, match="the response alone takes 5 tokens; the model takes 4"):
        fit(IDS, 6, 4, "prompt_left", begins=True)
    with pytest.raises(TooLong, match="the response alone takes 4 tokens; the model takes 3"):
        fit(IDS, 6, 3, "prompt_left")


def test_the_middle_of_the_response_is_cut() -> None:
    fitted = fit(IDS, 3, 8, "response_middle")
    assert fitted.ids == [0, 1, 2, 3, 4, 5, 8, 9]
    assert fitted.truncation == (
        "2 tokens in the middle of the response's 7 were left out "
        "(its first 3 and last 2 stay) to fit the model's 8"
    )
    assert fit(IDS, 3, 5, "response_middle").ids == [0, 1, 2, 3, 9]
    with pytest.raises(TooLong, match="the prompt alone takes 3 tokens; the model takes 4"):
        fit(IDS, 3, 4, "response_middle")


def test_reject_cuts_nothing() -> None:
    with pytest.raises(TooLong, match="10 tokens; the model takes 9"):
        fit(IDS, 6, 9, "reject")


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40),
    st.integers(0, 40),
    st.integers(8, 40),
    st.sampled_from(["prompt_left", "response_middle", "reject"]),
    st.booleans(),
)
def test_what_comes_back_fits_and_keeps_both_ends(
    ids: list[int], prompt: int, max_length: int, truncation: str, begins: bool
) -> None:
    prompt = min(prompt, len(ids))
    try:
        fitted = fit(ids, prompt, max_length, truncation, begins=begins)  # type: ignore[arg-type]
    except TooLong:
        return
    assert len(fitted.ids) == min(len(ids), max_length)
    assert bool(fitted.truncation) == (len(ids) > max_length)
    assert fitted.ids[-1] == ids[-1]
    if truncation == "response_middle":
        assert fitted.ids[:prompt] == ids[:prompt]


def test_common_prefix() -> None:
    assert common_prefix_length([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common_prefix_length([], [1]) == 0
    assert common_prefix_length([1, 2], [1, 2]) == 2
