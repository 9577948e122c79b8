"""Continues conversations on vLLM: the engine in the process. Imports vLLM.

A request is what `request_message` makes of a GenerationRequest; the reply is
`{"completions": [[text, finish_reason, tokens]], "prompt": n, "cached": n, "completion": n}`
with tokens as [text, log-probability, [[text, log-probability]]], or `{"failed": reason}`.

Nothing is drawn with a seed of its own: a seed in a request ends vLLM's CPU engine.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from rewardsvc.engines.conversation import ConversationEncoder, Message
from rewardsvc.engines.engine import EngineLost
from rewardsvc.engines.vllm.loading import EngineOptions, Progress, load_tokenizer, start_vllm
from rewardsvc.errors import ConfigError

__all__ = ["GenerationEngine"]


class GenerationEngine:
    """A generative model on AsyncLLM; see `EngineOptions` for the options."""

    def __init__(
        self, *, chat_template_options: dict[str, Any] | None = None, **options: Any
    ) -> None:
        self._options = EngineOptions(**options)
        self._template_options = chat_template_options or {}
        self._progress = Progress()
        self._identities = itertools.count()
        self._engine: Any = None
        self._encoder: ConversationEncoder

    @property
    def progress(self) -> int:
        """Steps of the engine so far."""
        return self._progress.steps

    async def start(self) -> dict[str, Any]:
        """Loads the model and lets it answer once in every way, so that no caller waits."""
        tokenizer = load_tokenizer(self._options.model)
        if not tokenizer.chat_template:
            raise ConfigError(f"{self._options.model}: the tokenizer has no chat template")
        tokenizer.apply_chat_template = partial(
            tokenizer.apply_chat_template, **self._template_options
        )
        self._encoder = ConversationEncoder(tokenizer)
        self._engine = start_vllm(self._options, "generate", self._progress)
        for ways in ({"choices": ["yes", "no"]}, {"logprobs": 1, "samples": 2, "temperature": 1.0}):
            reply = await self.answer(_WARM_UP | ways)
            if "failed" in reply:
                raise ConfigError(f"{self._options.model}: cannot answer: {reply['failed']}")
        import vllm

        return {
            "vllm": vllm.__version__,
            "dtype": str(self._engine.model_config.dtype).removeprefix("torch."),
            "max_length": self._engine.model_config.max_model_len,
        }

    async def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Continues one conversation; cancelled, it is aborted in vLLM too."""
        from vllm.exceptions import VLLMValidationError
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            ids = self._token_ids(request)
        except Exception as error:
            return {"failed": f"the conversation cannot be tokenised: {error!s:.300}"}
        room = self._engine.model_config.max_model_len - len(ids)
        if room < 1:
            return {
                "failed": f"too long: the prompt has {len(ids)} tokens; the model takes "
                f"{room + len(ids)} with the answer"
            }
        final: Any = None
        try:
            async for output in self._engine.generate(
                {"prompt_token_ids": ids},
                self._parameters(request, room),
                f"{next(self._identities)}",
            ):
                final = output
        except EngineDeadError as error:
            raise EngineLost(str(error)) from error
        except (VLLMValidationError, ValueError) as error:
            return {"failed": f"vLLM refused the request: {' '.join(str(error).split())[:300]}"}
        return _reply(final, request)

    def _token_ids(self, request: Mapping[str, Any]) -> list[int]:
        messages: list[Message] = [{"role": r, "content": c} for r, c in request["messages"]]
        if not request["continue_final_message"]:
            return self._encoder.with_open_turn(messages)
        *before, last = messages
        return self._encoder.with_open_turn(before) + self._encoder.encode_plain(last["content"])

    def _parameters(self, request: Mapping[str, Any], room: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            n=request["samples"],
            temperature=request["temperature"],
            top_p=request["top_p"],
            max_tokens=min(request["max_tokens"], room),
            stop=request["stop"] or None,
            logprobs=request["logprobs"] or None,
            structured_outputs=_guide(request),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )


_WARM_UP: dict[str, Any] = {
    "messages": [["user", "1 + 1 = 2: yes or no?"]],
    "samples": 1,
    "temperature": 0.0,
    "top_p": 1.0,
    "max_tokens": 2,
    "stop": [],
    "logprobs": 0,
    "choices": [],
    "pattern": "",
    "json_schema": "",
    "continue_final_message": False,
}


def _guide(request: Mapping[str, Any]) -> Any:
    from vllm.sampling_params import StructuredOutputsParams

    if request["choices"]:
        return StructuredOutputsParams(choice=list(request["choices"]))
    if request["pattern"]:
        return StructuredOutputsParams(regex=request["pattern"])
    if request["json_schema"]:
        return StructuredOutputsParams(json=json.loads(request["json_schema"]))
    return None


def _reply(output: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    if output is None or not output.finished:
        return {"failed": "vLLM ended the request without an answer"}
    ended = {completion.finish_reason for completion in output.outputs}
    if early := ended - {"stop", "length"}:
        return {"failed": f"vLLM ended the completion early: {', '.join(map(str, early))}"}
    completions = sorted(output.outputs, key=lambda completion: completion.index)
    return {
        "completions": [
            [c.text, c.finish_reason, _tokens(c, request["logprobs"])] for c in completions
        ],
        "prompt": len(output.prompt_token_ids),
        "cached": output.num_cached_tokens or 0,
        "completion": sum(len(c.token_ids) for c in completions),
    }


def _tokens(completion: Any, most: int) -> list[Any]:
    if not most:
        return []
    tokens = []
    for token, listed in zip(completion.token_ids, completion.logprobs, strict=True):
        likeliest = sorted(listed.values(), key=lambda entry: entry.rank)[:most]
        chosen = listed[token]
        tokens.append(
            [
                chosen.decoded_token or "",
                chosen.logprob,
                # What a guide rules out has no probability at all.
                [[e.decoded_token or "", e.logprob] for e in likeliest if e.logprob > -math.inf],
            ]
        )
    return tokens
