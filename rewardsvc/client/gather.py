"""Completes groups whose responses come one by one, for rewards that look at whole groups.

A group travels in one message: replicas behind a load balancer do not wait for each other's
parts. Where rollouts end at different times, this waits for them here, on the trainer's side.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from rewardsvc.types import Group, Prompt, Reference, Response, Result, Status

__all__ = ["GroupGatherer"]


class _Client(Protocol):
    async def score_groups(
        self, reward: str, groups: list[Group], **options: Any
    ) -> list[list[Result]]: ...


@dataclass(slots=True, eq=False)
class _Gathering:
    prompt: Prompt
    reference: Reference | None
    domain: str
    size: int
    waiting: list[tuple[Response, asyncio.Future[Result]]] = field(default_factory=list)
    expiry: asyncio.TimerHandle | None = None


class GroupGatherer:
    """Scores each response together with its group, once the group is complete.

    Example:
        gatherer = GroupGatherer(client, "math", size=8, wait_seconds=120)
        result = await gatherer.score("prompt 17", prompt, Response("17/3", text))

    Args:
        client: An AsyncClient, or its testing double.
        reward: The reward's name.
        size: Responses in a complete group; at least 1.
        wait_seconds: Longest wait for a group, from its first response on. Then every response
            that is there gets a result with status TIMEOUT that says how many came.
        options: Further arguments of `AsyncClient.score_groups`, e.g. tenant and timeout.

    Raises ValueError for a wrong argument. Not for several event loops.
    """

    def __init__(
        self, client: _Client, reward: str, *, size: int, wait_seconds: float, **options: Any
    ) -> None:
        if size < 1:
            raise ValueError(f"size is {size}; must be at least 1")
        if not wait_seconds > 0:
            raise ValueError(f"wait_seconds is {wait_seconds}; must be above 0")
        self._client = client
        self._reward = reward
        self._size = size
        self._wait_seconds = wait_seconds
        self._options = options
        self._gathering: dict[str, _Gathering] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def score(
        self,
        group_id: str,
        prompt: Prompt,
        response: Response,
        *,
        reference: Reference | None = None,
        domain: str = "",
    ) -> Result:
        """The result of one response, when its group is complete or has timed out.

        Raises what `score_groups` raises, for every response of the group, and ValueError for
        a response that contradicts its group: another prompt, reference or domain, or a sample
        id that the group has already.
        """
        group = self._gathering.get(group_id)
        if group is None:
            group = _Gathering(prompt, reference, domain, self._size)
            self._gathering[group_id] = group
            loop = asyncio.get_running_loop()
            group.expiry = loop.call_later(self._wait_seconds, self._expire, group_id, group)
        _check(group_id, group, prompt, response, reference, domain)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        group.waiting.append((response, future))
        if len(group.waiting) == self._size:
            self._close(group_id, group)
            task = asyncio.create_task(self._send(group_id, group))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return await future

    @property
    def incomplete(self) -> int:
        """Groups that wait for responses."""
        return len(self._gathering)

    def _close(self, group_id: str, group: _Gathering) -> None:
        if self._gathering.get(group_id) is group:
            del self._gathering[group_id]
        if group.expiry is not None:
            group.expiry.cancel()

    def _expire(self, group_id: str, group: _Gathering) -> None:
        self._close(group_id, group)
        reason = (
            f"{len(group.waiting)} of {group.size} responses of the group came within "
            f"{self._wait_seconds:g} s"
        )
        for response, future in group.waiting:
            if not future.done():
                future.set_result(Result(response.sample_id, Status.TIMEOUT, reason))

    async def _send(self, group_id: str, group: _Gathering) -> None:
        complete = Group(
            group_id,
            group.prompt,
            tuple(response for response, _ in group.waiting),
            group.reference,
            group.domain,
            group.size,
        )
        try:
            (results,) = await self._client.score_groups(self._reward, [complete], **self._options)
        except BaseException as error:
            for _, future in group.waiting:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # a caller that has gone does not collect it
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), result in zip(group.waiting, results, strict=True):
            if not future.done():
                future.set_result(result)


def _check(
    group_id: str,
    group: _Gathering,
    prompt: Prompt,
    response: Response,
    reference: Reference | None,
    domain: str,
) -> None:
    for name, here, there in (
        ("prompt", prompt, group.prompt),
        ("reference", reference, group.reference),
        ("domain", domain, group.domain),
    ):
        if here != there:
            raise ValueError(f"group {group_id!r}: {name} differs from that of its first response")
    if any(response.sample_id == other.sample_id for other, _ in group.waiting):
        raise ValueError(f"group {group_id!r} has a response {response.sample_id!r} already")
