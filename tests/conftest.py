"""Fixtures for all tests: servers in this process, on real loopback sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from hypothesis import settings

from rewardsvc.config import Config, parse_config
from rewardsvc.server.app import RewardServer
from rewardsvc.v1 import reward_service_pb2_grpc

# No test asserts a time, and machines that run tests are busy.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

Start = Callable[[Config | str], Awaitable[RewardServer]]
Connect = Callable[[RewardServer], reward_service_pb2_grpc.RewardServiceStub]


@pytest.fixture
async def start_server(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts warm servers from a configuration or its YAML; stops them after the test."""
    servers: list[RewardServer] = []

    async def start(config: Config | str) -> RewardServer:
        if isinstance(config, str):
            config = parse_config(config, source="test.yaml", base_path=tmp_path)
        server = RewardServer(config)
        servers.append(server)
        await server.open()
        await server.warm_up()
        return server

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes stubs for servers, each on a channel of its own."""
    channels: list[grpc.aio.Channel] = []

    def stub(server: RewardServer) -> reward_service_pb2_grpc.RewardServiceStub:
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        channel = grpc.aio.insecure_channel(server.address, options=options)
        channels.append(channel)
        return reward_service_pb2_grpc.RewardServiceStub(channel)

    yield stub
    for channel in channels:
        await channel.close()
