"""Reading a conversation through the tokenizer's chat template: most reward models do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rewardsvc.engines.conversation import ConversationEncoder, Message
from rewardsvc.engines.families.family import Readable, Reading, Unreadable
from rewardsvc.engines.truncation import TooLong, Truncation, common_prefix_length, fit

__all__ = ["ChatReader"]


class ChatReader:
    """Reads the prompt's messages with the response as the assistant's message."""

    def __init__(self, tokenizer: Any, max_length: int, truncation: Truncation) -> None:
        self._encoder = ConversationEncoder(tokenizer)
        self._max_length = max_length
        self._truncation: Truncation = truncation

    def read(self, groups: Sequence[Readable]) -> list[list[list[Reading | Unreadable]]]:
        """One reading a response."""
        conversations = [[_conversation(g.prompt, text) for text in g.responses] for g in groups]
        encoded = iter(self._encode(conversations))
        return [
            [[self._fit(messages, next(encoded))] for messages in group] for group in conversations
        ]

    def _encode(self, groups: Sequence[Sequence[list[Message]]]) -> list[list[int] | Unreadable]:
        try:
            return list(self._encoder.encode_groups(groups))
        except Exception:
            # A template or tokenizer refused one of them: the others are still owed a score.
            return [self._encode_one(messages) for group in groups for messages in group]

    def _encode_one(self, messages: list[Message]) -> list[int] | Unreadable:
        try:
            (ids,) = self._encoder.encode([messages])
        except Exception as error:
            return Unreadable(f"cannot be tokenised: {type(error).__name__}: {error!s:.300}")
        return ids

    def _fit(self, messages: list[Message], ids: list[int] | Unreadable) -> Reading | Unreadable:
        if isinstance(ids, Unreadable):
            return ids
        prompt = 0
        if len(ids) > self._max_length and self._truncation != "reject":
            (opened,) = self._encoder.encode([messages[:-1]], open_turn=True)
            prompt = common_prefix_length(opened, ids)
        try:
            fitted = fit(
                ids, prompt, self._max_length, self._truncation, begins=self._encoder.begins(ids)
            )
        except TooLong as error:
            return Unreadable(f"too long: {error}")
        return Reading(fitted.ids, fitted.truncation)


def _conversation(prompt: Sequence[Message], response: str) -> list[Message]:
    return [*prompt, {"role": "assistant", "content": response}]
