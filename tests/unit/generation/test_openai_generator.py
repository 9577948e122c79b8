"""An OpenAI-compatible endpoint: what is sent, what is read, and every way it can go wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate
from typing import Any

import pytest
from fixtures.openai_server import Fails, Says, ScriptedModel, ScriptedRequest, token

from rewardsvc.engines.generation import GenerationFailed, GenerationRequest
from rewardsvc.engines.openai.config import OpenAIConfig
from rewardsvc.engines.openai.generator import OpenAIGenerator
from rewardsvc.engines.process import EngineDown
from rewardsvc.errors import ConfigError
from rewardsvc.types import ChatMessage

Connect = Callable[..., Awaitable[OpenAIGenerator]]
KEY = "sk-very-secret"


def ask(text: str = "2 + 2?", **settings: Any) -> GenerationRequest:
    return GenerationRequest((ChatMessage("user", text),), **settings)


@pytest.fixture
async def connect(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """Starts generators for scripted models, with pauses a hundredth as long."""
    import rewardsvc.engines.openai.retries as retries

    monkeypatch.setattr(retries, "_FIRST_SECONDS", 0.0025)
    generators: list[OpenAIGenerator] = []

    async def start(server: ScriptedModel, **settings: Any) -> OpenAIGenerator:
        config = OpenAIConfig(endpoint=server.endpoint, model=settings.pop("model", server.name))
        generator = OpenAIGenerator(config.model_copy(update=settings), "critic")
        generators.append(generator)
        await generator.start()
        return generator

    yield start
    for generator in generators:
        await generator.close()


async def failure(generator: OpenAIGenerator, **settings: Any) -> GenerationFailed:
    with pytest.raises(GenerationFailed) as caught:
        await generator.generate(ask(), **settings)
    return caught.value


async def test_a_completion_with_everything(connect: Connect) -> None:
    says = Says("yes", [token("yes", -0.1, {"no": -2.4, "yes": -0.1}), token("!", -3.0)])
    async with ScriptedModel([says, "no"], cached_tokens=2) as model:
        generator = await connect(model)
        await generator.generate(ask())
        request = ask(
            samples=2, temperature=0.7, top_p=0.9, max_tokens=7, stop=("\n",), draw=3,
            top_log_probabilities=2, choices=("yes", "no"),
        )  # fmt: skip
        generation = await generator.generate(request)
    assert model.requests[1].body == {
        "model": "scripted",
        "messages": [{"role": "user", "content": "2 + 2?"}],
        "n": 2,
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 7,
        "stop": ["\n"],
        "logprobs": True,
        "top_logprobs": 2,
        "structured_outputs": {"choice": ["yes", "no"]},
    }
    first, second = generation.completions
    assert (first.text, second.text, first.finish_reason) == ("yes", "no", "stop")
    assert first.tokens[0].alternatives == (("yes", -0.1), ("no", -2.4))
    assert (first.tokens[1].text, first.tokens[1].log_probability) == ("!", -3.0)
    usage = generation.usage
    assert (usage.model_calls, usage.prompt_tokens, usage.cached_prompt_tokens) == (1, 3, 2)
    assert usage.completion_tokens == 3


async def test_a_cut_completion_says_so(connect: Connect) -> None:
    async with ScriptedModel("one two three") as model:
        generation = await (await connect(model)).generate(ask(max_tokens=2))
    (completion,) = generation.completions
    assert (completion.text, completion.finish_reason) == ("one two", "length")


async def test_samples_of_a_deterministic_request_are_asked_for_once(connect: Connect) -> None:
    async with ScriptedModel("same") as model:
        generation = await (await connect(model)).generate(ask(samples=3))
    assert [c.text for c in generation.completions] == ["same"] * 3
    assert model.requests[0].samples == 1


async def test_what_passes_is_tried_again(connect: Connect) -> None:
    troubles = [Fails(429), Fails(503), Fails(disconnect=True), Fails(500)]

    def answer(request: ScriptedRequest) -> str | Fails:
        return troubles[request.index] if request.index < len(troubles) else "fine"

    async with ScriptedModel(answer) as model:
        generation = await (await connect(model)).generate(ask())
    assert generation.completions[0].text == "fine"
    assert generation.usage.model_calls == model.calls == 5


async def test_retries_end_with_the_last_reason(connect: Connect) -> None:
    async with ScriptedModel(Fails(503, message="warming up")) as model:
        failed = await failure(await connect(model, retries=2))
    assert str(failed) == ("critic failed after 3 tries, the last ended with HTTP 503: warming up")
    assert not failed.timed_out
    assert model.calls == 3


async def test_a_refusal_is_not_tried_again(connect: Connect) -> None:
    async with ScriptedModel(Fails(400, message="context\nlength exceeded")) as model:
        failed = await failure(await connect(model))
    assert str(failed) == "critic refused the request: HTTP 400: context length exceeded"
    assert model.calls == 1


async def test_retry_after_is_honoured(connect: Connect) -> None:
    times: list[float] = []

    def answer(request: ScriptedRequest) -> str | Fails:
        times.append(time.monotonic())
        return "fine" if request.index else Fails(429, {"Retry-After": "0.3"})

    async with ScriptedModel(answer) as model:
        await (await connect(model)).generate(ask())
    assert times[1] - times[0] >= 0.3


async def test_retry_after_holds_back_everybody(connect: Connect) -> None:
    """The second request waits although nobody told it to: it would be told the same."""
    sent: list[float] = []

    def answer(request: ScriptedRequest) -> str | Fails:
        sent.append(time.monotonic())
        return "fine" if request.index else Fails(429, {"Retry-After": "0.3"})

    async with ScriptedModel(answer) as model:
        generator = await connect(model)
        first = asyncio.create_task(generator.generate(ask("a")))
        await model.received.wait()
        while generator._resume_at == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await asyncio.gather(first, generator.generate(ask("b")))
    assert min(sent[1:]) - sent[0] >= 0.3


@pytest.mark.parametrize("header", ["30", formatdate(time.time() + 3600, usegmt=True)])
async def test_a_pause_beyond_the_deadline_fails_at_once(connect: Connect, header: str) -> None:
    async with ScriptedModel(Fails(429, {"Retry-After": header})) as model:
        failed = await failure(await connect(model), seconds=10.0)
    assert failed.timed_out
    assert "critic can be asked again in" in str(failed)
    assert "after 1 try, the last ended with HTTP 429" in str(failed)


async def test_a_hanging_endpoint_ends_with_the_deadline_and_is_told(connect: Connect) -> None:
    async with ScriptedModel(Fails(hang=True)) as model:
        failed = await failure(await connect(model), seconds=0.2)
        assert failed.timed_out
        assert str(failed) == "critic did not answer within 0.2 s"
        async with asyncio.timeout(10):
            await model.requests[0].abandoned.wait()
        failed = await failure(await connect(model, request_timeout_seconds=0.1), seconds=50.0)
        assert "within 0.1 s" in str(failed)


async def test_no_time_left_asks_nobody(connect: Connect) -> None:
    async with ScriptedModel("late") as model:
        failed = await failure(await connect(model), seconds=0.0)
    assert failed.timed_out and model.calls == 0


async def test_cancelling_closes_the_connection_and_frees_the_turn(connect: Connect) -> None:
    def answer(request: ScriptedRequest) -> str | Fails:
        return Fails(hang=True) if request.last == "hang" else "fine"

    async with ScriptedModel(answer) as model:
        generator = await connect(model, concurrency=1)
        task = asyncio.create_task(generator.generate(ask("hang")))
        await model.received.wait()
        waiting = asyncio.create_task(generator.generate(ask("next")))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            await model.requests[0].abandoned.wait()
            assert (await waiting).completions[0].text == "fine"


async def test_concurrency_is_bounded_and_first_come_first_served(connect: Connect) -> None:
    async with ScriptedModel("fine", milliseconds=5) as model:
        generator = await connect(model, concurrency=1)
        await generator.generate_all([ask(f"{n}") for n in range(20)])
        assert model.most_in_flight == 1
        assert [request.last for request in model.requests] == [f"{n}" for n in range(20)]
        generator = await connect(model, concurrency=4)
        await generator.generate_all([ask(f"{n}") for n in range(40)])
    assert model.most_in_flight == 4


async def test_failures_stand_in_their_places(connect: Connect) -> None:
    async with ScriptedModel({"bad": Fails(400, message="no"), "": "fine"}) as model:
        results = await (await connect(model)).generate_all([ask("a"), ask("bad"), ask("b")])
    assert [isinstance(result, GenerationFailed) for result in results] == [False, True, False]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{not json", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "malformed: the answer is no object"),
        (b"{}", "malformed: it has no list of choices, not 1"),
        (b'{"choices": []}', "malformed: it has 0 choices, not 1"),
        (b'{"choices": [{"message": {"content": 7}}]}', "content is no text"),
        (b'{"choices": [{"index": 4}]}', r"choices\[0\].index is 4"),
        (
            b'{"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}',
            "ended the completion early: 'content_filter'",
        ),
        (
            b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}',
            r"choices\[0\].logprobs was asked for and is missing",
        ),
        (
            b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop", "logprobs": '
            b'{"content": [{"token": "x", "logprob": 0.5}]}}]}',
            "logprob is 0.5",
        ),
        (
            b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop", "logprobs": '
            b'{"content": [{"token": "x", "logprob": NaN}]}}]}',
            "is not JSON: NaN is not JSON",
        ),
    ],
)
async def test_malformed_answers_are_refused(connect: Connect, body: bytes, reason: str) -> None:
    async with ScriptedModel(Fails(body=body)) as model:
        generator = await connect(model)
        with pytest.raises(GenerationFailed, match=reason):
            await generator.generate(ask(top_log_probabilities=1))
    assert model.calls == 1


async def test_an_endless_answer_is_refused(connect: Connect) -> None:
    async with ScriptedModel("x" * 5000) as model:
        failed = await failure(await connect(model, max_response_bytes=1024))
    assert str(failed) == "critic answered more than max_response_bytes, 1024"


async def test_redirects_are_not_followed(connect: Connect) -> None:
    async with ScriptedModel("elsewhere") as other:
        location = {"Location": f"{other.endpoint}/chat/completions"}
        async with ScriptedModel(Fails(307, location, message="moved")) as model:
            failed = await failure(await connect(model))
    assert "refused the request: HTTP 307" in str(failed)
    assert other.calls == 0


async def test_proxies_of_the_environment_are_not_used(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with ScriptedModel("direct") as model:
        generation = await (await connect(model)).generate(ask())
    assert generation.completions[0].text == "direct"


async def test_ruled_out_alternatives_are_dropped(connect: Connect) -> None:
    says = Says("yes", [token("yes", 0.0, {"yes": 0.0, "no": -9999.0})])
    async with ScriptedModel(says) as model:
        generation = await (await connect(model)).generate(ask(top_log_probabilities=2))
    assert generation.completions[0].tokens[0].alternatives == (("yes", 0.0),)


# ── starting ─────────────────────────────────────────────────────────────────────────────


async def test_another_model_is_refused_by_name(connect: Connect) -> None:
    async with ScriptedModel("x") as model:
        with pytest.raises(ConfigError, match=r"does not list 'absent'; it lists 'scripted'"):
            await connect(model, model="absent")


async def test_a_wrong_address_is_refused(connect: Connect) -> None:
    async with ScriptedModel("x") as model:
        model.models_failure = Fails(404, message="Not Found")
        with pytest.raises(ConfigError, match="must be the base address"):
            await connect(model)
        model.models_failure = Fails(body=b"<html>")
        with pytest.raises(ConfigError, match="does not answer with a list of models"):
            await connect(model)


async def test_starting_waits_until_the_model_is_served(connect: Connect) -> None:
    async with ScriptedModel("x") as model:
        model.models_failure = Fails(503, message="loading")
        starting = asyncio.create_task(connect(model))
        while model.model_requests < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        model.models_failure = None
        await starting
        model.models_failure = Fails(503, message="loading")
        with pytest.raises(EngineDown, match=r"did not serve 'scripted' within 0\.2 s: HTTP 503"):
            await connect(model, start_timeout_seconds=0.2)


async def test_nobody_there_is_named(connect: Connect) -> None:
    async with ScriptedModel("x") as model:
        pass
    with pytest.raises(EngineDown, match=r"within 0\.2 s: ClientConnectorError"):
        await connect(model, start_timeout_seconds=0.2)


async def test_the_key_is_sent_and_never_shown(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRITIC_KEY", KEY)
    quoting = Fails(400, message=f"bad request of {KEY}")
    async with ScriptedModel(quoting, api_key=KEY) as model:
        generator = await connect(model, api_key_environment="CRITIC_KEY")
        failed = await failure(generator)
        assert str(failed).endswith("bad request of [API key]")
        assert KEY not in repr(vars(generator._config)) + generator.version
        with pytest.raises(ConfigError, match="it wants an API key"):
            await connect(model)
        monkeypatch.setenv("CRITIC_KEY", "wrong")
        with pytest.raises(ConfigError, match="the API key was refused"):
            await connect(model, api_key_environment="CRITIC_KEY")
    monkeypatch.delenv("CRITIC_KEY")
    with pytest.raises(ConfigError, match="environment variable CRITIC_KEY is not set"):
        await connect(model, api_key_environment="CRITIC_KEY")


async def test_the_version_follows_what_changes_answers(connect: Connect) -> None:
    async with ScriptedModel("x") as model, ScriptedModel("x", owned_by="sglang") as other:
        version = (await connect(model)).version
        assert (await connect(model)).version == version
        assert (await connect(model, concurrency=3)).version == version
        assert (await connect(model, extra={"top_k": 5})).version != version
        assert (await connect(model, dialect="sglang")).version != version
        assert (await connect(other)).version != version


async def test_closing_fails_what_is_under_way(connect: Connect) -> None:
    async with ScriptedModel(Fails(hang=True)) as model:
        generator = await connect(model)
        task = asyncio.create_task(generator.generate(ask()))
        await model.received.wait()
        await generator.close()
        await generator.close()
        with pytest.raises(GenerationFailed):
            async with asyncio.timeout(10):
                await task
        assert "is not running" in str(await failure(generator))


@pytest.mark.parametrize(
    ("endpoint", "fault"),
    [
        ("critic:8000", "must be an http or https address"),
        ("ftp://critic/v1", "must be an http or https address"),
        ("http://user:password@critic/v1", "must not hold a password"),
        ("http://critic/v1?x=1", "must not have a query"),
        ("http://critic:notaport/v1", "must be an http or https address"),
    ],
)
def test_wrong_endpoints_are_named(endpoint: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        OpenAIConfig(endpoint=endpoint, model="m")


def test_own_fields_cannot_be_overridden() -> None:
    with pytest.raises(ValueError, match="messages are set by the service itself"):
        OpenAIConfig(endpoint="http://critic/v1", model="m", extra={"messages": []})
