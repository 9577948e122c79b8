"""How servers that all call themselves OpenAI-compatible are asked for the same thing.

Guided decoding fields, by server:

* vllm: `structured_outputs` with `choice`, `regex` or `json`;
* vllm_guided: `guided_choice`, `guided_regex`, `guided_json` (vLLM before 0.12);
* sglang: `regex` (choices as an alternation) or `response_format`;
* openai: `response_format` with a JSON schema. Choices and patterns have no counterpart: the
  prompt alone asks for them, and whoever parses the completion finds what breaks them.

Under a JSON schema a model may fill its whole answer with spaces between two tokens. vLLM can
forbid that for the server only: `vllm serve --structured-outputs-config
'{"backend": "guidance", "disable_any_whitespace": true}'`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from rewardsvc.engines.generation import GenerationFailed, GenerationRequest

__all__ = ["Dialect", "dialect_of", "request_body"]

Dialect = Literal["vllm", "vllm_guided", "sglang", "openai"]


def dialect_of(owner: str) -> Dialect:
    """The dialect of a server whose /v1/models says `owned_by: owner`."""
    lowered = owner.lower()
    if "sglang" in lowered:
        return "sglang"
    return "vllm" if "vllm" in lowered else "openai"


def request_body(
    request: GenerationRequest, model: str, dialect: Dialect, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of a /chat/completions request.

    Raises:
        GenerationFailed: the dialect cannot say what is asked.
    """
    body: dict[str, Any] = {
        **extra,
        "model": model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        # Samples of a deterministic request are all the same: one is asked for.
        "n": request.samples if request.temperature > 0 else 1,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
    }
    if request.stop:
        body["stop"] = list(request.stop)
    if request.top_log_probabilities:
        body["logprobs"] = True
        body["top_logprobs"] = request.top_log_probabilities
    if request.continue_final_message:
        if dialect == "openai":
            raise GenerationFailed(
                "continuing the assistant's message is not possible on a server of dialect openai"
            )
        body["continue_final_message"] = True
        if dialect != "sglang":
            body["add_generation_prompt"] = False
    return body | _GUIDES[dialect](request)


def _vllm(request: GenerationRequest) -> dict[str, Any]:
    guide = _first_guide(request, "choice", "regex", "json")
    return {"structured_outputs": guide} if guide else {}


def _vllm_guided(request: GenerationRequest) -> dict[str, Any]:
    return _first_guide(request, "guided_choice", "guided_regex", "guided_json")


def _first_guide(
    request: GenerationRequest, choice: str, pattern: str, schema: str
) -> dict[str, Any]:
    if request.choices:
        return {choice: list(request.choices)}
    if request.pattern:
        return {pattern: request.pattern}
    if request.json_schema:
        return {schema: json.loads(request.json_schema)}
    return {}


def _sglang(request: GenerationRequest) -> dict[str, Any]:
    if request.choices:
        return {"regex": f"({'|'.join(re.escape(choice) for choice in request.choices)})"}
    if request.pattern:
        return {"regex": request.pattern}
    return _openai(request)


def _openai(request: GenerationRequest) -> dict[str, Any]:
    if not request.json_schema:
        return {}
    schema = {"name": "answer", "schema": json.loads(request.json_schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


_GUIDES: Mapping[Dialect, Callable[[GenerationRequest], dict[str, Any]]] = {
    "vllm": _vllm,
    "vllm_guided": _vllm_guided,
    "sglang": _sglang,
    "openai": _openai,
}
