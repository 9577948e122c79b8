"""A sample that waits for its audit, as JSON, and back as a group of one response."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rewardsvc.types import (
    Chat,
    ChatMessage,
    Criterion,
    Group,
    Prompt,
    Reference,
    Response,
    TestSuite,
    TokenIds,
)


def sample_json(group: Group, response: Response) -> dict[str, Any]:
    """Prompt, response and what it is judged against, as plain JSON."""
    reference = group.reference_of(response)
    return {
        "prompt": _prompt_json(group.prompt),
        "response": _prompt_json(response.text),
        "reference": None if reference is None else asdict(reference),
    }


def group_of(sample: Mapping[str, Any], sample_id: str, domain: str) -> Group:
    """The group of one response that `sample_json` wrote down; raises for anything else."""
    response = _prompt(sample["response"])
    if isinstance(response, Chat):
        raise TypeError("a response is no conversation")
    reference = sample["reference"]
    return Group(
        sample_id,
        _prompt(sample["prompt"]),
        (Response(sample_id, response),),
        None if reference is None else _reference(reference),
        domain,
    )


def _prompt_json(prompt: Prompt) -> Any:
    if isinstance(prompt, Chat):
        return [asdict(message) for message in prompt.messages]
    if isinstance(prompt, TokenIds):
        ids = base64.b64encode(prompt.little_endian_int32).decode("ascii")
        return {"token_ids": ids, "tokenizer_hash": prompt.tokenizer_hash}
    return prompt


def _prompt(said: Any) -> Prompt:
    if isinstance(said, str):
        return said
    if isinstance(said, list):
        return Chat(tuple(ChatMessage(**message) for message in said))
    return TokenIds(base64.b64decode(said["token_ids"]), said["tokenizer_hash"])


def _reference(said: Mapping[str, Any]) -> Reference:
    tests = said["tests"]
    return Reference(
        tuple(said["answers"]),
        said["response"],
        None if tests is None else TestSuite(**tests),
        tuple(Criterion(**criterion) for criterion in said["rubric"]),
    )
