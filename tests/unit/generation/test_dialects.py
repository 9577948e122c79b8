"""Guided decoding, as each kind of server wants to be asked for it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rewardsvc.engines.generation import GenerationFailed, GenerationRequest
from rewardsvc.engines.openai.dialects import Dialect, dialect_of, request_body
from rewardsvc.engines.requests import check_request
from rewardsvc.types import ChatMessage

SCHEMA = '{"type": "object"}'
NAMED = {"name": "answer", "schema": {"type": "object"}, "strict": True}
RESPONSE_FORMAT = {"response_format": {"type": "json_schema", "json_schema": NAMED}}


def request(role: str = "user", **settings: Any) -> GenerationRequest:
    return GenerationRequest((ChatMessage(role, "hello"),), **settings)


def guide(dialect: Dialect, **settings: Any) -> dict[str, Any]:
    plain = request_body(request(), "m", dialect, {})
    return {
        key: value
        for key, value in request_body(request(**settings), "m", dialect, {}).items()
        if key not in plain
    }


@pytest.mark.parametrize(
    ("dialect", "choices", "pattern", "schema"),
    [
        (
            "vllm",
            {"structured_outputs": {"choice": ["a+", "b"]}},
            {"structured_outputs": {"regex": "[0-9]"}},
            {"structured_outputs": {"json": {"type": "object"}}},
        ),
        (
            "vllm_guided",
            {"guided_choice": ["a+", "b"]},
            {"guided_regex": "[0-9]"},
            {"guided_json": {"type": "object"}},
        ),
        ("sglang", {"regex": r"(a\+|b)"}, {"regex": "[0-9]"}, RESPONSE_FORMAT),
        ("openai", {}, {}, RESPONSE_FORMAT),
    ],
)
def test_guides(dialect: Dialect, choices: Any, pattern: Any, schema: Any) -> None:
    assert guide(dialect, choices=("a+", "b")) == choices
    assert guide(dialect, pattern="[0-9]") == pattern
    assert guide(dialect, json_schema=SCHEMA) == schema


def test_sglang_choices_match_exactly_the_choices() -> None:
    pattern = guide("sglang", choices=("a.b", "(c)", "d|e"))["regex"]
    assert all(re.fullmatch(pattern, choice) for choice in ("a.b", "(c)", "d|e"))
    assert not any(re.fullmatch(pattern, other) for other in ("axb", "c", "d", "e"))


def test_continuing_the_assistant() -> None:
    assert guide("vllm", role="assistant", continue_final_message=True) == {
        "continue_final_message": True,
        "add_generation_prompt": False,
    }
    assert guide("sglang", role="assistant", continue_final_message=True) == {
        "continue_final_message": True
    }
    with pytest.raises(GenerationFailed, match="not possible on a server of dialect openai"):
        guide("openai", role="assistant", continue_final_message=True)


def test_extra_fields_are_sent() -> None:
    assert request_body(request(), "m", "vllm", {"top_k": 3})["top_k"] == 3


@pytest.mark.parametrize(
    ("owner", "dialect"),
    [("vllm", "vllm"), ("sglang", "sglang"), ("openai", "openai"), ("organization", "openai")],
)
def test_the_owner_tells_the_dialect(owner: str, dialect: str) -> None:
    assert dialect_of(owner) == dialect


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"samples": 0}, "samples: must be 1 to 128, not 0"),
        ({"samples": 129}, "samples"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"top_log_probabilities": 21}, "top_log_probabilities: must be 0 to 20, not 21"),
        ({"choices": ("a",), "pattern": "b"}, "at most one"),
        ({"json_schema": "{"}, "json_schema: is not JSON"),
        ({"json_schema": "[1]"}, "json_schema: must be a JSON object"),
        ({"continue_final_message": True}, "last message must be the assistant's, not the user's"),
    ],
)
def test_requests_nobody_could_answer_are_refused(settings: dict[str, Any], fault: str) -> None:
    check_request(request())
    with pytest.raises(GenerationFailed, match=fault):
        check_request(request(**settings))


def test_no_messages_are_refused() -> None:
    with pytest.raises(GenerationFailed, match="messages: must not be empty"):
        check_request(GenerationRequest(()))
