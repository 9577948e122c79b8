"""Preference pairs: JSON lines of {"prompt": text | "messages": […], "chosen": …, "rejected": …}.

`messages` is the conversation up to the response, [{"role", "content"}, …]. Other fields are
ignored, so that a data set's own columns can stay.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from rewardsvc.errors import ConfigError
from rewardsvc.training.json_lines import read_objects, text_field

__all__ = ["Messages", "PreferencePair", "load_pairs", "prompt_key", "prompt_messages"]

_ROLES = ("system", "user", "assistant", "tool", "developer")

Messages: TypeAlias = tuple[tuple[str, str], ...]
"""(role, content) of each message of a prompt."""


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """One conversation and two responses to it, the first one preferred."""

    messages: Messages
    chosen: str
    rejected: str
    where: str = ""
    """File and line it came from."""

    @property
    def prompt_key(self) -> str:
        """Equal for equal prompts; the split is by it."""
        return prompt_key(self.messages)

    def conversation(self, response: str) -> list[dict[str, str]]:
        """The prompt's messages and `response` as the assistant's."""
        turns = [*self.messages, ("assistant", response)]
        return [{"role": role, "content": content} for role, content in turns]

    def flipped(self) -> PreferencePair:
        """The same pair with the other response preferred."""
        return replace(self, chosen=self.rejected, rejected=self.chosen)


def load_pairs(path: Path) -> list[PreferencePair]:
    """Reads preference pairs.

    Raises:
        ConfigError: names the file, the line, the field and what is wrong with it; or the file
            has no pairs.
    """
    pairs = [_parse(record, where) for where, record in read_objects(path)]
    if not pairs:
        raise ConfigError(f"{path}: has no preference pairs")
    return pairs


def prompt_key(messages: Messages) -> str:
    """Equal for equal prompts."""
    digest = hashlib.sha256()
    for role, content in messages:
        digest.update(f"{len(role)} {role} {len(content)} {content}".encode())
    return digest.hexdigest()


def prompt_messages(record: dict[str, Any], where: str) -> Messages:
    """A record's `prompt` or `messages`; ConfigError names what is wrong with them."""
    if ("prompt" in record) == ("messages" in record):
        raise ConfigError(f"{where}: give exactly one of prompt and messages")
    if "prompt" in record:
        return (("user", text_field(record, "prompt", where)),)
    return _messages(record["messages"], where)


def _parse(record: dict[str, Any], where: str) -> PreferencePair:
    messages = prompt_messages(record, where)
    chosen = text_field(record, "chosen", where)
    rejected = text_field(record, "rejected", where)
    if chosen == rejected:
        raise ConfigError(f"{where}: chosen and rejected are equal; a pair must differ")
    return PreferencePair(messages, chosen, rejected, where)


def _messages(value: object, where: str) -> Messages:
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{where}: messages: must be a list of {{role, content}}, not empty")
    messages = []
    for index, message in enumerate(value):
        place = f"{where}: messages[{index}]"
        if not isinstance(message, dict):
            raise ConfigError(f"{place}: must be an object with role and content")
        role = message.get("role")
        if role not in _ROLES:
            raise ConfigError(f"{place}.role: is {role!r}; allowed: {', '.join(_ROLES)}")
        messages.append((str(role), text_field(message, "content", place)))
    if messages[-1][0] == "assistant":
        raise ConfigError(f"{where}: messages: the last one is the assistant's; it ends the prompt")
    return tuple(messages)
