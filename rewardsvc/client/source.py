"""Samples of any number to parcels, as they come, holding only those under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import replace

from rewardsvc.client.parcels import (
    BYTES_PER_MESSAGE,
    SAMPLES_PER_MESSAGE,
    Parcel,
    bundles_of,
    packed,
    response_size,
)
from rewardsvc.client.samples import SampleLike, sample_of
from rewardsvc.types import Sample

SAMPLES_PER_RUN = 4 * SAMPLES_PER_MESSAGE
"""Neighbouring samples of one prompt that stay together in one message."""

_END = object()


class Source:
    """Reads samples, numbers those without an id, and gathers neighbours into parcels.

    A synchronous iterable fills each parcel. An asynchronous one fills them as far as it has
    samples at hand: a slow producer's samples leave at once, however few.
    """

    def __init__(self, samples: Iterable[SampleLike] | AsyncIterable[SampleLike]) -> None:
        self._samples = samples
        self._read = self._sent = 0
        self.under_way: dict[int, Sample] = {}
        """Samples by position, from when they are read until `pop` takes them."""

    async def parcels(self) -> AsyncGenerator[Parcel, None]:
        """Parcels in the order of the samples; raises InvalidRequest for a wrong sample."""
        if isinstance(self._samples, AsyncIterable):
            async for chunk in self._chunks_as_they_come(self._samples):
                for parcel in self._parcels_of(chunk):
                    yield parcel
        else:
            for chunk in self._full_chunks(self._samples):
                for parcel in self._parcels_of(chunk):
                    yield parcel

    def pop(self, parcel: Parcel) -> Iterator[Sample]:
        """The samples of a parcel in its order; forgets them."""
        for bundle in parcel.bundles:
            for position in bundle.positions:
                yield self.under_way.pop(position)

    def _full_chunks(self, samples: Iterable[SampleLike]) -> Iterator[list[Sample]]:
        chunk = _Chunk()
        for value in samples:
            sample = self._sample(value)
            if chunk.full_before(sample):
                yield chunk.take()
            chunk.add(sample)
        if chunk.samples:
            yield chunk.take()

    async def _chunks_as_they_come(
        self, samples: AsyncIterable[SampleLike]
    ) -> AsyncIterator[list[Sample]]:
        queue: asyncio.Queue[object] = asyncio.Queue(SAMPLES_PER_MESSAGE)
        pump = asyncio.create_task(_pump(samples, queue))
        chunk = _Chunk()
        try:
            while True:
                if queue.empty() and chunk.samples:
                    yield chunk.take()
                    continue
                item = await queue.get()
                if item is _END:
                    break
                sample = self._sample(item)  # type: ignore[arg-type]
                if chunk.full_before(sample):
                    yield chunk.take()
                chunk.add(sample)
            if chunk.samples:
                yield chunk.take()
            await pump
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    def _sample(self, value: SampleLike) -> Sample:
        sample = sample_of(value, f"samples[{self._read}]")
        if not sample.sample_id:
            sample = replace(sample, sample_id=str(self._read))
        self._read += 1
        return sample

    def _parcels_of(self, chunk: list[Sample]) -> Iterator[Parcel]:
        first = self._sent
        self._sent += len(chunk)
        for position, sample in enumerate(chunk, first):
            self.under_way[position] = sample
        yield from packed(bundles_of(chunk, first))


class _Chunk:
    """Samples gathered for the next message."""

    __slots__ = ("samples", "size")

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.size = 0

    def add(self, sample: Sample) -> None:
        """Takes one more sample."""
        self.samples.append(sample)
        self.size += response_size(sample)

    def full_before(self, sample: Sample) -> bool:
        """Whether the chunk should leave before `sample` joins it."""
        count = len(self.samples)
        if count < SAMPLES_PER_MESSAGE and self.size <= BYTES_PER_MESSAGE:
            return False
        same_prompt = bool(count) and self.samples[-1].prompt == sample.prompt
        return not (same_prompt and count < SAMPLES_PER_RUN and self.size <= 4 * BYTES_PER_MESSAGE)

    def take(self) -> list[Sample]:
        """Everything gathered; leaves the chunk empty."""
        taken, self.samples, self.size = self.samples, [], 0
        return taken


async def _pump(samples: AsyncIterable[SampleLike], queue: asyncio.Queue[object]) -> None:
    try:
        async for sample in samples:
            await queue.put(sample)
    finally:
        await queue.put(_END)
