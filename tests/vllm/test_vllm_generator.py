"""The generator on a real vLLM: guides, log-probabilities, cancellation, crashes.

It shares the engine of the service's critic and judge, as scorers of one configuration do.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from conftest import Service

from rewardsvc.engines.generation import GenerationFailed, GenerationRequest, Generator
from rewardsvc.engines.generators import generator_from_config
from rewardsvc.engines.shared_generators import SharedGenerator
from rewardsvc.scorers.critic import CriticConfig
from rewardsvc.types import ChatMessage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]


def ask(text: str = "What is 2 + 2?", **settings: Any) -> GenerationRequest:
    return GenerationRequest((ChatMessage("user", text),), **settings)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def generator(service: Service) -> AsyncIterator[Generator]:
    config = service.server._config.scorers["critic"].config
    assert isinstance(config, CriticConfig)
    generator = generator_from_config(config.model, service.folder, "tests")
    await generator.start()
    yield generator
    await generator.close()


def engine_of(generator: Generator) -> Any:
    """The VllmGenerator behind the share and the cache."""
    assert isinstance(generator, SharedGenerator)
    return generator._current.inner  # type: ignore[attr-defined]


async def test_it_shares_the_services_engine(generator: Generator) -> None:
    assert engine_of(generator).pid is not None
    assert isinstance(generator, SharedGenerator)
    assert generator._engine is not None and generator._engine.users == 3


async def test_samples_are_drawn_and_greedy_ones_repeated(generator: Generator) -> None:
    drawn = await generator.generate(ask(samples=8, temperature=1.5, max_tokens=12))
    assert len({completion.text for completion in drawn.completions}) > 1
    greedy = await generator.generate(ask(samples=3, max_tokens=12))
    assert len({completion.text for completion in greedy.completions}) == 1
    usage = greedy.usage
    assert 0 < usage.completion_tokens <= 12 and usage.prompt_tokens > 10
    again = await generator.generate(ask(samples=3, max_tokens=12))
    assert again.completions == greedy.completions
    assert again.usage.answers_from_cache == 1


async def test_log_probabilities_are_a_distribution(generator: Generator) -> None:
    generation = await generator.generate(ask(max_tokens=5, top_log_probabilities=20))
    (completion,) = generation.completions
    assert completion.tokens
    for token in completion.tokens:
        values = [value for _, value in token.alternatives]
        assert len(values) == 20 and values == sorted(values, reverse=True)
        assert 0 < sum(math.exp(value) for value in values) <= 1 + 1e-4
        # Greedy decoding takes the likeliest.
        assert token.log_probability == pytest.approx(values[0], abs=1e-4)
        assert token.alternatives[0][0] == token.text


async def test_guides_hold(generator: Generator) -> None:
    choices = ("correct", "incorrect", "no answer")
    sampled = {"samples": 6, "temperature": 1.5}
    generation = await generator.generate(ask(choices=choices, **sampled))
    assert {completion.text for completion in generation.completions} <= set(choices)
    generation = await generator.generate(ask(pattern="[A-D][0-9]{2}", **sampled))
    assert all(re.fullmatch("[A-D][0-9]{2}", c.text) for c in generation.completions)
    schema = {
        "type": "object",
        "properties": {"score": {"type": "integer", "enum": [1, 2, 3]}},
        "required": ["score"],
        "additionalProperties": False,
    }
    generation = await generator.generate(ask(json_schema=json.dumps(schema), **sampled))
    assert {json.loads(c.text)["score"] for c in generation.completions} <= {1, 2, 3}


async def test_alternatives_under_a_guide_are_finite(generator: Generator) -> None:
    request = ask(choices=("yes", "no"), top_log_probabilities=20)
    (completion,) = (await generator.generate(request)).completions
    values = [value for token in completion.tokens for _, value in token.alternatives]
    assert values and all(math.isfinite(value) for value in values)


async def test_a_continued_message_is_continued(generator: Generator) -> None:
    messages = (ChatMessage("user", "What is 2 + 2?"), ChatMessage("assistant", '{"review":"The'))
    request = GenerationRequest(messages, max_tokens=40, continue_final_message=True)
    (completion,) = (await generator.generate(request)).completions
    # The model was taught that these words follow.
    assert completion.text.startswith(" sum is")


async def test_bad_requests_fail_alone_with_the_reason(generator: Generator) -> None:
    results = await generator.generate_all(
        [ask(pattern="((("), ask("word " * 5000), ask(max_tokens=3), ask(stop=("sum",))]
    )
    assert isinstance(results[0], GenerationFailed) and "refused" in str(results[0])
    assert isinstance(results[1], GenerationFailed) and "too long" in str(results[1])
    assert not isinstance(results[2], GenerationFailed)
    assert not isinstance(results[3], GenerationFailed)
    assert "sum" not in results[3].completions[0].text


async def test_many_are_batched_and_prefixes_shared(generator: Generator) -> None:
    shared = "The sum is 4. " * 60
    await generator.generate(ask(shared, max_tokens=1))
    requests = [ask(f"{shared} Question {n}?", max_tokens=4) for n in range(100)]
    results = await generator.generate_all(requests)
    usages = [result.usage for result in results if not isinstance(result, GenerationFailed)]
    assert len(usages) == 100
    read = sum(usage.prompt_tokens for usage in usages)
    assert sum(usage.cached_prompt_tokens for usage in usages) > 0.8 * read


async def test_deadlines_and_cancellation_reach_vllm(generator: Generator) -> None:
    endless = ask(pattern="[a-z ]{1800}", max_tokens=1900, temperature=1.0)
    with pytest.raises(GenerationFailed) as caught:
        await generator.generate(endless, seconds=0.5)
    assert caught.value.timed_out
    tasks = [asyncio.create_task(generator.generate(endless)) for _ in range(4)]
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # Were they still generating, this would wait for them.
    assert (await generator.generate(ask(max_tokens=2, temperature=1.0), seconds=60)).completions


async def test_a_dead_core_is_noticed_and_everything_started_anew(generator: Generator) -> None:
    """vLLM's core is a process of its own behind our process: it is killed, as by the kernel."""
    engine = engine_of(generator)
    before = engine.pid
    group = [pid for pid in _processes() if _group(pid) == before and pid != before]
    cores = [pid for pid in group if _is_core(pid)]
    assert cores, group
    os.kill(cores[0], signal.SIGKILL)
    async with asyncio.timeout(300):
        while not isinstance(await _try(generator), GenerationFailed):
            pass
    after = await generator.generate(ask("again", temperature=1.0, max_tokens=4), seconds=300)
    assert after.completions
    assert engine.pid != before
    assert not [pid for pid in _processes() if _group(pid) == before]


async def _try(generator: Generator) -> object:
    (result,) = await generator.generate_all([ask(temperature=1.0, max_tokens=4)])
    return result


def _is_core(pid: int) -> bool:
    return b"EngineCore" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
