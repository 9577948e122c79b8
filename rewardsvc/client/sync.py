"""The synchronous client: the asynchronous one, driven from a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self, TypeAlias

from rewardsvc.client.aio import DEFAULT_TIMEOUT, AsyncClient
from rewardsvc.client.background import Background, Fed
from rewardsvc.client.channel import KeepAlive, Tls
from rewardsvc.client.labelling import LabelCalls
from rewardsvc.client.retry import Retry
from rewardsvc.client.samples import SampleLike
from rewardsvc.types import Detail, Group, Result, RewardDescription, Sample

_Scored: TypeAlias = tuple[Sample, Result]

RESULTS_AHEAD = 256
"""Results of a stream that wait for a caller who is slow to take them."""


class Client(LabelCalls):
    """Scores samples by the named rewards of a rewardsvc server, from any thread.

    Example:
        with Client("127.0.0.1:9000") as client:
            results = client.score("math", [Sample(prompt, response, reference="42")])

    Takes the arguments of AsyncClient. Threads may share one Client, and their concurrent
    small calls share messages. It also works, though it blocks, where an event loop runs in
    the calling thread (Jupyter). After a fork, make a new one in the child: connections and
    threads stay with the parent, and a Client that was used before says so.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        tenant: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        retry: Retry | None = None,
        keepalive: KeepAlive | None = None,
        tls: Tls | None = None,
        token: str | None = None,
    ) -> None:
        self._client: AsyncClient = AsyncClient(
            target,
            tenant=tenant,
            timeout=timeout,
            retry=retry,
            keepalive=keepalive,
            tls=tls,
            token=token,
        )
        self._background = Background()

    def score(
        self,
        reward: str,
        samples: Iterable[SampleLike],
        *,
        timeout: float | None = None,
        tenant: str | None = None,
        detail: Detail = Detail.FULL,
        attribute_weights: Mapping[str, float] | None = None,
        batch_id: str = "",
    ) -> list[Result]:
        """The results of some samples, in their order. See AsyncClient.score."""
        return self._background.run(
            self._client.score(
                reward,
                list(samples),
                timeout=timeout,
                tenant=tenant,
                detail=detail,
                attribute_weights=attribute_weights,
                batch_id=batch_id,
            )
        )

    def score_groups(
        self,
        reward: str,
        groups: Iterable[Group],
        *,
        timeout: float | None = None,
        tenant: str | None = None,
        detail: Detail = Detail.FULL,
        attribute_weights: Mapping[str, float] | None = None,
        batch_id: str = "",
    ) -> list[list[Result]]:
        """The results of some groups, each in its order. See AsyncClient.score_groups."""
        return self._background.run(
            self._client.score_groups(
                reward,
                list(groups),
                timeout=timeout,
                tenant=tenant,
                detail=detail,
                attribute_weights=attribute_weights,
                batch_id=batch_id,
            )
        )

    def stream(
        self,
        reward: str,
        samples: Iterable[SampleLike],
        *,
        timeout: float | None = None,
        tenant: str | None = None,
        detail: Detail = Detail.FULL,
        attribute_weights: Mapping[str, float] | None = None,
        batch_id: str = "",
        refused: Literal["raise", "result"] = "raise",
        streams: int | None = None,
    ) -> Iterator[tuple[Sample, Result]]:
        """Each sample with its result, as they come. See AsyncClient.stream.

        An iterable other than a list or tuple is read in a thread of its own, some hundred
        samples ahead, and may block.
        """
        loop = self._background.loop
        fed = None if isinstance(samples, list | tuple) else Fed(samples, loop)
        outcomes: asyncio.Queue[_Scored | BaseException | None] = asyncio.Queue(RESULTS_AHEAD)
        stream = self._client.stream(
            reward,
            samples if fed is None else fed,
            timeout=timeout,
            tenant=tenant,
            detail=detail,
            attribute_weights=attribute_weights,
            batch_id=batch_id,
            refused=refused,
            streams=streams,
        )
        pump = asyncio.run_coroutine_threadsafe(_pump(stream, outcomes), loop)
        try:
            while True:
                for outcome in self._background.run(_take(outcomes)):
                    if outcome is None:
                        return
                    if isinstance(outcome, BaseException):
                        raise outcome
                    yield outcome
        finally:
            if fed is not None:
                fed.stop()
            pump.cancel()

    def list_rewards(self, *, timeout: float | None = None) -> list[RewardDescription]:
        """The rewards that the server offers, sorted by name."""
        return self._background.run(self._client.list_rewards(timeout=timeout))

    def get_reward(self, name: str, *, timeout: float | None = None) -> RewardDescription:
        """One reward; raises UnknownReward, which lists those there are."""
        return self._background.run(self._client.get_reward(name, timeout=timeout))

    def close(self) -> None:
        """Closes the connections; calls under way fail. Idempotent."""
        self._background.close(self._client.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


async def _pump(
    stream: AsyncGenerator[_Scored, None],
    outcomes: asyncio.Queue[_Scored | BaseException | None],
) -> None:
    try:
        async for scored in stream:
            await outcomes.put(scored)
    except Exception as error:
        await outcomes.put(error)
    else:
        await outcomes.put(None)
    finally:
        await stream.aclose()


async def _take(
    outcomes: asyncio.Queue[_Scored | BaseException | None],
) -> list[_Scored | BaseException | None]:
    """At least one outcome, and all that are there: one change of threads for many."""
    taken = [await outcomes.get()]
    while not outcomes.empty():
        taken.append(outcomes.get_nowait())
    return taken
