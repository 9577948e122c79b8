"""Formulas of token-probability rewards by golden values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rewardsvc.scorers.implicit import implicit_steps
from rewardsvc.scorers.likelihood.answer_span import AnswerMarks
from rewardsvc.scorers.likelihood.self_aligned import self_aligned_reward


def test_self_aligned_golden() -> None:
    assert self_aligned_reward(0.5, 1.0) == pytest.approx(0.393469, abs=1e-6)
    assert self_aligned_reward(1.0, 1.0) == 0.0
    assert self_aligned_reward(900.0, 1.0) == -1.0
    assert self_aligned_reward(1.0 + math.log(2), 1.0) == pytest.approx(-1.0)


def test_a_token_belongs_to_the_step_in_which_it_begins() -> None:
    starts = np.array([0, 2, 5, 6, 9])
    rewards = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    # The steps are 1:5 and 6:9; the token at 5 is the space between, the one at 9 behind.
    steps = implicit_steps([(1, 5), (6, 9)], starts, rewards)
    assert [(s.start, s.end) for s in steps] == [(1, 5), (6, 9)]
    assert [s.reward for s in steps] == [7.0, 24.0]
    assert [s.score for s in steps] == [7.0, 31.0]


@pytest.mark.parametrize(
    ("start", "end", "response", "answer"),
    [
        ("<answer>", "</answer>", "<answer>1</answer> <answer>2</answer>", "2"),
        ("<answer>", "</answer>", "<answer>1</answer> <answer>2", None),
        ("\\boxed{", "}", "\\boxed{\\frac{1}{2}} so", "\\frac{1}{2}"),
        ("\\boxed{", "}", "\\boxed{{}", None),
        ("A:", "\n", "A: 3\n", " 3"),
        ("A:", "\n", "none", None),
    ],
)
def test_answer_marks(start: str, end: str, response: str, answer: str | None) -> None:
    span = AnswerMarks(start, end).find(response)
    assert (None if span is None else response[slice(*span)]) == answer
