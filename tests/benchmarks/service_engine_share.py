"""How much of the engine's own throughput 64 single-sample callers get through the service.

One random-weight Qwen2-shape reward model is served twice from the same files:

* `engine`: the engine process called directly with full batches, two in flight, so that it
  never waits: all that the machine and the model give;
* `service`: `rewardsvc serve` in a process of its own, and 64 callers in this one, each with
  one sample a unary gRPC call and the next call when the answer is there.

Rounds alternate; the table has medians, and the share is the median of the rounds' ratios. It
also shows the engine process's CPU time a sample, which other load on the machine does not
move: it is what batches gathered from single callers cost over full ones. Prompts differ, so
there is no prefix to share. Run:

    python tests/benchmarks/service_engine_share.py [--rounds 5] [--seconds 6] [--callers 64]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import grpc
import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent))

from fixtures.tiny_models import tiny_tokenizer

from rewardsvc.scorers.ensemble import EnsembleConfig, EnsembleScorer
from rewardsvc.v1 import reward_service_pb2, reward_service_pb2_grpc, sample_pb2

CONFIG = """
server: {address: "127.0.0.1:0"}
scorers:
  rm: {kind: ensemble, members: [model], standardisation: none, threads: 1, device: cpu}
rewards: {rm: {components: [{scorer: rm}]}}
"""
CHANNELS = 8
BATCH = 64
UNLIMITED = [("grpc.use_local_subchannel_pool", 1)]


def save_model(directory: Path, hidden: int, layers: int) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForSequenceClassification

    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 256),
        max_position_embeddings=2048,
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen2ForSequenceClassification(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def make_samples(number: int) -> list[tuple[str, str]]:
    """Prompts and responses of mixed lengths, all different."""
    generator = random.Random(0)
    words = ("the", "sum", "of", "17", "and", "25", "is", "42", "Alice", "adds", "answer", "\n")

    def text(shortest: int, longest: int) -> str:
        return " ".join(generator.choices(words, k=generator.randint(shortest, longest)))

    return [(f"{n}: {text(20, 120)}", text(20, 200)) for n in range(number)]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Round:
    samples_per_second: float
    engine_cpu_ms: float
    """The engine process's CPU time a sample."""
    engine_busy: float
    """The share of one core that the engine process had."""


class Clock:
    """Measures a round: samples, wall time, and the engine process's CPU time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu, self._wall = cpu_seconds(pid), time.perf_counter()

    def round(self, samples: int) -> Round:
        wall = time.perf_counter() - self._wall
        cpu = cpu_seconds(self._pid) - self._cpu
        return Round(samples / wall, 1e3 * cpu / samples, cpu / wall)


async def direct(scorer: EnsembleScorer, samples: list[tuple[str, str]], seconds: float) -> Round:
    """Full batches, two in flight."""
    engine = scorer._engine
    assert engine.pid is not None
    clock, numbers, done = Clock(engine.pid), count(), 0
    end = time.perf_counter() + seconds

    async def worker() -> None:
        nonlocal done
        while time.perf_counter() < end:
            first = next(numbers) * BATCH
            chosen = [samples[(first + n) % len(samples)] for n in range(BATCH)]
            groups = [{"messages": [["user", p]], "responses": [r]} for p, r in chosen]
            await engine.call({"groups": groups})
            done += BATCH

    await asyncio.gather(worker(), worker())
    return clock.round(done)


async def through_service(
    stubs: list[reward_service_pb2_grpc.RewardServiceStub],
    engine_pid: int,
    samples: list[tuple[str, str]],
    callers: int,
    seconds: float,
) -> Round:
    """Callers with one sample each; those under way at the end are finished and counted."""
    clock, numbers, done = Clock(engine_pid), count(), 0
    end = time.perf_counter() + seconds

    async def caller(number: int) -> None:
        nonlocal done
        stub = stubs[number % len(stubs)]
        while time.perf_counter() < end:
            at = next(numbers)
            prompt, response = samples[at % len(samples)]
            group = sample_pb2.Group(
                group_id=str(at),
                prompt=sample_pb2.Prompt(text=prompt),
                responses=[sample_pb2.Response(sample_id=str(at), text=response)],
            )
            request = reward_service_pb2.ScoreRequest(reward="rm", groups=[group])
            answer = await stub.Score(request, timeout=120)
            assert answer.groups[0].results[0].HasField("reward"), answer
            done += 1

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return clock.round(done)


def child_of(pid: int) -> int:
    """The engine process of a server."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


async def measure(folder: Path, server: subprocess.Popen[bytes], options: argparse.Namespace):
    ready = folder / "ready"
    while not ready.exists():
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with status {server.returncode}")
        await asyncio.sleep(0.05)
    config = EnsembleConfig(members=("model",), standardisation="none", threads=1, device="cpu")
    scorer = EnsembleScorer("rm", config, folder)
    await scorer.start()
    address, samples = ready.read_text(), make_samples(1024)
    channels = [grpc.aio.insecure_channel(address, options=UNLIMITED) for _ in range(CHANNELS)]
    stubs = [reward_service_pb2_grpc.RewardServiceStub(channel) for channel in channels]
    engine_pid = child_of(server.pid)
    rounds: list[tuple[Round, Round]] = []
    for number in range(options.rounds + 1):
        own = await direct(scorer, samples, options.seconds)
        served = await through_service(stubs, engine_pid, samples, options.callers, options.seconds)
        if number:  # the first round warms up
            rounds.append((own, served))
    for channel in channels:
        await channel.close()
    await scorer.close()
    return rounds


def show(rounds: list[tuple[Round, Round]], callers: int) -> None:
    print(f"{'':28} {'samples/s':>10} {'engine CPU ms/sample':>21} {'engine busy':>12}")
    for name, column in (("engine, full batches", 0), (f"service, {callers} callers", 1)):
        fields = [
            statistics.median(getattr(pair[column], field) for pair in rounds)
            for field in ("samples_per_second", "engine_cpu_ms", "engine_busy")
        ]
        print(f"{name:28} {fields[0]:10.1f} {fields[1]:21.2f} {fields[2]:12.0%}")
    ratios = [served.samples_per_second / own.samples_per_second for own, served in rounds]
    by_cpu = statistics.median(own.engine_cpu_ms / served.engine_cpu_ms for own, served in rounds)
    print(
        f"share of the engine's throughput: {statistics.median(ratios):.1%} "
        f"({min(ratios):.0%} to {max(ratios):.0%} over {len(rounds)} rounds; wanted: 85%); "
        f"by the engine's CPU time a sample: {by_cpu:.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(folder / "model", options.hidden, options.layers)
        (folder / "config.yaml").write_text(CONFIG)
        command = [sys.executable, "-m", "rewardsvc", "serve", "--config", f"{folder}/config.yaml"]
        command += ["--ready-file", f"{folder}/ready"]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            show(uvloop.run(measure(folder, server, options)), options.callers)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
