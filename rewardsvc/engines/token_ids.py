"""Takes token ids as they are: whoever made them has applied the chat template."""

from __future__ import annotations

import numpy as np

from rewardsvc.engines.families import Reading, Unreadable
from rewardsvc.engines.truncation import Fitted, TooLong, Truncation, fit

__all__ = ["read_token_ids"]


def read_token_ids(
    prompt: bytes,
    response: bytes,
    made_by: str,
    *,
    wanted_hash: str,
    vocabulary: int,
    max_length: int,
    truncation: Truncation,
) -> Reading | Unreadable:
    """The reading of a prompt and a response given as little-endian int32 ids.

    They must have been made by the tokenizer whose hash is `wanted_hash`, and lie in
    0..vocabulary - 1.
    """
    if made_by != wanted_hash:
        return Unreadable(
            f"token ids were made with tokenizer {made_by!r}, but the model's is {wanted_hash!r}"
        )
    if len(prompt) % 4 or len(response) % 4:
        return Unreadable("token ids must be a multiple of 4 bytes (little-endian int32)")
    before = np.frombuffer(prompt, dtype="<i4")
    ids = np.concatenate([before, np.frombuffer(response, dtype="<i4")])
    if len(ids) == 0 or ids.min() < 0 or ids.max() >= vocabulary:
        return Unreadable(f"token ids must be 1 or more in 0..{vocabulary - 1}")
    try:
        fitted: Fitted = fit(ids.tolist(), len(before), max_length, truncation)
    except TooLong as error:
        return Unreadable(f"too long: {error}")
    return Reading(fitted.ids, fitted.truncation)
