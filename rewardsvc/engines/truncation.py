"""What is cut when an input is longer than the model takes: pure functions on token ids.

* `prompt_left` drops tokens at the prompt's beginning (a leading beginning-of-sequence token
  stays), never any of the response;
* `response_middle` keeps the prompt and the response's first and last tokens, where a problem
  is set up and where it is answered;
* `reject` cuts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Fitted", "TooLong", "Truncation", "common_prefix_length", "fit"]

Truncation = Literal["prompt_left", "response_middle", "reject"]

_LEAST_OF_RESPONSE = 2
"""Fewer tokens of a response than its first and its last say nothing of it."""


class TooLong(Exception):
    """The input does not fit and may not be cut so that it would."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Token ids that fit, and what was cut to make them fit (empty when nothing was)."""

    ids: list[int]
    truncation: str = ""


def fit(
    ids: list[int],
    prompt_length: int,
    max_length: int,
    truncation: Truncation,
    *,
    begins: bool = False,
) -> Fitted:
    """Makes `ids`, whose first `prompt_length` are the prompt's, fit `max_length`.

    `begins` says that the first id is a beginning-of-sequence token.

    Raises:
        TooLong: they do not fit, and `truncation` allows no cut that would make them.
    """
    excess = len(ids) - max_length
    if excess <= 0:
        return Fitted(ids)
    if truncation == "reject":
        raise TooLong(f"{len(ids)} tokens; the model takes {max_length}")
    if truncation == "response_middle":
        return _cut_response(ids, prompt_length, max_length)
    kept = 1 if begins and prompt_length else 0
    if excess > prompt_length - kept:
        raise TooLong(
            f"the response alone takes {len(ids) - prompt_length + kept} tokens; "
            f"the model takes {max_length}"
        )
    return Fitted(
        ids[:kept] + ids[kept + excess :],
        f"the first {excess} of the prompt's {prompt_length} tokens were dropped "
        f"to fit the model's {max_length}",
    )


def _cut_response(ids: list[int], prompt_length: int, max_length: int) -> Fitted:
    room = max_length - prompt_length
    response = len(ids) - prompt_length
    if room < _LEAST_OF_RESPONSE:
        raise TooLong(
            f"the prompt alone takes {prompt_length} tokens; the model takes {max_length}"
        )
    head = (room + 1) // 2
    tail = room - head
    return Fitted(
        ids[: prompt_length + head] + ids[len(ids) - tail :],
        f"{response - room} tokens in the middle of the response's {response} were left out "
        f"(its first {head} and last {tail} stay) to fit the model's {max_length}",
    )


def common_prefix_length(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids two sequences have in common at their beginning."""
    length = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        length += 1
    return length
