"""A language model behind an OpenAI-compatible endpoint, as a `Generator`.

One deadline bounds everything a request does: waiting for its turn, every attempt, every
pause. Cancelling the task closes the request's connection, by which servers notice. Redirects,
cookies and the environment's proxies are not followed: the key and the prompts go where the
configuration says and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from rewardsvc.engines.generation import Generation, GenerationFailed, GenerationRequest
from rewardsvc.engines.openai.answers import error_text, parse_generation
from rewardsvc.engines.openai.config import OpenAIConfig, api_key_from
from rewardsvc.engines.openai.dialects import Dialect, request_body
from rewardsvc.engines.openai.discovery import ServedModel, find_model
from rewardsvc.engines.openai.retries import PASSING, pause_before_retry, retry_after_seconds
from rewardsvc.engines.process import EngineDown
from rewardsvc.engines.requests import check_request, generate_all
from rewardsvc.errors import ConfigError
from rewardsvc.versions import version_of

__all__ = ["OpenAIGenerator"]

_CONNECT_SECONDS = 10.0
_PROBE_SECONDS = 30.0
_LONGEST_SHARED_PAUSE_SECONDS = 60.0
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes
    retry_after: float


class _Unreachable(Exception):
    """No whole answer came: the connection failed or broke."""


class OpenAIGenerator:
    """Continues conversations at an endpoint.

    Args:
        config: where, which model, and how patiently.
        name: for error messages.
    """

    def __init__(self, config: OpenAIConfig, name: str = "model") -> None:
        self.name = name
        self._config = config
        self._key = api_key_from(config)
        self._turns = asyncio.Semaphore(config.concurrency)
        self._session: aiohttp.ClientSession | None = None
        self._served: ServedModel | None = None
        self._resume_at = 0.0
        """Until then (time.monotonic()) the endpoint has asked everybody to wait."""

    @property
    def version(self) -> str:
        """Of the endpoint, the model as it is served, and the settings that change answers."""
        if self._served is None:
            return "openai-not-started"
        return version_of(
            "openai-1",
            self._config.endpoint,
            repr(self._served),
            self._dialect,
            repr(sorted(self._config.extra.items())),
        )

    @property
    def _dialect(self) -> Dialect:
        if self._config.dialect != "auto":
            return self._config.dialect
        return self._served.dialect if self._served else "openai"

    async def start(self) -> None:
        """Waits until the endpoint serves the model.

        Raises:
            ConfigError: it serves others, refuses the key, or is no such endpoint.
            EngineDown: it could not be reached before the start timeout.
        """
        config = self._config
        headers = {"Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = aiohttp.ClientSession(
            # aiohttp's own limit of 100 would silently hold back a larger concurrency.
            connector=aiohttp.TCPConnector(limit=config.concurrency + 1),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            trust_env=False,
        )
        try:
            await self._find()
        except BaseException:
            await self.close()
            raise

    async def _find(self) -> None:
        config = self._config
        url = f"{config.endpoint}/models"
        trouble, retry = "", 0
        try:
            async with asyncio.timeout(config.start_timeout_seconds):
                while True:
                    try:
                        async with asyncio.timeout(_PROBE_SECONDS):
                            reply = await self._exchange("GET", url, None)
                    except (_Unreachable, TimeoutError) as error:
                        trouble = str(error) or f"no answer within {_PROBE_SECONDS:g} s"
                        wait = 0.0
                    else:
                        if reply.status not in PASSING:
                            self._served = self._checked(url, reply)
                            return
                        trouble = self._said(reply)
                        wait = reply.retry_after
                    await asyncio.sleep(pause_before_retry(retry, wait))
                    retry += 1
        except TimeoutError:
            raise EngineDown(
                f"{self.name}: {config.endpoint} did not serve {config.model!r} within "
                f"{config.start_timeout_seconds:g} s: {trouble or 'no answer'}"
            ) from None

    def _checked(self, url: str, reply: _Reply) -> ServedModel:
        if reply.status in (401, 403):
            wanted = "the API key was refused" if self._key else "it wants an API key"
            raise ConfigError(
                f"api_key_environment: {wanted} by {self._config.endpoint}: {self._said(reply)}"
            )
        if reply.status != 200:
            raise ConfigError(
                f"endpoint: {url} answered {self._said(reply)}; the endpoint must be the base "
                "address of an OpenAI-compatible server, e.g. http://critic:8000/v1"
            )
        return find_model(reply.body, url, self._config.model)

    async def generate(
        self, request: GenerationRequest, *, seconds: float | None = None
    ) -> Generation:
        """Continues one conversation. Raises GenerationFailed."""
        check_request(request)
        if self._session is None:
            raise GenerationFailed(f"{self.name} is not running")
        config = self._config
        body = request_body(request, config.model, self._dialect, config.extra)
        limit = config.request_timeout_seconds
        if seconds is not None:
            limit = min(limit, seconds)
        if limit <= 0:
            raise GenerationFailed("no time was left to ask the model", timed_out=True)
        attempt = _Attempt(time.monotonic() + limit)
        try:
            async with asyncio.timeout(limit), self._turns:
                return await self._ask(body, request, attempt)
        except TimeoutError:
            raise GenerationFailed(
                f"{self.name} did not answer within {limit:.3g} s{attempt.after()}",
                timed_out=True,
            ) from None

    async def generate_all(
        self, requests: Sequence[GenerationRequest], *, seconds: float | None = None
    ) -> list[Generation | GenerationFailed]:
        """Continues several, in order; a failure stands in its own place."""
        return await generate_all(self, requests, seconds)

    async def close(self) -> None:
        """Closes the connections; requests under way fail. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(
        self, body: dict[str, Any], request: GenerationRequest, attempt: _Attempt
    ) -> Generation:
        url = f"{self._config.endpoint}/chat/completions"
        while True:
            await self._wait(self._resume_at - time.monotonic(), attempt)
            attempt.sent += 1
            retry_after = 0.0
            try:
                reply = await self._exchange("POST", url, body)
            except _Unreachable as error:
                attempt.trouble = str(error)
            else:
                if reply.status == 200:
                    return parse_generation(reply.body, request, attempt.sent)
                attempt.trouble = self._said(reply)
                if reply.status not in PASSING:
                    raise GenerationFailed(f"{self.name} refused the request: {attempt.trouble}")
                retry_after = reply.retry_after
                if retry_after:
                    # Whoever comes next would be told the same.
                    pause = min(retry_after, _LONGEST_SHARED_PAUSE_SECONDS)
                    self._resume_at = max(self._resume_at, time.monotonic() + pause)
            if attempt.sent > self._config.retries:
                raise GenerationFailed(f"{self.name} failed{attempt.after()}")
            await self._wait(pause_before_retry(attempt.sent - 1, retry_after), attempt)

    async def _wait(self, pause: float, attempt: _Attempt) -> None:
        """Pauses; fails at once when the deadline would pass meanwhile."""
        if pause <= 0:
            return
        left = attempt.deadline - time.monotonic()
        if pause >= left:
            raise GenerationFailed(
                f"{self.name} can be asked again in {pause:.3g} s, but only {max(left, 0):.3g} s "
                f"are left{attempt.after()}",
                timed_out=True,
            )
        await asyncio.sleep(pause)

    async def _exchange(self, method: str, url: str, body: dict[str, Any] | None) -> _Reply:
        session = self._session
        if session is None:
            raise GenerationFailed(f"{self.name} was closed")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        try:
            async with session.request(
                method, url, json=body, timeout=timeout, allow_redirects=False
            ) as response:
                content = await self._read(response)
                wait = retry_after_seconds(response.headers.get("Retry-After"))
                return _Reply(response.status, content, wait)
        except aiohttp.ServerTimeoutError:
            raise _Unreachable(f"no connection within {_CONNECT_SECONDS:g} s") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            if self._session is None:
                raise GenerationFailed(f"{self.name} was closed") from None
            raise _Unreachable(self._safe(f"{type(error).__name__}: {error}"[:300])) from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        most = self._config.max_response_bytes
        content = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            content += chunk
            if len(content) > most:
                raise GenerationFailed(f"{self.name} answered more than max_response_bytes, {most}")
        return bytes(content)

    def _said(self, reply: _Reply) -> str:
        detail = self._safe(error_text(reply.body))
        return f"HTTP {reply.status}" + (f": {detail}" if detail else "")

    def _safe(self, text: str) -> str:
        """Servers like to quote the key they refuse."""
        return text.replace(self._key, "[API key]") if self._key else text


@dataclass(slots=True)
class _Attempt:
    """How far a request has come."""

    deadline: float
    """By time.monotonic()."""
    sent: int = 0
    trouble: str = ""

    def after(self) -> str:
        """What to add to an error message."""
        if not self.trouble:
            return ""
        tries = "1 try" if self.sent == 1 else f"{self.sent} tries"
        return f" after {tries}, the last ended with {self.trouble}"
