"""What scorers made of token probabilities share: asking the engine, and reading its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardsvc.engines import EngineProcess

__all__ = ["Context", "Continuation", "Part", "TokenScores", "ask"]

ENGINE = "rewardsvc.engines.token_probabilities:TokenProbabilityEngine"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a continuation; the tokens of a scored one are reported."""

    text: str
    scored: bool = True


Continuation = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """A conversation up to where the next message begins, and what may follow.

    `turn` is whose message that is; `none` is no conversation at all.
    """

    messages: Sequence[Sequence[str]]
    continuations: tuple[Continuation, ...]
    turn: Literal["assistant", "user", "none"] = "assistant"


@dataclass(frozen=True, slots=True)
class TokenScores:
    """One continuation's scored tokens.

    Attributes:
        log_probabilities: (models, tokens), natural.
        starts: (tokens,), the character of its part at which each token begins.
        counts: Tokens of each scored part.
        truncation: What was cut off the conversation; empty when nothing was.
    """

    log_probabilities: NDArray[np.float64]
    starts: NDArray[np.int32]
    counts: tuple[int, ...]
    truncation: str


async def ask(engine: EngineProcess, contexts: Sequence[Context]) -> list[list[TokenScores | str]]:
    """The token scores of each continuation of each context, or why it has none."""
    if not contexts:
        return []
    request = {
        "contexts": [
            {
                "messages": context.messages,
                "turn": context.turn,
                "continuations": [
                    [(part.text, part.scored) for part in parts] for parts in context.continuations
                ],
            }
            for context in contexts
        ]
    }
    reply = await engine.call(request)
    return [[_read(item) for item in context] for context in reply["contexts"]]


def _read(item: Mapping[str, Any]) -> TokenScores | str:
    if "failure" in item:
        return str(item["failure"])
    scores = np.stack([np.frombuffer(values) for values in item["log_probabilities"]])
    if not np.isfinite(scores).all():
        return "a token's probability is not a finite number"
    return TokenScores(
        scores,
        np.frombuffer(item["starts"], dtype="<i4"),
        tuple(item["counts"]),
        item["truncation"],
    )
