"""Several servers: turns, readiness, and what happens when one dies under load."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2
from scripted_server import HEALTH_NAME

from rewardsvc import AsyncClient, Retry, Sample


def in_turn(count):
    return [Sample(f"p{n}", "x" * (n % 7)) for n in range(count)]


async def connected(client, servers):
    """Calls until every server has answered, then forgets what they saw."""
    while not all(server.seen for server in servers):
        await client.score("length", [Sample("p", "x")])
    for server in servers:
        server.seen.clear()


@pytest.mark.parametrize("join", [list, ",".join], ids=["list", "commas"])
async def test_servers_take_turns(server, other_server, join):
    servers = (server, other_server)
    async with AsyncClient(join([s.target for s in servers])) as client:
        await connected(client, servers)
        for _ in range(20):
            await client.score("length", [Sample("p", "x")])
        assert [len(s.seen) for s in servers] == [10, 10]


async def test_names_and_addresses_mix(server, other_server):
    targets = [f"localhost:{server.port}", f"dns:///127.0.0.1:{other_server.port}"]
    async with AsyncClient(targets) as client:
        await connected(client, (server, other_server))


async def test_a_stream_goes_to_every_server_also_at_the_start(server, other_server):
    async with AsyncClient([server.target, other_server.target]) as client:
        samples = in_turn(3000)
        results = {s.sample_id: r.reward async for s, r in client.stream("length", samples)}
    assert results == {str(n): float(n % 7) for n in range(3000)}
    assert server.seen and other_server.seen


async def test_a_server_that_is_not_ready_gets_no_calls(server, other_server):
    async with AsyncClient([server.target, other_server.target]) as client:
        await connected(client, (server, other_server))
        await other_server.health.set(HEALTH_NAME, health_pb2.HealthCheckResponse.NOT_SERVING)
        while True:  # until the news has arrived, calls may still reach it
            other_server.seen.clear()
            await asyncio.gather(*(client.score("length", in_turn(1)) for _ in range(10)))
            if not other_server.seen:
                break
        for _ in range(10):
            await client.score("length", in_turn(1))
        assert other_server.seen == []


async def test_an_address_where_nobody_listens_is_passed_over(server, other_server):
    await other_server.stop()
    async with AsyncClient([other_server.target, server.target]) as client:
        for _ in range(5):
            assert await client.score("length", in_turn(1))
        assert len(await client.score("length", in_turn(500))) == 500


class Killable:
    """A scripted server in a process of its own, which dies at its first message."""

    def __init__(self, process, port):
        self.process = process
        self.target = f"127.0.0.1:{port}"

    @classmethod
    async def start(cls, dies_at):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("dying_server.py")),
            str(dies_at),
            stdout=asyncio.subprocess.PIPE,
        )
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        return cls(process, int(line))

    async def stop(self):
        if self.process.returncode is None:
            self.process.kill()
        return await self.process.wait()


@pytest.fixture
async def dying():
    started = await Killable.start(dies_at=5)
    yield started
    await started.stop()


async def test_calls_of_a_server_that_is_killed_are_answered_by_the_other(server, dying):
    async with AsyncClient([dying.target, server.target]) as client:
        tasks = [
            asyncio.create_task(client.score("length", [Sample("p", "x" * n)])) for n in range(200)
        ]
        results = await asyncio.gather(*tasks)
        while dying.process.returncode is None:  # it may not have had its fifth message yet
            await client.score("length", [Sample("p", "x")])
            await asyncio.sleep(0)
    assert [r[0].reward for r in results] == [float(n) for n in range(200)]
    assert await asyncio.wait_for(dying.process.wait(), 30) == -signal.SIGKILL


async def test_a_stream_to_a_server_that_is_killed_goes_on_at_the_other(server, dying):
    samples = in_turn(20_000)
    async with AsyncClient([dying.target, server.target]) as client:
        outcomes = [(s.sample_id, r.reward) async for s, r in client.stream("length", samples)]
    assert len(outcomes) == 20_000
    assert dict(outcomes) == {str(n): float(n % 7) for n in range(20_000)}
    assert await asyncio.wait_for(dying.process.wait(), 30) == -signal.SIGKILL


async def test_a_server_that_is_stopped_mid_stream_loses_nothing(server, other_server):
    async def stop_after_ten(seen):
        if len(server.seen) == 10:
            stopping.append(asyncio.create_task(server.stop()))

    stopping: list[asyncio.Task[None]] = []
    server.behaviour = stop_after_ten
    samples = in_turn(20_000)
    targets = [server.target, other_server.target]
    async with AsyncClient(targets, retry=Retry(base_delay=0.01)) as client:
        outcomes = [(s.sample_id, r.reward) async for s, r in client.stream("length", samples)]
    assert dict(outcomes) == {str(n): float(n % 7) for n in range(20_000)}
    assert len(outcomes) == 20_000
    await asyncio.gather(*stopping)


@pytest.mark.parametrize("target", ["", [], "127.0.0.1:1,,127.0.0.1:2", [" "]])
def test_a_target_that_is_none_is_refused(target):
    with pytest.raises(ValueError, match="must be `host:port`"):
        AsyncClient(target)


def test_a_token_is_not_sent_in_clear_to_another_machine():
    with pytest.raises(ValueError, match="token needs tls"):
        AsyncClient("rewards.example:9000", token="secret")
    AsyncClient("127.0.0.1:9000", token="secret")


async def test_the_token_reaches_the_server(server):
    async with AsyncClient(server.target, token="secret") as client:
        await client.list_rewards()
        await client.score("length", in_turn(1))
        await client.score("length", in_turn(200))
    assert server.tokens == {"Bearer secret"}
