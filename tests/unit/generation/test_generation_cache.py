"""What is given again, to whom, and what happens to those who ask the same at the same time."""

from __future__ import annotations

import asyncio

import pytest
from waiting_generator import WaitingGenerator, ask

from rewardsvc.engines.generation import Generation, GenerationFailed
from rewardsvc.engines.generation_cache import CachedGenerator
from rewardsvc.types import Usage

MEBIBYTE = 1 << 20


def text(generation: Generation) -> str:
    return generation.completions[0].text


@pytest.fixture
def inner() -> WaitingGenerator:
    return WaitingGenerator()


@pytest.fixture
def cached(inner: WaitingGenerator) -> CachedGenerator:
    return CachedGenerator(inner, MEBIBYTE)


async def test_a_known_answer_costs_no_call(
    cached: CachedGenerator, inner: WaitingGenerator
) -> None:
    first = await cached.generate(ask())
    again = await cached.generate(ask())
    assert text(again) == text(first)
    assert first.usage == Usage(model_calls=1, prompt_tokens=5)
    assert again.usage == Usage(answers_from_cache=1)
    assert len(inner.calls) == 1


async def test_any_difference_is_another_question(
    cached: CachedGenerator, inner: WaitingGenerator
) -> None:
    requests = [
        ask(), ask("other"), ask(samples=2), ask(max_tokens=3), ask(stop=("x",)), ask(top_p=0.5),
        ask(top_log_probabilities=1), ask(choices=("a",)), ask(pattern="a"), ask(json_schema="{}"),
    ]  # fmt: skip
    await cached.generate_all(requests)
    assert len(inner.calls) == len(requests) == len(cached)
    inner.version = "waiting-2"
    await cached.generate(ask())
    assert len(inner.calls) == len(requests) + 1


async def test_sampled_answers_are_given_again_to_the_same_draw_only(
    cached: CachedGenerator, inner: WaitingGenerator
) -> None:
    free = [text(await cached.generate(ask(temperature=1.0))) for _ in range(2)]
    assert free == ["question 1", "question 2"]
    drawn = [text(await cached.generate(ask(temperature=1.0, draw=n))) for n in (0, 1, 0, 1)]
    assert drawn == ["question 3", "question 4"] * 2
    # Without sampling, draws are all the same.
    same = {text(await cached.generate(ask(draw=n))) for n in (0, 1, None)}
    assert same == {"question 5"}


async def test_failures_are_not_kept(cached: CachedGenerator, inner: WaitingGenerator) -> None:
    inner.failure = GenerationFailed("no luck")
    with pytest.raises(GenerationFailed, match="no luck"):
        await cached.generate(ask())
    inner.failure = None
    assert text(await cached.generate(ask())) == "question 2"


async def test_the_least_recently_used_goes_first(inner: WaitingGenerator) -> None:
    cached = CachedGenerator(inner, 2200)
    for question in ("a", "b", "a", "c", "a", "b"):
        await cached.generate(ask(question))
    assert [request.messages[0].content for request in inner.calls] == ["a", "b", "c", "b"]
    assert cached.bytes <= 2200
    await cached.close()
    assert (cached.bytes, len(cached), inner.closes) == (0, 0, 1)


async def test_an_answer_larger_than_the_cache_is_not_kept(inner: WaitingGenerator) -> None:
    cached = CachedGenerator(inner, 100)
    await cached.generate(ask())
    assert (len(cached), cached.bytes) == (0, 0)


async def test_the_same_question_at_the_same_time_is_one_call(
    cached: CachedGenerator, inner: WaitingGenerator
) -> None:
    inner.gate.clear()
    tasks = [asyncio.create_task(cached.generate(ask())) for _ in range(5)]
    await inner.asked.wait()
    inner.gate.set()
    generations = await asyncio.gather(*tasks)
    assert {text(generation) for generation in generations} == {"question 1"}
    assert sum(generation.usage.model_calls for generation in generations) == 1
    assert sum(generation.usage.answers_from_cache for generation in generations) == 4


async def test_who_gives_up_takes_nobody_along(
    cached: CachedGenerator, inner: WaitingGenerator
) -> None:
    inner.gate.clear()
    first, second = (asyncio.create_task(cached.generate(ask())) for _ in range(2))
    await inner.asked.wait()
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    inner.gate.set()
    assert text(await second) == "question 1"
    assert inner.cancelled == 0


async def test_when_all_give_up_the_call_is_cancelled_and_the_next_asks_anew(
    cached: CachedGenerator, inner: WaitingGenerator
) -> None:
    inner.gate.clear()
    tasks = [asyncio.create_task(cached.generate(ask())) for _ in range(2)]
    await inner.asked.wait()
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    # Asked in the same instant, before the cancelled call has ended.
    later = asyncio.create_task(cached.generate(ask()))
    await asyncio.gather(*tasks, return_exceptions=True)
    inner.gate.set()
    assert text(await later) == "question 2"
    assert inner.cancelled == 1


async def test_a_short_deadline_does_not_fail_who_has_more_time(
    cached: CachedGenerator, inner: WaitingGenerator
) -> None:
    inner.gate.clear()
    hasty = asyncio.create_task(cached.generate(ask(), seconds=0.05))
    await inner.asked.wait()
    patient = asyncio.create_task(cached.generate(ask(), seconds=60))
    with pytest.raises(GenerationFailed, match="too slow"):
        await hasty
    inner.gate.set()
    assert text(await patient) == "question 2"


async def test_a_follower_has_its_own_deadline(
    cached: CachedGenerator, inner: WaitingGenerator
) -> None:
    inner.gate.clear()
    patient = asyncio.create_task(cached.generate(ask()))
    await inner.asked.wait()
    with pytest.raises(GenerationFailed, match=r"within 0\.05 s") as caught:
        await cached.generate(ask(), seconds=0.05)
    assert caught.value.timed_out
    inner.gate.set()
    assert text(await patient) == "question 1"
