"""What the service adds to a critic: samples/s over gRPC against the engine called directly.

    python tests/benchmarks/critic_overhead.py                     # scripted endpoint, 20 ms
    python tests/benchmarks/critic_overhead.py --endpoint http://127.0.0.1:8000/v1 --model NAME
    python tests/benchmarks/critic_overhead.py --vllm-python .venv-vllm/bin/python

The same critic scores the same samples two ways, taking turns at who is first: through the gRPC
service (client, wire, batcher, pipeline, critic, engine), and with nothing but the engine, sent
exactly the requests that the critic sent. Memory for answers is off. The target is 90 % or more.
The scripted endpoint is a process of its own that answers every request after a fixed time; with
--vllm-python a tiny model runs on vLLM on the CPU, where it competes with the service for cores,
which on a GPU it would not; there prefix caching is off, so that the second gains nothing.

`share` is samples/s through the service over samples/s direct, of each round's pair and of all.
`CPU` is what this process (client, service and engine client) used in a round, per sample.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

sys.path.insert(0, str(Path(__file__).parents[1]))

from rewardsvc.client import AsyncClient
from rewardsvc.config import parse_config
from rewardsvc.engines.generation import GenerationFailed, GenerationRequest, Generator
from rewardsvc.engines.generators import generator_from_config
from rewardsvc.server.app import RewardServer
from rewardsvc.types import Sample

ANSWER = '{"review": "Each step follows.", "wrong_steps": [], "final_answer": "correct"}'
TARGET = 0.9


@dataclass(frozen=True)
class Round:
    """One way's samples a second, and milliseconds of CPU a sample."""

    rate: float
    cpu: float


class Recorder:
    """Stands before the critic's engine and keeps what it is asked."""

    def __init__(self, inner: Generator) -> None:
        self._inner = inner
        self.requests: list[GenerationRequest] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def generate(self, request: GenerationRequest, *, seconds: float | None = None) -> Any:
        self.requests.append(request)
        return await self._inner.generate(request, seconds=seconds)


def samples(count: int) -> list[Sample]:
    return [
        Sample(f"What is {n} + {n}?", f"Adding {n} to {n} gives {2 * n}.\n\nThe answer is {2 * n}.")
        for n in range(count)
    ]


@asynccontextmanager
async def scripted(milliseconds: float) -> AsyncIterator[str]:
    """A scripted endpoint in a process of its own; gives the `model:` section for it."""
    program = Path(__file__).parents[1] / "fixtures" / "openai_server.py"
    arguments = ["--text", ANSWER, "--milliseconds", str(milliseconds)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        facts = json.loads(await process.stdout.readline())
        yield f"{{engine: openai, endpoint: '{facts['endpoint']}', model: '{facts['model']}'"
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def model_section(options: argparse.Namespace, folder: Path) -> AsyncIterator[str]:
    if options.vllm_python:
        from fixtures.tiny_models import save_causal_model

        save_causal_model(folder / "critic", taught=[ANSWER])
        yield (
            f"{{engine: vllm, model: critic, python: '{options.vllm_python}', "
            f"eager: true, cpu_cache_gigabytes: 1, prefix_caching: false"
        )
    elif options.endpoint:
        yield f"{{engine: openai, endpoint: '{options.endpoint}', model: '{options.model}'"
    else:
        async with scripted(options.milliseconds) as section:
            yield section


async def measure(options: argparse.Namespace, folder: Path) -> list[tuple[Round, Round]]:
    async with model_section(options, folder) as section:
        section += f", cache_megabytes: 0, concurrency: {options.concurrency}}}"
        config = parse_config(
            f"""
server: {{address: "127.0.0.1:0"}}
scorers:
  critic:
    kind: critic
    model: {section}
    critiques: {options.critiques}
    max_tokens: {options.max_tokens}
    stop_early: false
rewards:
  critic: {{components: [{{scorer: critic}}]}}
""",
            source="benchmark",
            base_path=folder,
        )
        server = RewardServer(config)
        try:
            return await alternate(server, config, options, folder)
        finally:
            await server.close()


async def alternate(
    server: RewardServer, config: Any, options: argparse.Namespace, folder: Path
) -> list[tuple[Round, Round]]:
    scorer = server._slots["critic"].scorer
    recorder = Recorder(scorer._generator)
    scorer._generator = recorder
    address = await server.open()
    await server.warm_up()
    # The same engine: generators of one configuration share it.
    engine = generator_from_config(config.scorers["critic"].config.model, folder, "direct")
    await engine.start()
    asked = samples(options.samples)
    rounds = []
    try:
        async with AsyncClient(address, timeout=600) as client:
            for _ in range(2):  # warms up, and records what the critic asks
                recorder.requests.clear()
                await through_service(client, asked)
            requests = list(recorder.requests)
            await directly(engine, requests, len(asked))
            for number in range(options.rounds):
                if number % 2:
                    direct = await directly(engine, requests, len(asked))
                    served = await through_service(client, asked)
                else:
                    served = await through_service(client, asked)
                    direct = await directly(engine, requests, len(asked))
                rounds.append((served, direct))
    finally:
        await engine.close()
    return rounds


async def through_service(client: AsyncClient, asked: Sequence[Sample]) -> Round:
    start, cpu = time.perf_counter(), time.process_time()
    results = await client.score("critic", asked)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    unscored = [result.reason for result in results if result.reward is None]
    if unscored:
        print(f"  {len(unscored)} of {len(asked)} not scored: {unscored[0]}", file=sys.stderr)
    return Round(len(asked) / seconds, 1000 * cpu / len(asked))


async def directly(engine: Generator, requests: Sequence[GenerationRequest], count: int) -> Round:
    start, cpu = time.perf_counter(), time.process_time()
    answers = await engine.generate_all(requests)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    failed = [answer for answer in answers if isinstance(answer, GenerationFailed)]
    if failed:
        print(f"  {len(failed)} of {len(requests)} failed: {failed[0]}", file=sys.stderr)
    return Round(count / seconds, 1000 * cpu / count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, default=512, help="samples a round")
    parser.add_argument("--critiques", type=int, default=1, help="critiques a sample")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--concurrency", type=int, default=32, help="requests at the engine")
    parser.add_argument("--milliseconds", type=float, default=100.0, help="of a scripted answer")
    parser.add_argument("--endpoint", help="an OpenAI-compatible server in place of the scripted")
    parser.add_argument("--model", default="", help="the model's id at --endpoint")
    # Not resolved: a virtual environment's interpreter is known by the link it is called by.
    parser.add_argument(
        "--vllm-python",
        type=lambda path: Path(path).absolute(),
        help="run a tiny model on vLLM with this interpreter",
    )
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:
        rounds = asyncio.run(measure(options, Path(folder)))
    print(f"{'round':>5} {'service/s':>10} {'direct/s':>10} {'share':>7} {'CPU ms':>14}")
    for number, (served, direct) in enumerate(rounds, 1):
        print(
            f"{number:>5} {served.rate:>10.1f} {direct.rate:>10.1f} "
            f"{served.rate / direct.rate:>7.1%} {served.cpu:>6.2f} {direct.cpu:>7.2f}"
        )
    shares = [served.rate / direct.rate for served, direct in rounds]
    total = statistics.harmonic_mean([served.rate for served, _ in rounds])
    total /= statistics.harmonic_mean([direct.rate for _, direct in rounds])
    median = statistics.median(shares)
    said = "reached" if median >= TARGET else "missed"
    print(
        f"share of the engine's rate: median {median:.1%}, over all {total:.1%}; "
        f"target {TARGET:.0%} {said}"
    )


if __name__ == "__main__":
    main()
