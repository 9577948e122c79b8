"""What the client makes of one-sample calls, as trainers send them: rate, messages, CPU.

Against a server with a constant scorer in a process of its own, the same number of one-sample
calls by as many tasks at a time:

* `bare stub`: one gRPC message a call, as generated code sends it, results not even read;
* `AsyncClient`: `score` with one sample a call, which shares messages between calls;
* `AsyncClient, one score`: all samples in one `score` call, which goes over a stream.

Rounds alternate in one run; the table shows medians. Run:

    python tests/benchmarks/client_calls.py [--rounds 5] [--calls 4000] [--tasks 64]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).parents[1]))

from fixtures.processes import ServerProcess

from rewardsvc import AsyncClient, Sample
from rewardsvc.v1 import reward_service_pb2, reward_service_pb2_grpc

CONFIG = """
scorers: {constant: {kind: constant, value: 1.0}}
rewards: {constant: {components: [{scorer: constant}]}}
"""
TEXT = "x" * 2048


async def in_tasks(count: int, tasks: int, call: Callable[[int], Awaitable[object]]) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await call(number)

    await asyncio.gather(*(worker() for _ in range(tasks)))


def server_cpu_seconds(server: ServerProcess) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def main(rounds: int, calls: int, tasks: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), CONFIG)
        try:
            server.ready()
            await compare(server, rounds, calls, tasks)
        finally:
            server.stop()


async def compare(server: ServerProcess, rounds: int, calls: int, tasks: int) -> None:
    samples = [Sample(f"prompt {n}", TEXT) for n in range(calls)]
    channel = grpc.aio.insecure_channel(server.address)
    stub = reward_service_pb2_grpc.RewardServiceStub(channel)
    client = AsyncClient(server.address)

    async def bare() -> None:
        async def call(number: int) -> None:
            request = reward_service_pb2.ScoreRequest(reward="constant")
            group = request.groups.add()
            group.prompt.text = samples[number].prompt
            group.responses.add(text=TEXT)
            await stub.Score(request, timeout=60)

        await in_tasks(calls, tasks, call)

    async def coalesced() -> None:
        async def call(number: int) -> None:
            (result,) = await client.score("constant", [samples[number]])
            assert result.reward == 1.0

        await in_tasks(calls, tasks, call)

    async def one_call() -> None:
        assert len(await client.score("constant", samples)) == calls

    ways = {"bare stub": bare, "AsyncClient": coalesced, "AsyncClient, one score": one_call}
    measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            before = server_cpu_seconds(server), time.process_time(), time.perf_counter()
            await way()
            after = server_cpu_seconds(server), time.process_time(), time.perf_counter()
            if number:  # the first round warms up
                server_cpu, client_cpu, wall = (b - a for a, b in zip(before, after, strict=True))
                measured[name].append((calls / wall, client_cpu / calls, server_cpu / calls))
    await client.close()
    await channel.close()
    print(f"{calls} calls of one 2 KB sample, {tasks} at a time, median of {rounds} rounds")
    print(f"{'':24}{'samples/s':>12}{'client µs each':>17}{'server µs each':>17}")
    for name, figures in measured.items():
        rate, client_cpu, server_cpu = (statistics.median(c) for c in zip(*figures, strict=True))
        print(f"{name:24}{rate:12,.0f}{client_cpu * 1e6:17.0f}{server_cpu * 1e6:17.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--tasks", type=int, default=64)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.rounds, arguments.calls, arguments.tasks))
