"""What every generator does with requests, whichever engine runs them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from rewardsvc.engines.generation import (
    Generation,
    GenerationFailed,
    GenerationRequest,
    Generator,
)

__all__ = ["check_request", "generate_all"]

_MOST_LOG_PROBABILITIES = 20
_MOST_SAMPLES = 128


def check_request(request: GenerationRequest) -> None:
    """Raises GenerationFailed for a request that no engine could answer; names the field."""
    if not request.messages:
        raise GenerationFailed("messages: must not be empty")
    if request.continue_final_message and request.messages[-1].role != "assistant":
        raise GenerationFailed(
            "continue_final_message: the last message must be the assistant's, not the "
            f"{request.messages[-1].role}'s"
        )
    if not 1 <= request.samples <= _MOST_SAMPLES:
        raise GenerationFailed(f"samples: must be 1 to {_MOST_SAMPLES}, not {request.samples}")
    if not 0 <= request.temperature <= 100:
        raise GenerationFailed(f"temperature: must be 0 to 100, not {request.temperature}")
    if not 0 < request.top_p <= 1:
        raise GenerationFailed(f"top_p: must be in (0, 1], not {request.top_p}")
    if request.max_tokens < 1:
        raise GenerationFailed(f"max_tokens: must be at least 1, not {request.max_tokens}")
    if not 0 <= request.top_log_probabilities <= _MOST_LOG_PROBABILITIES:
        raise GenerationFailed(
            f"top_log_probabilities: must be 0 to {_MOST_LOG_PROBABILITIES}, "
            f"not {request.top_log_probabilities}"
        )
    guides = [bool(request.choices), bool(request.pattern), bool(request.json_schema)]
    if sum(guides) > 1:
        raise GenerationFailed("choices, pattern and json_schema: at most one may be given")
    if request.json_schema:
        try:
            schema = json.loads(request.json_schema)
        except (ValueError, RecursionError) as error:
            raise GenerationFailed(f"json_schema: is not JSON: {error}") from None
        if not isinstance(schema, dict):
            raise GenerationFailed("json_schema: must be a JSON object")


async def generate_all(
    generator: Generator, requests: Sequence[GenerationRequest], seconds: float | None
) -> list[Generation | GenerationFailed]:
    """Continues several at a time, in order; a failure stands in its own place.

    When cancelled, or when one raises anything but GenerationFailed, the others are cancelled.
    """

    async def one(request: GenerationRequest) -> Generation | GenerationFailed:
        try:
            return await generator.generate(request, seconds=seconds)
        except GenerationFailed as failure:
            return failure

    tasks = [asyncio.create_task(one(request)) for request in requests]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
