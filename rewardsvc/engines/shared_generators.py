"""One engine for all who configure the same model: two scorers do not load it twice.

The table belongs to the event loop that engines run in. A model folder whose files changed is
another model, so that loading a scorer anew loads its new weights.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from rewardsvc.engines.generation import (
    Generation,
    GenerationFailed,
    GenerationRequest,
    Generator,
)

__all__ = ["SharedGenerator"]


@dataclass(slots=True)
class _Engine:
    """A generator that some share."""

    generator: Generator
    users: int = 0
    started: bool = False
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)


_engines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Engine]] = WeakKeyDictionary()


class SharedGenerator:
    """A share in the generator of its key, which runs from the first start to the last close.

    Args:
        generator: used if nobody with the same key has started one.
        key: equal for generators that may stand for each other.
    """

    def __init__(self, generator: Generator, key: str) -> None:
        self._own = generator
        self._key = key
        self._engine: _Engine | None = None
        self._taken = False
        """Whether the own generator has become everybody's."""

    @property
    def version(self) -> str:
        """The generator's."""
        return self._current.version

    async def start(self) -> None:
        """Starts the generator, or waits until another share has; raises what that raises."""
        table = _engines.setdefault(asyncio.get_running_loop(), {})
        engine = table.setdefault(self._key, _Engine(self._own))
        engine.users += 1
        self._engine = engine
        self._taken = self._taken or engine.generator is self._own
        try:
            async with engine.starting:
                if not engine.started:
                    await engine.generator.start()
                    engine.started = True
        except BaseException:
            await self.close()
            raise

    async def generate(
        self, request: GenerationRequest, *, seconds: float | None = None
    ) -> Generation:
        """Continues one conversation. Raises GenerationFailed."""
        return await self._current.generate(request, seconds=seconds)

    async def generate_all(
        self, requests: Sequence[GenerationRequest], *, seconds: float | None = None
    ) -> list[Generation | GenerationFailed]:
        """Continues several, in order; a failure stands in its own place."""
        return await self._current.generate_all(requests, seconds=seconds)

    async def close(self) -> None:
        """Gives the share back; the last one closes the generator. Idempotent."""
        engine, self._engine = self._engine, None
        if engine is None:
            if not self._taken:
                await self._own.close()
            return
        engine.users -= 1
        if engine.users == 0:
            table = _engines[asyncio.get_running_loop()]
            if table.get(self._key) is engine:
                del table[self._key]
            await engine.generator.close()
        if engine.generator is not self._own:
            await self._own.close()

    @property
    def _current(self) -> Generator:
        return self._engine.generator if self._engine else self._own
