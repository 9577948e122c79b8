"""Two server processes under load: one is stopped, one is killed, and nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
import signal

import pytest
from fixtures.processes import ServerProcess

from rewardsvc import AsyncClient, Sample, Status

CONFIG = """
server: {drain_delay_seconds: 0.3}
scorers: {boxed: {kind: format, boxed_answer: true}}
rewards: {boxed: {components: [{scorer: boxed}]}}
"""


class Load:
    """Callers that go on scoring until told to stop, and keep what they sent and got."""

    def __init__(self, client: AsyncClient, callers: int) -> None:
        self.answered: dict[str, float | None] = {}
        self.expected: dict[str, float] = {}
        self._client = client
        self._numbers = itertools.count()
        self._stop = False
        self._tasks = [asyncio.create_task(self._call()) for _ in range(callers)]
        self._streaming = asyncio.create_task(self._stream())

    async def finish(self) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks, self._streaming)

    async def grow(self, by: int) -> None:
        """Returns once so many more samples have been answered."""
        wanted = len(self.answered) + by
        async with asyncio.timeout(60):
            while len(self.answered) < wanted:
                for task in (*self._tasks, self._streaming):
                    if task.done():
                        task.result()
                await asyncio.sleep(0.005)

    def _sample(self) -> Sample:
        number = next(self._numbers)
        right = number % 3 == 0
        self.expected[str(number)] = float(right)
        text = rf"so \boxed{{{number}}}" if right else f"so {number}"
        return Sample(f"prompt {number % 7}", text, sample_id=str(number))

    async def _call(self) -> None:
        while not self._stop:
            samples = [self._sample() for _ in range(4)]
            for result in await self._client.score("boxed", samples, timeout=60):
                self._keep(result)

    async def _stream(self) -> None:
        def samples():
            while not self._stop:
                yield self._sample()

        async for _, result in self._client.stream("boxed", samples(), timeout=120):
            self._keep(result)

    def _keep(self, result) -> None:
        assert result.status is Status.OK, result
        assert result.sample_id not in self.answered
        self.answered[result.sample_id] = result.reward


@pytest.fixture
def start_process(tmp_path):
    servers: list[ServerProcess] = []

    def start(port: int | None = None) -> ServerProcess:
        server = ServerProcess(tmp_path, CONFIG, port)
        servers.append(server)
        server.ready()
        return server

    yield start
    for server in servers:
        server.stop()


async def test_a_stopped_and_a_killed_server_under_load_lose_nothing(start_process):
    first = await asyncio.to_thread(start_process)
    second = await asyncio.to_thread(start_process)
    async with AsyncClient([first.address, second.address]) as client:
        load = Load(client, callers=16)
        await load.grow(500)

        first.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(first.process.wait, 60) == 0, first.log.read_text()
        await load.grow(500)

        port = int(first.address.rpartition(":")[2])
        again = await asyncio.to_thread(start_process, port)
        assert again.address == first.address
        await load.grow(500)

        second.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(second.process.wait, 60)
        await load.grow(500)
        await load.finish()
    assert load.answered == load.expected


async def test_a_server_stopped_in_mid_stream_finishes_what_it_has_read(start_process):
    server = await asyncio.to_thread(start_process)
    spare = await asyncio.to_thread(start_process)
    async with AsyncClient([server.address, spare.address]) as client:
        samples = [Sample("p", f"{n} \\boxed{{{n}}}", sample_id=str(n)) for n in range(20_000)]
        seen: list[str] = []
        async for _, result in client.stream("boxed", samples, timeout=120):
            assert result.reward == 1.0
            seen.append(result.sample_id)
            if len(seen) == 1_000:
                server.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, 60) == 0
    assert sorted(seen, key=int) == [str(n) for n in range(20_000)]
