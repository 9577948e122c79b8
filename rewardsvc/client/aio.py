"""The asynchronous client."""

# ruff: noqa: ASYNC109 - a timeout is part of every call: it becomes the server's deadline

from __future__ import annotations

import asyncio
import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import grpc

from rewardsvc.client.channel import Endpoint, Endpoints, KeepAlive, Tls, addresses_of, is_local
from rewardsvc.client.coalesce import Coalescer
from rewardsvc.client.exchange import Exchange, Terms
from rewardsvc.client.failures import error_of_rpc
from rewardsvc.client.labelling import AsyncLabelCalls
from rewardsvc.client.parcels import (
    Bundle,
    Parcel,
    bundle_of_group,
    bundles_of,
    messages_of,
    naming_samples,
    packed,
    results_of,
)
from rewardsvc.client.retry import Attempts, Deadline, Retry
from rewardsvc.client.samples import SampleLike, groups_of, samples_of
from rewardsvc.client.source import Source
from rewardsvc.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    RewardServiceError,
    Unavailable,
)
from rewardsvc.types import (
    Detail,
    Group,
    Result,
    RewardDescription,
    Sample,
    ScoreOptions,
    Status,
)
from rewardsvc.v1 import reward_service_pb2 as pb
from rewardsvc.wire.rewards import reward_from_message
from rewardsvc.wire.samples import options_to_message

DEFAULT_TIMEOUT = 600.0
"""Seconds that a call may take in all, retries included, unless told otherwise."""


class _Kind(NamedTuple):
    """Calls that may share a message."""

    reward: str
    tenant: str
    detail: Detail
    attribute_weights: tuple[tuple[str, float], ...]
    batch_id: str
    deadline_class: int
    """Deadlines in one class differ by less than a factor of two."""

    def options(self) -> pb.ScoreOptions:
        return options_to_message(
            ScoreOptions(self.tenant, dict(self.attribute_weights), self.detail, self.batch_id)
        )


class AsyncClient(AsyncLabelCalls):
    """Scores samples by the named rewards of a rewardsvc server, from one event loop.

    Example:
        async with AsyncClient("127.0.0.1:9000") as client:
            results = await client.score("math", [Sample(prompt, response, reference="42")])

    Args:
        target: `host:port`; several of them as a list or with commas between them, which are
            used in turn; or a gRPC name such as `dns:///rewardsvc.training:9000`, which is
            balanced over all its addresses. Servers that are down or not ready get no calls.
        tenant: Whose work this is; tenants share the server's engines fairly.
        timeout: Seconds that a call may take in all, retries included; of a stream, seconds
            that each sample may take. Greater than 0.
        retry: How failed calls are tried again.
        keepalive: How a vanished server is noticed.
        tls: Encryption; None for plain text.
        token: Sent as `authorization: Bearer …`. Refused over plain text to another machine.

    Raises ValueError for a wrong argument. Calls raise errors of `rewardsvc.errors`; one
    sample's trouble is its result's status and reason, never an exception.
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
        addresses = addresses_of(target)
        if token is not None and tls is None and not all(map(is_local, addresses)):
            raise ValueError("token needs tls: anyone between here and there could read it")
        self._tenant = tenant
        self._timeout = _positive(timeout)
        self._retry = retry or Retry()
        self._endpoints = Endpoints(addresses, tls, keepalive or KeepAlive())
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        self._coalescer: Coalescer[_Kind] = Coalescer(self._send)

    async def score(
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
        """The results of some samples, in their order; any number of them.

        Samples of one prompt travel as a group. Few samples share a message with those of
        concurrent calls; many go over a stream. Empty sample ids are numbered by place.

        Args:
            reward: Name of the reward.
            samples: Samples, or mappings with their keys.
            timeout: Seconds for the whole call, retries included; None: the client's.
            tenant: Whose work this is; None: the client's.
            detail: How much the results carry.
            attribute_weights: For multi-attribute reward models.
            batch_id: The training batch, for rewards shaped with a moving mean.

        Raises:
            InvalidRequest: Names the sample and the field.
            UnknownReward: Lists the rewards there are.
            MessageTooLarge: A single sample is over the limit of 64 MiB.
            DeadlineExceeded: Not everything was scored in time.
            Overloaded, Unavailable: Still refused, or nobody there, after all retries.
        """
        checked = samples_of(samples)
        kind, deadline = self._kind(reward, timeout, tenant, detail, attribute_weights, batch_id)
        return await self._score(kind, bundles_of(checked), len(checked), deadline)

    async def score_groups(
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
        """The results of some groups, each in the order of its responses.

        As `score`, but the groups are the caller's own: they are never merged, and never cut,
        so one over the limit of 64 MiB raises MessageTooLarge.
        """
        checked = groups_of(groups)
        kind, deadline = self._kind(reward, timeout, tenant, detail, attribute_weights, batch_id)
        bundles: list[Bundle] = []
        total = 0
        for group in checked:
            bundles.append(bundle_of_group(group, total))
            total += len(group.responses)
        results = await self._score(kind, bundles, total, deadline)
        return [[results[place] for place in bundle.positions] for bundle in bundles]

    async def stream(
        self,
        reward: str,
        samples: Iterable[SampleLike] | AsyncIterable[SampleLike],
        *,
        timeout: float | None = None,
        tenant: str | None = None,
        detail: Detail = Detail.FULL,
        attribute_weights: Mapping[str, float] | None = None,
        batch_id: str = "",
        refused: Literal["raise", "result"] = "raise",
        streams: int | None = None,
    ) -> AsyncGenerator[tuple[Sample, Result], None]:
        """Each sample with its result, as they come, for any number of samples.

        Holds only what is under way: about a thousand samples a stream. Neighbouring samples
        of one prompt travel as a group. Ids need not be unique; empty ones are numbered by
        place. A synchronous iterable is read in the event loop, so it should not block.

        Ends with an exception when a message is refused for good or `samples` raises; results
        that had arrived are yielded first, what was under way is dropped.

        Args:
            reward: Name of the reward.
            samples: Samples, or mappings with their keys; also from an asynchronous iterable,
                whose samples leave as they come.
            timeout: Seconds that each sample may take once it was read; None: the client's.
            tenant: Whose work this is; None: the client's.
            detail: How much the results carry.
            attribute_weights: For multi-attribute reward models.
            batch_id: The training batch, for rewards shaped with a moving mean.
            refused: What a sample that the server refuses as invalid does: `raise` ends the
                stream with InvalidRequest, `result` gives that sample status error.
            streams: Parallel streams; None: one for each address of the target.

        Raises: As `score`.
        """
        if refused not in ("raise", "result"):
            raise ValueError(f"refused is {refused!r}; must be 'raise' or 'result'")
        kind, deadline = self._kind(reward, timeout, tenant, detail, attribute_weights, batch_id)
        terms = self._terms(kind, deadline.seconds, split_refused=refused == "result")
        source = Source(samples)
        async with (
            aclosing(source.parcels()) as parcels,
            aclosing(
                Exchange(self._endpoints, terms, streams or len(self._endpoints)).run(parcels)
            ) as outcomes,
        ):
            async for parcel, outcome in outcomes:
                if isinstance(outcome, InvalidRequest) and refused == "result":
                    for sample in source.pop(parcel):
                        yield sample, Result(sample.sample_id, Status.ERROR, outcome.message)
                elif isinstance(outcome, RewardServiceError):
                    raise outcome
                else:
                    for sample, result in zip(source.pop(parcel), outcome, strict=True):
                        yield sample, result

    async def list_rewards(self, *, timeout: float | None = None) -> list[RewardDescription]:
        """The rewards that the server offers, sorted by name."""
        answer = await self._call("ListRewards", pb.ListRewardsRequest(), self._deadline(timeout))
        return [reward_from_message(reward) for reward in answer.rewards]

    async def get_reward(self, name: str, *, timeout: float | None = None) -> RewardDescription:
        """One reward; raises UnknownReward, which lists those there are."""
        request = pb.GetRewardRequest(name=name)
        answer = await self._call("GetReward", request, self._deadline(timeout))
        return reward_from_message(answer.reward)

    async def close(self) -> None:
        """Closes the connections; calls under way fail. Idempotent."""
        await self._coalescer.close()
        await self._endpoints.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # ── one call ─────────────────────────────────────────────────────────────────────────

    def _deadline(self, timeout: float | None) -> Deadline:
        return Deadline(self._timeout if timeout is None else _positive(timeout))

    def _kind(
        self,
        reward: str,
        timeout: float | None,
        tenant: str | None,
        detail: Detail,
        attribute_weights: Mapping[str, float] | None,
        batch_id: str,
    ) -> tuple[_Kind, Deadline]:
        deadline = self._deadline(timeout)
        kind = _Kind(
            reward,
            self._tenant if tenant is None else tenant,
            Detail(detail),
            tuple(sorted((attribute_weights or {}).items())),
            batch_id,
            math.floor(math.log2(deadline.seconds)),
        )
        return kind, deadline

    async def _score(
        self, kind: _Kind, bundles: Sequence[Bundle], total: int, deadline: Deadline
    ) -> list[Result]:
        placed: dict[int, Result] = {}
        parcels = list(packed(bundles))
        if len(parcels) == 1:
            _place(placed, parcels[0], await self._score_parcel(kind, parcels[0], deadline))
        elif parcels:
            terms = self._terms(kind, deadline.seconds, deadline=deadline)
            exchange = Exchange(self._endpoints, terms, len(self._endpoints))
            async with aclosing(exchange.run(_each(parcels))) as outcomes:
                async for parcel, outcome in outcomes:
                    if isinstance(outcome, RewardServiceError):
                        raise outcome
                    _place(placed, parcel, outcome)
        return [placed[position] for position in range(total)]

    def _terms(
        self,
        kind: _Kind,
        timeout: float,
        *,
        deadline: Deadline | None = None,
        split_refused: bool = False,
    ) -> Terms:
        return Terms(
            kind.reward,
            kind.options(),
            self._metadata,
            self._retry,
            timeout,
            deadline,
            split_refused,
        )

    async def _score_parcel(self, kind: _Kind, parcel: Parcel, deadline: Deadline) -> list[Result]:
        what = f"reward {kind.reward!r}: {parcel.samples} samples were not scored"
        attempts = Attempts(self._retry, deadline)
        while True:
            try:
                async with asyncio.timeout(attempts.timeout()):
                    return await self._coalescer.submit(kind, parcel, deadline)
            except InvalidRequest as error:
                raise naming_samples(error, parcel) from None
            except (TimeoutError, DeadlineExceeded):
                await self._after_timeout(attempts, deadline, what)
            except RewardServiceError as error:
                await asyncio.sleep(attempts.delay_after(error))

    async def _send(self, kind: _Kind, parcel: Parcel, deadline: Deadline) -> list[Result]:
        """One try to deliver a message, which may carry parcels of several callers."""
        request = pb.ScoreRequest(
            reward=kind.reward, groups=messages_of(parcel), options=kind.options()
        )
        answer = await self._try("Score", request, deadline.remaining)
        return results_of(parcel, answer.groups, answer.versions)

    async def _call(self, method: str, request: Any, deadline: Deadline) -> Any:
        attempts = Attempts(self._retry, deadline)
        while True:
            try:
                timeout = attempts.timeout()
                async with asyncio.timeout(timeout):
                    return await self._try(method, request, timeout)
            except (TimeoutError, DeadlineExceeded):
                await self._after_timeout(attempts, deadline, f"{method} was not answered")
            except RewardServiceError as error:
                await asyncio.sleep(attempts.delay_after(error))

    async def _after_timeout(self, attempts: Attempts, deadline: Deadline, what: str) -> None:
        """Waits for the next try where only the try's own limit passed; else raises."""
        if not attempts.cut_short():
            raise deadline.exceeded(what, attempts.last) from None
        error = Unavailable(f"no answer within {self._retry.attempt_timeout:g} s")
        await asyncio.sleep(attempts.delay_after(error))

    async def _try(self, method: str, request: Any, timeout: float) -> Any:
        endpoint: Endpoint = await self._endpoints.pick()
        try:
            return await getattr(endpoint.stub, method)(
                request, timeout=max(timeout, 0.001), metadata=self._metadata
            )
        except grpc.aio.AioRpcError as failure:
            error = error_of_rpc(failure)
            endpoint.suspect(error)
            raise error from None


def _place(placed: dict[int, Result], parcel: Parcel, results: Sequence[Result]) -> None:
    positions = [position for bundle in parcel.bundles for position in bundle.positions]
    if len(positions) != len(results):
        raise InternalError(f"{len(results)} results for {len(positions)} samples; none is used")
    placed.update(zip(positions, results, strict=True))


async def _each(parcels: Iterable[Parcel]) -> AsyncIterator[Parcel]:
    for parcel in parcels:
        yield parcel


def _positive(seconds: float) -> float:
    if not (0 < seconds < math.inf):
        raise ValueError(f"timeout is {seconds!r}; must be a finite number of seconds above 0")
    return seconds
