"""Answers given before, kept by content: nobody pays twice for the same question.

The key is a SHA-256 of the request and of the generator's version, so that new weights or
settings never give old answers. What may be given again: answers to deterministic requests
(temperature 0), and sampled ones to the same `draw` of the same request. Identical requests
that are under way together are one request. Failures are never kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rewardsvc.engines.generation import (
    Generation,
    GenerationFailed,
    GenerationRequest,
    Generator,
)
from rewardsvc.engines.requests import generate_all
from rewardsvc.types import Usage

__all__ = ["CachedGenerator"]

_ENTRY_BYTES = 800
_TOKEN_BYTES = 250
_ALTERNATIVE_BYTES = 150
"""What an entry, a token and an alternative take beside their text, by CPython's sizes."""


@dataclass(slots=True)
class _UnderWay:
    """One request at the engine, and how many wait for it."""

    task: asyncio.Task[Generation]
    waiting: int = 0


class CachedGenerator:
    """A generator that remembers; starts and closes the generator inside.

    Args:
        inner: who is asked when the answer is not known.
        most_bytes: memory for answers, counted roughly; the least recently used go first.
    """

    def __init__(self, inner: Generator, most_bytes: int) -> None:
        self.inner = inner
        self._most_bytes = most_bytes
        self._kept: OrderedDict[bytes, tuple[Generation, int]] = OrderedDict()
        self._under_way: dict[bytes, _UnderWay] = {}
        self.bytes = 0
        """Memory that answers take now."""

    @property
    def version(self) -> str:
        """The inner generator's: the cache changes no answer."""
        return self.inner.version

    def __len__(self) -> int:
        return len(self._kept)

    async def start(self) -> None:
        """Starts the inner generator."""
        await self.inner.start()

    async def generate(
        self, request: GenerationRequest, *, seconds: float | None = None
    ) -> Generation:
        """The known answer, else the inner generator's. Raises GenerationFailed.

        Usage of a known answer is `answers_from_cache` = 1 and nothing else.
        """
        if request.temperature > 0 and request.draw is None:
            return await self.inner.generate(request, seconds=seconds)
        key = self._key(request)
        if key in self._kept:
            self._kept.move_to_end(key)
            return _known(self._kept[key][0])
        return await self._ask(key, request, seconds)

    async def generate_all(
        self, requests: Sequence[GenerationRequest], *, seconds: float | None = None
    ) -> list[Generation | GenerationFailed]:
        """Continues several, in order; a failure stands in its own place."""
        return await generate_all(self, requests, seconds)

    async def close(self) -> None:
        """Forgets everything and closes the inner generator. Idempotent."""
        await self.inner.close()
        self._kept.clear()
        self.bytes = 0

    async def _ask(
        self, key: bytes, request: GenerationRequest, seconds: float | None
    ) -> Generation:
        """Asks, or waits for who asked the same; asks anew if only their time ran out."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            found = self._under_way.get(key)
            if found is None:
                # Whoever begins is bounded by the inner generator, which can say more.
                return await self._wait(key, self._begin(key, request, left), None)
            try:
                return _known(await self._wait(key, found, left))
            except GenerationFailed as failure:
                if not failure.timed_out or (deadline and deadline <= time.monotonic()):
                    raise

    def _begin(self, key: bytes, request: GenerationRequest, left: float | None) -> _UnderWay:
        task = asyncio.create_task(self._run(key, request, left))
        begun = self._under_way[key] = _UnderWay(task)
        return begun

    async def _run(self, key: bytes, request: GenerationRequest, left: float | None) -> Generation:
        try:
            generation = await self.inner.generate(request, seconds=left)
        finally:
            self._forget(key, asyncio.current_task())
        self._keep(key, generation)
        return generation

    async def _wait(self, key: bytes, under_way: _UnderWay, left: float | None) -> Generation:
        under_way.waiting += 1
        try:
            async with asyncio.timeout(left):
                return await asyncio.shield(under_way.task)
        except TimeoutError:
            raise GenerationFailed(
                f"no answer within {left:.3g} s, asked together with others", timed_out=True
            ) from None
        finally:
            under_way.waiting -= 1
            if under_way.waiting == 0 and not under_way.task.done():
                # At once: whoever comes now must not wait for what is being given up.
                self._forget(key, under_way.task)
                under_way.task.cancel()

    def _forget(self, key: bytes, task: asyncio.Task[Any] | None) -> None:
        found = self._under_way.get(key)
        if found is not None and found.task is task:
            del self._under_way[key]

    def _keep(self, key: bytes, generation: Generation) -> None:
        size = _size(generation)
        if size > self._most_bytes or key in self._kept:
            return
        self._kept[key] = generation, size
        self.bytes += size
        while self.bytes > self._most_bytes:
            _, (_, freed) = self._kept.popitem(last=False)
            self.bytes -= freed

    def _key(self, request: GenerationRequest) -> bytes:
        if request.temperature == 0:
            request = replace(request, draw=None)
        content = json.dumps([self.version, asdict(request)], ensure_ascii=True)
        return hashlib.sha256(content.encode()).digest()


def _known(generation: Generation) -> Generation:
    return Generation(generation.completions, Usage(answers_from_cache=1))


def _size(generation: Generation) -> int:
    total = _ENTRY_BYTES
    for completion in generation.completions:
        total += _ENTRY_BYTES // 4 + 4 * len(completion.text)
        for token in completion.tokens:
            total += _TOKEN_BYTES + _ALTERNATIVE_BYTES * len(token.alternatives)
    return total
