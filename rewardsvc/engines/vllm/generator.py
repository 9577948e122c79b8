"""A language model on vLLM in a process of its own, as a `Generator`.

Requests of all callers are in vLLM together and batched continuously there; one that is
cancelled or out of time is aborted there too. A crash fails the requests that were in it and
the process is started anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewardsvc.engines.generation import (
    Completion,
    GeneratedToken,
    Generation,
    GenerationFailed,
    GenerationRequest,
)
from rewardsvc.engines.model_files import check_model_directory, model_hash
from rewardsvc.engines.requests import check_request, generate_all
from rewardsvc.engines.vllm.config import VllmConfig
from rewardsvc.engines.vllm.process import VllmProcess
from rewardsvc.errors import RewardServiceError
from rewardsvc.types import Usage
from rewardsvc.versions import version_of

__all__ = ["VllmGenerator"]

_ENGINE = "rewardsvc.engines.vllm.generation_engine:GenerationEngine"


class VllmGenerator:
    """Continues conversations with a model folder; relative paths start at `base_path`.

    Raises:
        ConfigError: the folder or the interpreter is missing, or the folder holds no model.
    """

    def __init__(self, config: VllmConfig, base_path: Path, name: str = "model") -> None:
        self.name = name
        self._config = config
        self._directory = base_path / config.model
        check_model_directory(self._directory)
        self._vllm = VllmProcess(
            name,
            _ENGINE,
            config,
            self._directory,
            base_path,
            {"chat_template_options": dict(config.chat_template_options)},
        )
        self._version = "vllm-not-loaded"

    @property
    def version(self) -> str:
        """Of weights, tokenizer, vLLM and the settings that change answers."""
        return self._version

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._vllm.process.pid

    async def start(self) -> None:
        """Starts the process, which loads and warms up the model.

        Raises:
            ConfigError: the model cannot be used.
            EngineDown: the process could not be started, e.g. for want of vLLM.
        """
        hashing = asyncio.create_task(asyncio.to_thread(model_hash, self._directory))
        try:
            facts = await self._vllm.process.start()
        except BaseException:
            hashing.cancel()
            raise
        config = self._config
        self._version = version_of(
            "vllm-1",
            await hashing,
            f"{facts['vllm']} {facts['dtype']} {facts['max_length']}",
            repr(sorted(config.engine_options.items())),
            repr(sorted(config.chat_template_options.items())),
        )

    async def generate(
        self, request: GenerationRequest, *, seconds: float | None = None
    ) -> Generation:
        """Continues one conversation. Raises GenerationFailed."""
        check_request(request)
        limit = self._config.request_timeout_seconds
        if seconds is not None:
            limit = min(limit, seconds)
        if limit <= 0:
            raise GenerationFailed("no time was left to ask the model", timed_out=True)
        try:
            async with asyncio.timeout(limit):
                reply = await self._vllm.process.call(_message(request))
        except TimeoutError:
            raise GenerationFailed(
                f"{self.name} did not answer within {limit:.3g} s", timed_out=True
            ) from None
        except RewardServiceError as error:
            raise GenerationFailed(error.message) from error
        if "failed" in reply:
            raise GenerationFailed(f"{self.name}: {reply['failed']}")
        return _generation(reply, request)

    async def generate_all(
        self, requests: Sequence[GenerationRequest], *, seconds: float | None = None
    ) -> list[Generation | GenerationFailed]:
        """Continues several, in order; a failure stands in its own place."""
        return await generate_all(self, requests, seconds)

    async def close(self) -> None:
        """Kills the process; requests in it fail. Idempotent."""
        await self._vllm.close()


def _message(request: GenerationRequest) -> dict[str, Any]:
    return {
        "messages": [[message.role, message.content] for message in request.messages],
        # Samples of a deterministic request are all the same: one is asked for.
        "samples": request.samples if request.temperature > 0 else 1,
        "temperature": float(request.temperature),
        "top_p": float(request.top_p),
        "max_tokens": request.max_tokens,
        "stop": list(request.stop),
        "logprobs": request.top_log_probabilities,
        "choices": list(request.choices),
        "pattern": request.pattern,
        "json_schema": request.json_schema,
        "continue_final_message": request.continue_final_message,
    }


def _generation(reply: Mapping[str, Any], request: GenerationRequest) -> Generation:
    completions = tuple(
        Completion(text, tuple(_token(*token) for token in tokens), finish)
        for text, finish, tokens in reply["completions"]
    )
    usage = Usage(
        model_calls=1,
        prompt_tokens=reply["prompt"],
        cached_prompt_tokens=reply["cached"],
        completion_tokens=reply["completion"],
    )
    return Generation(completions * (request.samples // len(completions)), usage)


def _token(
    text: str, log_probability: float, alternatives: Sequence[Sequence[Any]]
) -> GeneratedToken:
    return GeneratedToken(
        text, log_probability, tuple((other, value) for other, value in alternatives)
    )
