"""What the service costs over plain grpcio: the same messages, both servers in one run.

Prints, for single-sample unary calls, 64-sample unary calls and streams of single samples,
the rate, p50 and p99 latency and server CPU of

* `plain`: a bare grpc.aio server (uvloop) that gathers the texts of a message, as one must to
  score them together, and answers each with a sample id, a status and a constant reward: the
  floor for any Python gRPC service;
* `rewardsvc`: the whole service with a constant scorer.

Each server runs in a process of its own, the load generator in this one; rounds alternate
and the table shows the median round. Run:

    python tests/benchmarks/service_overhead.py [--rounds 5] [--seconds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import uvloop

from rewardsvc.v1 import result_pb2, reward_service_pb2, reward_service_pb2_grpc, sample_pb2

CONFIG = """
server: {address: "127.0.0.1:0"}
scorers: {constant: {kind: constant, value: 1.0}}
rewards: {constant: {components: [{scorer: constant}]}}
"""
SINGLE_TEXT, BATCH_TEXT = "x" * 2048, "x" * 4096
CHANNELS = 8
UNLIMITED = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


# ── the floor ────────────────────────────────────────────────────────────────────────────


class PlainServicer(reward_service_pb2_grpc.RewardServiceServicer):
    """The least a Python server can do with these messages."""

    async def Score(self, request, context):
        return self._answer(request, reward_service_pb2.ScoreResponse())

    async def ScoreStream(self, requests, context):
        async for request in requests:
            yield self._answer(request, reward_service_pb2.ScoreStreamResponse())

    def _answer(self, request, response):
        texts = [[sample.text for sample in group.responses] for group in request.groups]
        for group, group_texts in zip(request.groups, texts, strict=True):
            results = response.groups.add(group_id=group.group_id).results
            for sample, text in zip(group.responses, group_texts, strict=True):
                results.add(
                    sample_id=sample.sample_id,
                    status=result_pb2.SCORE_STATUS_OK,
                    reward=float(len(text) > 0),
                )
        response.request_id = request.request_id
        return response


async def serve_plain(ready_file: Path) -> None:
    server = grpc.aio.server(options=UNLIMITED)
    reward_service_pb2_grpc.add_RewardServiceServicer_to_server(PlainServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    publish(ready_file, f"127.0.0.1:{port}")
    await server.wait_for_termination()


def publish(ready_file: Path, address: str) -> None:
    draft = ready_file.with_suffix(".draft")
    draft.write_text(address)
    draft.rename(ready_file)


# ── the load ─────────────────────────────────────────────────────────────────────────────


def groups(count: int, size: int, text: str) -> list[sample_pb2.Group]:
    return [
        sample_pb2.Group(
            group_id=str(g),
            prompt=sample_pb2.Prompt(text="What is 6 times 7?"),
            reference=sample_pb2.Reference(answers=["42"]),
            responses=[sample_pb2.Response(sample_id=f"{g}/{r}", text=text) for r in range(size)],
        )
        for g in range(count)
    ]


@dataclass
class Measured:
    messages_per_second: float
    samples_per_message: int
    p50: float
    p99: float
    cpu_microseconds: float
    """Server CPU a message."""


async def unary(stub, message, concurrency: int, seconds: float) -> list[float]:
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def worker() -> None:
        while (start := time.perf_counter()) < end:
            await stub.Score(message, timeout=30)
            latencies.append(time.perf_counter() - start)

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return latencies


async def streams(stubs, message_groups, window: int, seconds: float) -> list[float]:
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def one_stream(stub) -> None:
        sent: dict[str, float] = {}
        room = asyncio.Semaphore(window)

        async def requests() -> AsyncIterator[reward_service_pb2.ScoreStreamRequest]:
            number = 0
            while time.perf_counter() < end:
                await room.acquire()
                number += 1
                sent[str(number)] = time.perf_counter()
                yield reward_service_pb2.ScoreStreamRequest(
                    reward="constant", groups=message_groups, request_id=str(number)
                )

        async for answer in stub.ScoreStream(requests(), timeout=seconds + 30):
            latencies.append(time.perf_counter() - sent.pop(answer.request_id))
            room.release()
        assert not sent, f"{len(sent)} messages were not answered"

    await asyncio.gather(*(one_stream(stub) for stub in stubs))
    return latencies


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(pid: int, samples: int, load: Callable[[], Awaitable[list[float]]]) -> Measured:
    before, start = cpu_seconds(pid), time.perf_counter()
    latencies = await load()
    elapsed = time.perf_counter() - start
    cpu = cpu_seconds(pid) - before
    ordered = sorted(latencies)
    return Measured(
        len(ordered) / elapsed,
        samples,
        ordered[len(ordered) // 2],
        ordered[int(len(ordered) * 0.99)],
        cpu / len(ordered) * 1e6,
    )


async def rounds(servers: dict[str, tuple[int, str]], count: int, seconds: float):
    measured: dict[tuple[str, str], list[Measured]] = {}
    single = reward_service_pb2.ScoreRequest(reward="constant", groups=groups(1, 1, SINGLE_TEXT))
    batch = reward_service_pb2.ScoreRequest(reward="constant", groups=groups(8, 8, BATCH_TEXT))
    for number in range(count + 1):
        for name, (pid, address) in servers.items():
            channels = [
                grpc.aio.insecure_channel(address, options=UNLIMITED) for _ in range(CHANNELS)
            ]
            stubs = [reward_service_pb2_grpc.RewardServiceStub(c) for c in channels]
            loads = {
                "unary, 1 x 2 KB, 64 at a time": (
                    1,
                    lambda s=stubs: unary(s[0], single, 64, seconds),
                ),
                "unary, 64 x 4 KB, 8 at a time": (
                    64,
                    lambda s=stubs: unary(s[0], batch, 8, seconds),
                ),
                "stream, 1 x 2 KB, 8 streams x 8": (
                    1,
                    lambda s=stubs: streams(s, single.groups, 8, seconds),
                ),
            }
            for load_name, (samples, load) in loads.items():
                result = await measure(pid, samples, load)
                if number:  # the first round warms up
                    measured.setdefault((load_name, name), []).append(result)
            for channel in channels:
                await channel.close()
    return measured


def median(results: list[Measured], field: str) -> float:
    return statistics.median(getattr(result, field) for result in results)


def show(measured: dict[tuple[str, str], list[Measured]]) -> None:
    print(
        f"{'load':33} {'server':10} {'messages/s':>10} {'samples/s':>10} "
        f"{'p50 ms':>7} {'p99 ms':>7} {'CPU us/message':>14}"
    )
    for load in dict.fromkeys(load for load, _ in measured):
        for name in ("plain", "rewardsvc"):
            results = measured[load, name]
            rate = median(results, "messages_per_second")
            print(
                f"{load:33} {name:10} {rate:10.0f} {rate * results[0].samples_per_message:10.0f} "
                f"{median(results, 'p50') * 1e3:7.2f} {median(results, 'p99') * 1e3:7.2f} "
                f"{median(results, 'cpu_microseconds'):14.0f}"
            )
        pairs = list(zip(measured[load, "rewardsvc"], measured[load, "plain"], strict=True))
        kept = statistics.median(a.messages_per_second / b.messages_per_second for a, b in pairs)
        cpu = statistics.median(b.cpu_microseconds / a.cpu_microseconds for a, b in pairs)
        print(f"{'':33} kept of plain: {kept:.0%} of the rate, {cpu:.0%} by server CPU")


def start(command: list[str], ready_file: Path) -> tuple[subprocess.Popen[bytes], str]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not ready_file.exists():
        if process.poll() is not None:
            raise RuntimeError(f"{command} ended with status {process.returncode}")
        time.sleep(0.05)
    return process, ready_file.read_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--plain-server", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain_server:
        uvloop.run(serve_plain(arguments.plain_server))
        return
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(CONFIG)
        ready = {name: Path(folder, name) for name in ("plain", "rewardsvc")}
        plain, plain_address = start(
            [sys.executable, __file__, "--plain-server", str(ready["plain"])], ready["plain"]
        )
        service, service_address = start(
            f"{sys.executable} -m rewardsvc serve --config {config} "
            f"--ready-file {ready['rewardsvc']}".split(),
            ready["rewardsvc"],
        )
        try:
            servers = {
                "plain": (plain.pid, plain_address),
                "rewardsvc": (service.pid, service_address),
            }
            show(uvloop.run(rounds(servers, arguments.rounds, arguments.seconds)))
        finally:
            for process in (plain, service):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
