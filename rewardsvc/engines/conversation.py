"""From a prompt and a response to the token ids a reward model reads.

The tokenizer's chat template is applied to the prompt's messages followed by the response as
the assistant's. When the rendered text already starts with the beginning-of-sequence token,
tokenisation adds no special tokens, so that it is never doubled; otherwise it adds the
tokenizer's own. A plain-text prompt is one user message.

Fallback for a tokenizer without a chat template: `User: …`, `Assistant: …` and so on, each
message's role capitalised, a blank line between messages.

Text from a model is hostile: a response may spell a control token (`<|im_end|>`) to close its
own turn and open another. Where a message's text contains one of the tokenizer's special
tokens, that text is tokenised apart, as plain text, so that it cannot forge a turn.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

__all__ = ["ConversationEncoder", "Fitted", "Message", "TooLong", "Truncation"]

Truncation = Literal["prompt_left", "reject"]


class Message(TypedDict):
    """One message as chat templates take it."""

    role: str
    content: str


class TooLong(Exception):
    """The input does not fit and may not be cut."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Token ids that fit, and what was cut to make them fit (empty when nothing was)."""

    ids: list[int]
    truncation: str = ""


class ConversationEncoder:
    """Encodes conversations with one tokenizer (transformers, fast)."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._bos: str | None = tokenizer.bos_token
        added = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
        self._specials = sorted({*tokenizer.all_special_tokens, *added} - {""})
        self._beginnings = sorted({special[:2] for special in self._specials})
        self._prefix, self._suffix = self._own_specials()

    def encode(
        self, conversations: Sequence[Sequence[Message]], *, open_turn: bool = False
    ) -> list[list[int]]:
        """Token ids of each conversation; `open_turn` ends where the assistant would begin."""
        ids: list[list[int]] = [[]] * len(conversations)
        plain: dict[bool, list[tuple[int, str]]] = {True: [], False: []}
        for index, messages in enumerate(conversations):
            stand_ins, contents = self._protect(messages)
            text = self._render(stand_ins, open_turn)
            if contents:
                ids[index] = self._tokenise_apart(text, contents)
            else:
                plain[self._begins(text)].append((index, text))
        for begun, texts in plain.items():
            if texts:
                batch = self._tokenizer(
                    [text for _, text in texts],
                    add_special_tokens=not begun,
                    return_attention_mask=False,
                )["input_ids"]
                for (index, _), encoded in zip(texts, batch, strict=True):
                    ids[index] = encoded
        return ids

    def fit(
        self, messages: Sequence[Message], ids: list[int], max_length: int, truncation: Truncation
    ) -> Fitted:
        """Makes the messages' `ids` fit `max_length`; the last message is the response.

        With `prompt_left`, tokens are dropped from the left (a leading beginning-of-sequence
        token stays), but never any of the response.

        Raises:
            TooLong: they do not fit, and `truncation` allows no cut that would make them.
        """
        excess = len(ids) - max_length
        if excess <= 0:
            return Fitted(ids)
        if truncation == "reject":
            raise TooLong(f"{len(ids)} tokens; the model takes {max_length}")
        kept = 1 if self._bos is not None and ids[0] == self._tokenizer.bos_token_id else 0
        (prompt,) = self.encode([messages[:-1]], open_turn=True)
        if excess > len(prompt) - kept:
            raise TooLong(
                f"the response alone takes {len(ids) - len(prompt) + kept} tokens; "
                f"the model takes {max_length}"
            )
        return Fitted(
            ids[:kept] + ids[kept + excess :],
            f"the first {excess} of the prompt's {len(prompt)} tokens were dropped "
            f"to fit the model's {max_length}",
        )

    def _protect(self, messages: Sequence[Message]) -> tuple[Sequence[Message], dict[str, str]]:
        """Puts a name in place of every content that spells a special token."""
        contents: dict[str, str] = {}
        stand_ins: list[Message] = []
        for message in messages:
            content = message["content"]
            if self._spells_special(content):
                name = f"content{secrets.token_hex(8)}"
                contents[name] = content
                content = name
            stand_ins.append({"role": message["role"], "content": content})
        return (stand_ins if contents else messages), contents

    def _spells_special(self, content: str) -> bool:
        # Vocabularies have hundreds of special tokens, but few ways in which they begin.
        return any(beginning in content for beginning in self._beginnings) and any(
            special in content for special in self._specials
        )

    def _render(self, messages: Sequence[Message], open_turn: bool) -> str:
        if self._tokenizer.chat_template:
            rendered: str = self._tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=open_turn
            )
            return rendered
        turns = [f"{m['role'].capitalize()}: {m['content']}" for m in messages]
        return "\n\n".join([*turns, "Assistant: "] if open_turn else turns)

    def _begins(self, text: str) -> bool:
        return bool(self._bos) and text.startswith(str(self._bos))

    def _tokenise_apart(self, text: str, contents: dict[str, str]) -> list[int]:
        prefix, suffix = ([], []) if self._begins(text) else (self._prefix, self._suffix)
        ids = list(prefix)
        while text:
            at, name = min(
                ((text.find(name), name) for name in contents if name in text),
                default=(len(text), ""),
            )
            ids += self._ids(text[:at])
            ids += self._ids(contents.get(name, ""), split_special_tokens=True)
            text = text[at + len(name) :]
        return ids + suffix

    def _ids(self, text: str, **options: bool) -> list[int]:
        if not text:
            return []
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, **options)["input_ids"]
        return ids

    def _own_specials(self) -> tuple[list[int], list[int]]:
        """What the tokenizer itself puts before and after a text."""
        probe = "a"
        bare = self._ids(probe)
        whole: list[int] = self._tokenizer(probe)["input_ids"]
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return whole[:start], whole[start + len(bare) :]
        return [], []
