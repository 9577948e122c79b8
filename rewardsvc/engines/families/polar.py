"""POLAR: a discriminator of policies, which compares a response with one of a reference policy.

The model reads (POLAR; the format from the code in InternLM/POLAR)

    prompt "\\n" reference <|reward|> prompt "\\n" response [UNUSED_TOKEN_130]

and its score at the last token says how likely both come from the same policy. Unbounded, and
comparable only between responses with the same prompt and reference.

Lengths as in their code: reference and response keep their first 4096 tokens each, and the
prompt, which stands twice, keeps its last (longest input - reference - response) / 2; with
`truncation: reject` nothing is cut. Messages of a chat are joined by line ends.

The two marks are single tokens of the tokenizer, and all text between them is tokenised as
plain text: a response that spells `<|reward|>` cannot forge a second comparison. A tokenizer
without the two tokens is refused, because its marks could be forged.

Served are checkpoints that transformers loads as a sequence classifier with one label without
remote code; those published with code of their own must be converted first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.engines.conversation import ConversationEncoder
from rewardsvc.engines.families.family import Readable, Reader, Reading, Unreadable
from rewardsvc.engines.truncation import Truncation
from rewardsvc.errors import ConfigError

__all__ = ["END", "LONGEST_RESPONSE", "SEPARATOR", "Polar"]

SEPARATOR, END = "<|reward|>", "[UNUSED_TOKEN_130]"
LONGEST_RESPONSE = 4096
"""Tokens of a reference or response that are read."""
_MARKS = 4
"""Tokens kept free for marks and the tokenizer's own, as in the published code."""


class Polar:
    """Sequence classifiers with one label that read two trajectories."""

    name = "polar"
    needs_reference = True
    prefers_answers = False
    range: tuple[float | None, float | None] = (None, None)
    properties = {"comparable": "within a prompt and reference"}  # noqa: RUF012 (read only)
    weighted = False

    def reader(self, tokenizer: Any, max_length: int, truncation: Truncation) -> Reader:
        """Raises ConfigError for a tokenizer without the two marks."""
        return _PolarReader(tokenizer, max_length, truncation)

    def scores(self, outputs: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
        """The one output."""
        return outputs[..., 0]


@dataclass(frozen=True, slots=True)
class _Cut:
    ids: list[int]
    note: str = ""


class _PolarReader:
    def __init__(self, tokenizer: Any, max_length: int, truncation: Truncation) -> None:
        self._encoder = ConversationEncoder(tokenizer)
        marks = {text: self._encoder.token(text) for text in (SEPARATOR, END)}
        missing = [text for text, found in marks.items() if found is None]
        if missing:
            raise ConfigError(
                f"family: polar: the tokenizer of {tokenizer.name_or_path} has no token "
                f"{' and no token '.join(missing)}, which its input format needs"
            )
        self._separator, self._end = (marks[text] for text in (SEPARATOR, END))
        self._max_length = max_length
        self._reject = truncation == "reject"

    def read(self, groups: Sequence[Readable]) -> list[list[list[Reading | Unreadable]]]:
        """One reading a reference."""
        return [
            [
                [self._read(_joined(group), reference, response) for reference in references]
                for response, references in zip(group.responses, group.references, strict=True)
            ]
            for group in groups
        ]

    def _read(self, prompt: str, reference: str, response: str) -> Reading | Unreadable:
        for name, text in (("reference", reference), ("response", response)):
            if not text.strip():
                return Unreadable(f"the {name} is empty")
        try:
            whole = [self._encoder.encode_plain(f"{prompt}\n{t}") for t in (reference, response)]
            parts = [self._encoder.encode_plain(f"\n{t}") for t in (reference, response)]
        except Exception as error:
            return Unreadable(f"cannot be tokenised: {type(error).__name__}: {error!s:.300}")
        fits = sum(map(len, whole)) <= self._max_length - _MARKS
        if fits and all(len(part) <= LONGEST_RESPONSE for part in parts):
            return Reading(self._assemble(*whole))
        if self._reject:
            return Unreadable(
                f"too long: {sum(map(len, whole)) + _MARKS} tokens, the model takes "
                f"{self._max_length}, {LONGEST_RESPONSE} of them a response"
            )
        cut = [_head(name, ids) for name, ids in zip(("reference", "response"), parts, strict=True)]
        room = (self._max_length - _MARKS - sum(len(part.ids) for part in cut)) // 2
        if room < 0:
            return Unreadable(
                f"too long: reference and response take {sum(len(p.ids) for p in cut)} tokens, "
                f"the model takes {self._max_length}"
            )
        prompt_ids = self._encoder.encode_plain(prompt)
        kept = prompt_ids[max(0, len(prompt_ids) - room) :]
        notes = [part.note for part in cut if part.note]
        if len(kept) < len(prompt_ids):
            dropped = len(prompt_ids) - len(kept)
            notes.append(f"the first {dropped} of the prompt's {len(prompt_ids)} tokens")
        return Reading(
            self._assemble([*kept, *cut[0].ids], [*kept, *cut[1].ids]),
            f"left out to fit the model's {self._max_length} tokens: {'; '.join(notes)}"
            if notes
            else "",
        )

    def _assemble(self, first: list[int], second: list[int]) -> list[int]:
        begin = self._encoder.own_prefix
        return [*begin, *first, self._separator, *second, self._end]  # type: ignore[list-item]


def _head(name: str, ids: list[int]) -> _Cut:
    excess = len(ids) - LONGEST_RESPONSE
    if excess <= 0:
        return _Cut(ids)
    return _Cut(ids[:LONGEST_RESPONSE], f"the last {excess} of the {name}'s {len(ids)} tokens")


def _joined(group: Readable) -> str:
    return "\n".join(message["content"] for message in group.prompt)
