"""Reads a server's answers, believing nothing: what is not as it must be is refused by name."""

from __future__ import annotations

import json
import math
from typing import Any

from rewardsvc.engines.generation import (
    Completion,
    GeneratedToken,
    Generation,
    GenerationFailed,
    GenerationRequest,
)
from rewardsvc.types import Usage

__all__ = ["error_text", "parse_generation", "parse_json"]

_LONGEST_DETAIL = 300
_IMPOSSIBLE = -9990.0
"""vLLM writes -9999 for a token that a guide rules out, as JSON has no infinity."""
_ROUNDING = 1e-3
"""Servers' log-probabilities may be above 0 by rounding, but not by more."""


class _Malformed(Exception):
    pass


def parse_json(body: bytes) -> Any:
    """The body as JSON; ValueError for anything else, NaN and infinities among it."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def error_text(body: bytes) -> str:
    """What a server says is wrong, on one line and short; empty when it says nothing."""
    try:
        data = parse_json(body)
    except ValueError:
        text = body[: 4 * _LONGEST_DETAIL].decode("utf-8", "replace")
    else:
        error = data.get("error", data) if isinstance(data, dict) else data
        said = error.get("message", error) if isinstance(error, dict) else error
        text = said if isinstance(said, str) else json.dumps(said)
    return " ".join(text.split())[:_LONGEST_DETAIL]


def parse_generation(body: bytes, request: GenerationRequest, model_calls: int) -> Generation:
    """The generation that a /chat/completions answer holds.

    Raises:
        GenerationFailed: it is not what was asked for; says what is wrong with it.
    """
    try:
        data = parse_json(body)
    except ValueError as error:
        raise GenerationFailed(f"the server's answer is not JSON: {_short(error)}") from None
    try:
        asked = request.samples if request.temperature > 0 else 1
        completions = _completions(_object(data, "the answer"), asked, request)
        usage = _usage(data.get("usage"), model_calls)
    except _Malformed as error:
        raise GenerationFailed(f"the server's answer is malformed: {error}") from None
    return Generation(completions * (request.samples // asked), usage)


def _completions(
    data: dict[str, Any], asked: int, request: GenerationRequest
) -> tuple[Completion, ...]:
    choices = data.get("choices")
    if not isinstance(choices, list) or len(choices) != asked:
        has = f"{len(choices)}" if isinstance(choices, list) else "no list of"
        raise _Malformed(f"it has {has} choices, not {asked}")
    by_index: dict[int, Completion] = {}
    for position, item in enumerate(choices):
        choice = _object(item, f"choices[{position}]")
        index = choice.get("index", position)
        if not isinstance(index, int) or not 0 <= index < asked or index in by_index:
            raise _Malformed(f"choices[{position}].index is {_short(index)}")
        by_index[index] = _completion(choice, f"choices[{position}]", request)
    return tuple(by_index[index] for index in range(asked))


def _completion(choice: dict[str, Any], path: str, request: GenerationRequest) -> Completion:
    content = _object(choice.get("message"), f"{path}.message").get("content")
    if content is None:
        content = ""  # nothing was said outside of what the server calls reasoning
    if not isinstance(content, str):
        raise _Malformed(f"{path}.message.content is no text")
    finish = choice.get("finish_reason")
    if finish not in ("stop", "length"):
        # content_filter, abort, tool_calls …: what is there is not the model's whole answer
        raise GenerationFailed(f"the server ended the completion early: {_short(finish)}")
    tokens: tuple[GeneratedToken, ...] = ()
    if request.top_log_probabilities:
        logprobs = choice.get("logprobs")
        listed = logprobs.get("content") if isinstance(logprobs, dict) else None
        if not isinstance(listed, list):
            raise _Malformed(f"{path}.logprobs was asked for and is missing")
        tokens = tuple(
            _token(item, f"{path}.logprobs.content[{i}]") for i, item in enumerate(listed)
        )
    return Completion(content, tokens, finish)


def _token(item: Any, path: str) -> GeneratedToken:
    text, value = _text_and_logprob(item, path)
    listed = item.get("top_logprobs") or []
    if not isinstance(listed, list):
        raise _Malformed(f"{path}.top_logprobs is no list")
    alternatives = [_text_and_logprob(a, f"{path}.top_logprobs[{i}]") for i, a in enumerate(listed)]
    alternatives = [(text, value) for text, value in alternatives if value > _IMPOSSIBLE]
    alternatives.sort(key=lambda alternative: -alternative[1])
    return GeneratedToken(text, value, tuple(alternatives))


def _text_and_logprob(item: Any, path: str) -> tuple[str, float]:
    entry = _object(item, path)
    text, value = entry.get("token"), entry.get("logprob")
    if not isinstance(text, str):
        raise _Malformed(f"{path}.token is no text")
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value > _ROUNDING
    ):
        raise _Malformed(f"{path}.logprob is {_short(value)}")
    return text, min(float(value), 0.0)


def _usage(usage: Any, model_calls: int) -> Usage:
    """What the server counted; a server that counts nothing leaves zeros."""
    counted = usage if isinstance(usage, dict) else {}
    details = counted.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(
        model_calls=model_calls,
        prompt_tokens=_count(counted.get("prompt_tokens")),
        cached_prompt_tokens=_count(cached),
        completion_tokens=_count(counted.get("completion_tokens")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Malformed(f"{path} is no object")
    return value


def _short(value: object) -> str:
    return str(value)[:80] if isinstance(value, Exception) else repr(value)[:80]
