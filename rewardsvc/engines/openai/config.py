"""Configuration of a model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rewardsvc.errors import ConfigError

__all__ = ["OpenAIConfig", "api_key_from"]

_OWN_FIELDS = frozenset(
    (
        "model",
        "messages",
        "n",
        "temperature",
        "top_p",
        "max_tokens",
        "stop",
        "stream",
        "logprobs",
        "top_logprobs",
        "add_generation_prompt",
        "continue_final_message",
        "structured_outputs",
        "response_format",
        "regex",
        "json_schema",
        "ebnf",
        "guided_choice",
        "guided_regex",
        "guided_json",
    )
)


class OpenAIConfig(BaseModel):
    """A model that an OpenAI-compatible server serves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["openai"] = "openai"
    endpoint: str = Field(
        description="Base address up to and with /v1, e.g. http://critic:8000/v1."
    )
    model: str = Field(min_length=1, description="The model's id, as /v1/models lists it.")
    api_key_environment: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the environment variable that holds the API key; none is sent "
        "when absent.",
    )
    dialect: Literal["auto", "vllm", "vllm_guided", "sglang", "openai"] = Field(
        "auto",
        description="How guided decoding is asked for: vllm (structured_outputs), vllm_guided "
        "(guided_*, before 0.12), sglang (regex, json_schema), openai (response_format; "
        "choices and patterns are left to the prompt). auto goes by the owner that /v1/models "
        "names.",
    )
    concurrency: int = Field(
        64, ge=1, le=4096, description="Requests at the endpoint at a time; further ones wait."
    )
    retries: int = Field(
        4, ge=0, le=100, description="Times a request is sent again after a passing failure."
    )
    request_timeout_seconds: float = Field(
        600.0,
        gt=0,
        le=86_400,
        description="Longest a request may take with waiting and retries; a caller's deadline "
        "may be shorter.",
    )
    start_timeout_seconds: float = Field(
        300.0, gt=0, le=86_400, description="Longest wait for the endpoint to serve the model."
    )
    max_response_bytes: int = Field(
        64 * 1024 * 1024, ge=1024, le=2**31, description="Longer answers are refused."
    )
    extra: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Further fields of every request, e.g. "
        "{chat_template_kwargs: {enable_thinking: false}}.",
    )
    cache_megabytes: int = Field(
        64, ge=0, le=65_536, description="Memory for answers that may be given again; 0: none."
    )

    @field_validator("endpoint")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"must be an http or https address: {error}") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("must be an http or https address, e.g. http://critic:8000/v1")
        if parts.username or parts.password:
            raise ValueError("must not hold a password; give api_key_environment")
        if parts.query or parts.fragment:
            raise ValueError("must not have a query or fragment")
        return value.rstrip("/")

    @field_validator("extra")
    @classmethod
    def _not_ours(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if taken := sorted(_OWN_FIELDS & value.keys()):
            raise ValueError(f"{', '.join(taken)} are set by the service itself")
        return value


def api_key_from(config: OpenAIConfig) -> str:
    """The API key; empty when none is configured.

    Raises:
        ConfigError: the environment variable is unset or unusable. Never shows the key.
    """
    name = config.api_key_environment
    if name is None:
        return ""
    key = os.environ.get(name, "").strip()
    if not key:
        raise ConfigError(f"api_key_environment: the environment variable {name} is not set")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"api_key_environment: {name} holds characters no header may have")
    return key
