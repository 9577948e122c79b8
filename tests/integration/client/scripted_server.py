"""A server of the contract whose behaviour a test scripts, on a real loopback socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from rewardsvc.errors import RewardServiceError, UnknownReward
from rewardsvc.types import Group, Result, RewardDescription, ScorerDescription, Status, Timing
from rewardsvc.v1 import reward_service_pb2 as pb
from rewardsvc.v1 import reward_service_pb2_grpc
from rewardsvc.wire.failures import status_of
from rewardsvc.wire.results import fill_results
from rewardsvc.wire.rewards import reward_message
from rewardsvc.wire.samples import groups_from_message, options_from_message

REWARD = RewardDescription(
    "length", "Characters of the response.", "1", (ScorerDescription("length", "length", "1"),)
)
HEALTH_NAME = "rewardsvc.v1.RewardService"
LIMIT = 64 * 1024 * 1024


@dataclass
class Seen:
    """One message that reached the server."""

    groups: list[Group]
    kind: str
    at: float
    tenant: str
    time_remaining: float | None
    peer: str

    @property
    def samples(self) -> int:
        return sum(len(group.responses) for group in self.groups)


Behaviour = Callable[[Seen], Awaitable[None]]


async def answer(seen: Seen) -> None:
    """The behaviour of a server in order."""


@dataclass
class ScriptedServer(reward_service_pb2_grpc.RewardServiceServicer):
    """Rewards each response with its length; `behaviour` may wait or raise first."""

    behaviour: Behaviour = answer
    seen: list[Seen] = field(default_factory=list)
    streams: int = 0
    tokens: set[str] = field(default_factory=set)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    server: grpc.aio.Server | None = None

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, port: int = 0, **options: int) -> ScriptedServer:
        self.server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", options.get("limit", LIMIT)),
                ("grpc.max_send_message_length", LIMIT),
                ("grpc.so_reuseport", 0),
            ]
        )
        reward_service_pb2_grpc.add_RewardServiceServicer_to_server(self, self.server)
        self.health = health.aio.HealthServicer()
        await self.health.set(HEALTH_NAME, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        await self.server.start()
        return self

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop(None)

    async def Score(self, request, context):
        try:
            groups, versions = await self._scored(request, "Score", context)
        except RewardServiceError as error:
            await fail(context, error)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return pb.ScoreResponse(groups=groups, versions=versions)

    async def ScoreStream(self, requests, context):
        self.streams += 1
        answers: asyncio.Queue[pb.ScoreStreamResponse | None] = asyncio.Queue()
        tasks = set()

        async def one(request):
            answer = pb.ScoreStreamResponse(request_id=request.request_id)
            try:
                groups, versions = await self._scored(request, "ScoreStream", context)
            except BreakStream:
                answers.put_nowait(None)
                return
            except RewardServiceError as error:
                answer.failure.CopyFrom(status_of(error))
            else:
                answer.groups.extend(groups)
                answer.versions.update(versions)
            answers.put_nowait(answer)

        async def read():
            async for request in requests:
                task = asyncio.create_task(one(request))
                tasks.add(task)
            await asyncio.gather(*tasks)
            answers.put_nowait(pb.ScoreStreamResponse())

        reading = asyncio.create_task(read())
        try:
            while True:
                message = await answers.get()
                if message is None:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "broken on purpose")
                if not message.request_id:
                    return
                yield message
        finally:
            reading.cancel()
            for task in tasks:
                task.cancel()

    async def ListRewards(self, request, context):
        self._note_token(context)
        return pb.ListRewardsResponse(rewards=[reward_message(REWARD)])

    async def GetReward(self, request, context):
        if request.name != REWARD.name:
            await fail(context, UnknownReward(f"no reward {request.name!r}; there are: length"))
        return pb.GetRewardResponse(reward=reward_message(REWARD))

    def _note_token(self, context):
        self.tokens.update(v for k, v in context.invocation_metadata() if k == "authorization")

    async def _scored(self, request, kind, context):
        self._note_token(context)
        groups = groups_from_message(request)
        options = options_from_message(request)
        seen = Seen(
            groups,
            kind,
            time.monotonic(),
            options.tenant,
            context.time_remaining(),
            context.peer(),
        )
        self.seen.append(seen)
        if request.reward != REWARD.name:
            raise UnknownReward(f"no reward {request.reward!r}; there are: length")
        await self.behaviour(seen)
        answers = []
        for group in groups:
            message = pb.ScoreResponse().groups.add(group_id=group.group_id)
            fill_results(message, [_result(group, response) for response in group.responses])
            answers.append(message)
        return answers, {"reward": "1"}


class BreakStream(Exception):
    """Raised by a behaviour to break the stream under the message."""


def _result(group, response):
    reference = group.reference_of(response)
    answers = reference.answers if reference else ()
    return Result(
        response.sample_id,
        Status.OK,
        reason="|".join(answers),
        reward=float(len(response.text)),
        score=float(hash_free(group.prompt)),
        timing=Timing(0.0, 0.0),
    )


def hash_free(prompt) -> int:
    return len(prompt) if isinstance(prompt, str) else 0


async def fail(context, error: RewardServiceError) -> None:
    """Ends an RPC with an error and its details."""
    status = status_of(error)
    code = next(c for c in grpc.StatusCode if c.value[0] == status.code)
    await context.abort(
        code, status.message, (("grpc-status-details-bin", status.SerializeToString()),)
    )
