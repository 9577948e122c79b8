"""The token budget of a sample."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting_generator import ask

from rewardsvc.engines.generation import GenerationFailed
from rewardsvc.engines.token_budget import TokenBudget
from rewardsvc.types import Usage

SAMPLED = {"temperature": 1.0}


def test_a_small_request_passes_unchanged() -> None:
    request = ask("x" * 396, max_tokens=100, samples=2, **SAMPLED)
    assert TokenBudget(1000).admit(request) == request


def test_max_tokens_is_lowered_to_what_is_left_for_each_sample() -> None:
    budget = TokenBudget(1000)
    assert budget.admit(ask("x" * 396, max_tokens=900, samples=4, **SAMPLED)).max_tokens == 225
    # Samples of a deterministic request are one completion.
    assert budget.admit(ask("x" * 396, max_tokens=2000, samples=4)).max_tokens == 900


def test_what_is_spent_counts_without_what_caches_saved() -> None:
    budget = TokenBudget(1000)
    budget.charge(Usage(1, prompt_tokens=300, cached_prompt_tokens=200, completion_tokens=400))
    budget.charge(Usage(answers_from_cache=1))
    assert budget.spent == 500
    assert budget.admit(ask("x" * 396, max_tokens=900)).max_tokens == 400


def test_too_little_left_is_refused_with_the_account() -> None:
    budget = TokenBudget(1000, spent=950)
    with pytest.raises(GenerationFailed) as caught:
        budget.admit(ask("x" * 396, samples=2, **SAMPLED))
    assert str(caught.value) == (
        "the sample's budget of 1000 tokens does not suffice: 950 are spent, and this request "
        "needs about 100 for its prompt and at least 16 for each of 2 completions"
    )
    assert not caught.value.timed_out


@given(
    st.integers(1, 5000), st.integers(0, 3000), st.integers(0, 9000), st.integers(1, 8),
    st.integers(1, 2000),
)  # fmt: skip
def test_no_admitted_request_can_exceed_the_budget(
    tokens: int, spent: int, characters: int, samples: int, most: int
) -> None:
    budget = TokenBudget(tokens, spent=spent)
    request = ask("x" * characters, samples=samples, max_tokens=most, **SAMPLED)
    try:
        admitted = budget.admit(request)
    except GenerationFailed:
        return
    assert 1 <= admitted.max_tokens <= most
    assert spent + characters // 4 + samples * admitted.max_tokens <= tokens
