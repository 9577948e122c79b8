"""From a prompt and its responses to the token ids a reward model reads.

The tokenizer's chat template is applied to the prompt's messages followed by the response as
the assistant's. When the rendered text already starts with the beginning-of-sequence token,
tokenisation adds no special tokens, so that it is never doubled; otherwise it adds the
tokenizer's own. A plain-text prompt is one user message.

Fallback for a tokenizer without a chat template: `User: …`, `Assistant: …` and so on, each
message's role capitalised, a blank line between messages.

Text from a model is hostile: a response may spell a control token (`<|im_end|>`) to close its
own turn and open another. Where a message's text contains one of the tokenizer's special
tokens, that text is tokenised apart, as plain text, so that it cannot forge a turn. Not
covered: a tokenizer whose turns are marked by plain text (the fallback above), where any text
may look like a turn.

The prompt of a group is tokenised once: texts are cut behind the last special token that all
of the group's conversations have in common, which tokenizers cut at too, before they merge
anything; a special token that does not behave so is not used.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypedDict

__all__ = ["ConversationEncoder", "Message"]

_PROBES = ("a", " a", "\n\na", "ü", " ", "<", "1")
"""What may stand behind a special token: each must be tokenised as if it stood alone."""


_Plan: TypeAlias = list[str | list[int]]
"""What a sequence is put together from: texts to be tokenised, and token ids."""


class Message(TypedDict):
    """One message as chat templates take it."""

    role: str
    content: str


class ConversationEncoder:
    """Encodes conversations with one tokenizer (transformers, fast)."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._bos: str | None = tokenizer.bos_token
        added = list(tokenizer.added_tokens_decoder.values())
        self._specials = sorted(
            {*tokenizer.all_special_tokens, *(t.content for t in added if t.special)} - {""}
        )
        self._beginnings = sorted({special[:2] for special in self._specials})
        # Tokens found in the normalised text may be spelled in ways that cannot be listed.
        self._spelled_freely = any(t.special and t.normalized for t in added) and bool(
            getattr(tokenizer.backend_tokenizer, "normalizer", None)
        )
        self._all_added = {token.content for token in added}
        self._cuts_exactly: dict[str, bool] = {}
        self.own_prefix, self.own_suffix = self._own_specials()
        """What the tokenizer itself puts before and after a text."""

    def begins(self, ids: Sequence[int]) -> bool:
        """Whether the ids start with the tokenizer's beginning-of-sequence token."""
        return self._bos is not None and bool(ids) and ids[0] == self._tokenizer.bos_token_id

    def encode(
        self, conversations: Sequence[Sequence[Message]], *, open_turn: bool = False
    ) -> list[list[int]]:
        """Token ids of each conversation; `open_turn` ends where the assistant would begin."""
        return self.encode_groups([[c] for c in conversations], open_turn=open_turn)

    def encode_groups(
        self, groups: Sequence[Sequence[Sequence[Message]]], *, open_turn: bool = False
    ) -> list[list[int]]:
        """Token ids of each conversation of each group, one after the other.

        What the conversations of a group have in common is tokenised once.
        """
        plans = [plan for group in groups for plan in self._plan(group, open_turn)]
        pieces = self._tokenise(piece for plan in plans for piece in plan if isinstance(piece, str))
        return [
            [t for piece in plan for t in (pieces[piece] if isinstance(piece, str) else piece)]
            for plan in plans
        ]

    def encode_plain(self, text: str) -> list[int]:
        """Token ids of a text in which nothing is a control token, whatever it spells."""
        spells = self._spells_special(text)
        return self._ids(text, split_special_tokens=spells)

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[int]]:
        """As `encode_plain`, with the character at which each token begins."""
        if not text:
            return [], []
        encoded = self._tokenizer(
            text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            split_special_tokens=self._spells_special(text),
        )
        return encoded["input_ids"], [start for start, _ in encoded["offset_mapping"]]

    def token(self, text: str) -> int | None:
        """The id of the token that is exactly `text`; None where the vocabulary has none."""
        found = self._tokenizer.get_vocab().get(text)
        return None if found is None else int(found)

    def before_last(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation up to where the last message's content begins."""
        name = _unused_name()
        opened: list[Message] = [*messages[:-1], {"role": messages[-1]["role"], "content": name}]
        stand_ins, contents = self._protect(opened)
        text = self._render(stand_ins, open_turn=False)
        before, found, _ = text.partition(name)
        if not found:
            raise ValueError("the chat template leaves out the last message")
        return self._tokenise_apart(before, contents, closed=False)

    def with_open_turn(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation up to where the assistant's answer begins."""
        stand_ins, contents = self._protect(messages)
        return self._tokenise_apart(self._render(stand_ins, True), contents, closed=False)

    def _plan(self, conversations: Sequence[Sequence[Message]], open_turn: bool) -> list[_Plan]:
        plans: list[_Plan] = []
        plain: list[tuple[int, str]] = []
        for index, messages in enumerate(conversations):
            stand_ins, contents = self._protect(messages)
            text = self._render(stand_ins, open_turn)
            if contents:
                plans.append([self._tokenise_apart(text, contents)])
            else:
                plans.append(self._whole(text))
                plain.append((index, text))
        if len(plain) > 1:
            cut = self._cut([text for _, text in plain])
            for index, text in plain if cut else ():
                plans[index] = self._whole(text, cut)
        return plans

    def _whole(self, text: str, cut: int = 0) -> _Plan:
        prefix, suffix = self._ends(text)
        return [prefix, text[:cut], text[cut:], suffix]

    def _cut(self, texts: Sequence[str]) -> int:
        """Where all texts may be cut in two without changing a token; 0 for nowhere."""
        common = os.path.commonprefix(texts)
        ends = ((common.rfind(special) + len(special), special) for special in self._specials)
        for end, special in sorted(
            (pair for pair in ends if pair[0] >= len(pair[1])), reverse=True
        ):
            if special not in self._cuts_exactly:
                self._cuts_exactly[special] = self._cuts(special)
            if self._cuts_exactly[special]:
                return end
        return 0

    def _cuts(self, special: str) -> bool:
        """Whether what stands behind a special token is tokenised as if it stood alone."""
        if any(other != special and special in other for other in self._all_added):
            return False
        alone = self._ids(special)
        return len(alone) == 1 and all(
            self._ids(special + probe) == alone + self._ids(probe)
            and self._ids(probe + special) == self._ids(probe) + alone
            for probe in _PROBES
        )

    def _tokenise(self, texts: Iterable[str]) -> dict[str, list[int]]:
        """Token ids of each text, without the tokenizer's own; many at once, in parallel."""
        different = [text for text in dict.fromkeys(texts) if text]
        pieces: dict[str, list[int]] = {"": []}
        if different:
            encoded = self._tokenizer(
                different, add_special_tokens=False, return_attention_mask=False
            )["input_ids"]
            pieces.update(zip(different, encoded, strict=True))
        return pieces

    def _ends(self, text: str) -> tuple[list[int], list[int]]:
        begun = bool(self._bos) and text.startswith(str(self._bos))
        return ([], []) if begun else (self.own_prefix, self.own_suffix)

    def _protect(self, messages: Sequence[Message]) -> tuple[Sequence[Message], dict[str, str]]:
        """Puts a name in place of every content that spells a special token."""
        contents: dict[str, str] = {}
        stand_ins: list[Message] = []
        for message in messages:
            content = message["content"]
            if self._spells_special(content):
                name = _unused_name()
                contents[name] = content
                content = name
            stand_ins.append({"role": message["role"], "content": content})
        return (stand_ins if contents else messages), contents

    def _spells_special(self, content: str) -> bool:
        # Vocabularies have hundreds of special tokens, but few ways in which they begin.
        return self._spelled_freely or (
            any(beginning in content for beginning in self._beginnings)
            and any(special in content for special in self._specials)
        )

    def _render(self, messages: Sequence[Message], open_turn: bool) -> str:
        if self._tokenizer.chat_template:
            rendered: str = self._tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=open_turn
            )
            return rendered
        turns = [f"{m['role'].capitalize()}: {m['content']}" for m in messages]
        return "\n\n".join([*turns, "Assistant: "] if open_turn else turns)

    def _tokenise_apart(
        self, text: str, contents: dict[str, str], *, closed: bool = True
    ) -> list[int]:
        prefix, suffix = self._ends(text)
        ids = list(prefix)
        while text:
            at, name = min(
                ((text.find(name), name) for name in contents if name in text),
                default=(len(text), ""),
            )
            ids += self._ids(text[:at])
            ids += self._ids(contents.get(name, ""), split_special_tokens=True)
            text = text[at + len(name) :]
        return [*ids, *suffix] if closed else ids

    def _ids(self, text: str, **options: bool) -> list[int]:
        if not text:
            return []
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, **options)["input_ids"]
        return ids

    def _own_specials(self) -> tuple[list[int], list[int]]:
        probe = "a"
        bare = self._ids(probe)
        whole: list[int] = self._tokenizer(probe)["input_ids"]
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return whole[:start], whole[start + len(bare) :]
        return [], []


def _unused_name() -> str:
    """A text that no message contains."""
    return f"content{secrets.token_hex(8)}"
