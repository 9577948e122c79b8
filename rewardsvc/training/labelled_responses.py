"""Labelled responses: JSON lines of {"prompt": text | "messages": […], "response", "label": 0, 1}.

`label` says whether the response is right. Other fields are ignored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardsvc.errors import ConfigError
from rewardsvc.training.json_lines import read_objects
from rewardsvc.training.preference_pairs import Messages, prompt_key, prompt_messages

__all__ = ["LabelledResponse", "hold_out_prompts", "load_labelled_responses"]


@dataclass(frozen=True, slots=True)
class LabelledResponse:
    """A response to a prompt, and whether it is right."""

    messages: Messages
    text: str
    right: bool

    @property
    def prompt_key(self) -> str:
        """Equal for equal prompts."""
        return prompt_key(self.messages)


def load_labelled_responses(path: Path) -> list[LabelledResponse]:
    """Reads labelled responses; a response may be empty.

    Raises:
        ConfigError: names the file, the line, the field and what is wrong with it; or the file
            has no responses, or none that is right, or none that is wrong.
    """
    found = [_parse(record, where) for where, record in read_objects(path)]
    if not found:
        raise ConfigError(f"{path}: has no labelled responses")
    for label, right in ((1, True), (0, False)):
        if not any(response.right is right for response in found):
            raise ConfigError(f"{path}: has no response with label {label}; both are needed")
    return found


def hold_out_prompts(
    responses: Sequence[LabelledResponse], seed: int, share: float
) -> tuple[list[LabelledResponse], list[LabelledResponse]]:
    """The responses to fit on, and those to the held-out prompts, about `share` of all prompts.

    Prompts are ordered by a hash of seed and prompt, so that the order of the file is nothing.

    Raises:
        ConfigError: there are fewer than 2 prompts.
    """

    def place(key: str) -> str:
        return hashlib.sha256(f"{seed} {key}".encode()).hexdigest()

    keys = sorted({response.prompt_key for response in responses}, key=place)
    if len(keys) < 2:
        raise ConfigError("there must be at least 2 distinct prompts: one is held out")
    held_out = set(keys[: min(max(1, round(len(keys) * share)), len(keys) - 1)])
    sides: tuple[list[LabelledResponse], list[LabelledResponse]] = ([], [])
    for response in responses:
        sides[response.prompt_key in held_out].append(response)
    return sides


def _parse(record: dict[str, Any], where: str) -> LabelledResponse:
    messages = prompt_messages(record, where)
    if "response" not in record:
        raise ConfigError(f"{where}: response: is missing")
    text = record["response"]
    if not isinstance(text, str):
        raise ConfigError(f"{where}: response: must be text, not {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{where}: response: has half of a surrogate pair") from None
    if "label" not in record:
        raise ConfigError(f"{where}: label: is missing")
    label = record["label"]
    if not isinstance(label, bool | int | float) or label not in (0, 1):
        raise ConfigError(f"{where}: label: is {label!r}; must be 0 or 1")
    return LabelledResponse(messages, text, bool(label))
