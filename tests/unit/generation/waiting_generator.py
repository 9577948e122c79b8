"""A generator that tests hold in their hand: it answers when its gate opens, and counts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rewardsvc.engines.generation import (
    Completion,
    Generation,
    GenerationFailed,
    GenerationRequest,
)
from rewardsvc.engines.requests import generate_all
from rewardsvc.types import ChatMessage, Usage


def ask(text: str = "question", **settings: object) -> GenerationRequest:
    return GenerationRequest((ChatMessage("user", text),), **settings)  # type: ignore[arg-type]


class WaitingGenerator:
    def __init__(self) -> None:
        self.version = "waiting-1"
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.calls: list[GenerationRequest] = []
        self.cancelled = 0
        self.failure: GenerationFailed | None = None
        self.start_failure: Exception | None = None
        self.starts = 0
        self.closes = 0

    async def start(self) -> None:
        await asyncio.sleep(0)
        if self.start_failure is not None:
            raise self.start_failure
        self.starts += 1

    async def generate(
        self, request: GenerationRequest, *, seconds: float | None = None
    ) -> Generation:
        self.calls.append(request)
        self.asked.set()
        try:
            async with asyncio.timeout(seconds):
                await self.gate.wait()
        except TimeoutError:
            raise GenerationFailed("too slow", timed_out=True) from None
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        answer = f"{request.messages[-1].content} {len(self.calls)}"
        return Generation((Completion(answer),), Usage(model_calls=1, prompt_tokens=5))

    async def generate_all(
        self, requests: Sequence[GenerationRequest], *, seconds: float | None = None
    ) -> list[Generation | GenerationFailed]:
        return await generate_all(self, requests, seconds)

    async def close(self) -> None:
        self.closes += 1
