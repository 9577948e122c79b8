"""The RewardService: one short method a call, from message to pipeline and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
import structlog

from rewardsvc.errors import (
    InternalError,
    InvalidRequest,
    RewardServiceError,
    Unavailable,
    UnknownReward,
)
from rewardsvc.pipeline import RewardPipeline
from rewardsvc.server.messages import Refused
from rewardsvc.server.stream import StreamSession
from rewardsvc.telemetry.metrics import Metrics
from rewardsvc.types import Result
from rewardsvc.v1 import reward_service_pb2 as messages
from rewardsvc.v1 import reward_service_pb2_grpc
from rewardsvc.wire.failures import status_of
from rewardsvc.wire.results import fill_results
from rewardsvc.wire.rewards import reward_message
from rewardsvc.wire.samples import groups_from_message, options_from_message

log = structlog.stdlib.get_logger("rewardsvc.server")
_LOADING_RETRY_SECONDS = 1.0


class RewardServicer(reward_service_pb2_grpc.RewardServiceServicer):
    """Scores by the rewards it is given; refuses with UNAVAILABLE until `ready` is set."""

    def __init__(
        self, pipelines: Mapping[str, RewardPipeline], metrics: Metrics, stream_window: int
    ) -> None:
        self.ready = False
        self._pipelines = pipelines
        self._metrics = metrics
        self._stream_window = stream_window
        self._streams: set[StreamSession[Any, Any]] = set()

    def drain(self) -> None:
        """Lets open streams finish what they have read, and no more."""
        for stream in self._streams:
            stream.drain()

    async def Score(
        self, request: messages.ScoreRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.ScoreResponse:
        """Scores the groups of one message."""
        response = messages.ScoreResponse(request_id=request.request_id)
        await self._score(request, response, context.time_remaining(), wait_for_room=False)
        return response

    async def ScoreStream(
        self,
        requests: AsyncIterator[messages.ScoreStreamRequest | Refused],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        """Scores message after message, answering each as soon as it is done."""

        async def answer(request: messages.ScoreStreamRequest) -> messages.ScoreStreamResponse:
            return await self._answer(request, context.time_remaining())

        stream = StreamSession(answer, context.write, self._stream_window)
        self._streams.add(stream)
        try:
            await stream.run(requests)
        finally:
            self._streams.discard(stream)

    async def ListRewards(
        self, request: messages.ListRewardsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.ListRewardsResponse:
        """Every reward, by name."""
        rewards = [pipeline.description for _, pipeline in sorted(self._pipelines.items())]
        return messages.ListRewardsResponse(rewards=[reward_message(r) for r in rewards])

    async def GetReward(
        self, request: messages.GetRewardRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.GetRewardResponse:
        """One reward."""
        reward = self._pipeline(request.name, "name").description
        return messages.GetRewardResponse(reward=reward_message(reward))

    async def _answer(
        self, request: messages.ScoreStreamRequest, seconds_left: float | None
    ) -> messages.ScoreStreamResponse:
        response = messages.ScoreStreamResponse(request_id=request.request_id)
        try:
            if not request.request_id:
                raise InvalidRequest.field("request_id", "is empty; a stream's messages need one")
            await self._score(request, response, seconds_left, wait_for_room=True)
            return response
        except RewardServiceError as error:
            failure = error
        except Exception as error:
            log.exception("message failed by a defect", request_id=request.request_id)
            failure = InternalError.of(error)
        return messages.ScoreStreamResponse(
            request_id=request.request_id, failure=status_of(failure, request.request_id)
        )

    async def _score(
        self,
        request: messages.ScoreRequest | messages.ScoreStreamRequest,
        response: messages.ScoreResponse | messages.ScoreStreamResponse,
        seconds_left: float | None,
        *,
        wait_for_room: bool,
    ) -> None:
        """Scores `request` into `response`."""
        if not self.ready:
            raise Unavailable("the scorers are still loading", _LOADING_RETRY_SECONDS)
        pipeline = self._pipeline(request.reward, "reward")
        groups = groups_from_message(request)
        options = options_from_message(request)
        results, versions = await pipeline.score(
            groups, options, seconds_left, wait_for_room=wait_for_room
        )
        for group, group_results in zip(groups, results, strict=True):
            message = response.groups.add(group_id=group.group_id)
            fill_results(message, group_results, options.detail)
        response.versions.update(versions)
        self._report(pipeline.name, response.request_id, results)

    def _report(self, reward: str, request_id: str, results: list[list[Result]]) -> None:
        statuses = self._metrics.observe_results(reward, results)
        if any(not status.scored for status in statuses):
            reason = next(r.reason for group in results for r in group if not r.status.scored)
            counts = {status.value: count for status, count in statuses.items()}
            log.info(
                "samples without a reward",
                reward=reward,
                request_id=request_id,
                first_reason=reason,
                **counts,
            )

    def _pipeline(self, name: str, field: str) -> RewardPipeline:
        pipeline = self._pipelines.get(name)
        if pipeline is None:
            known = ", ".join(sorted(self._pipelines))
            raise UnknownReward(f"{field}: {name!r} is not configured; there are: {known}")
        return pipeline
