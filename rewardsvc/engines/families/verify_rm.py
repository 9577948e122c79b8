"""VerifyRM: does a completion agree with the reference answer?

The model reads (VerifyRM; the format from the code in ZJU-REAL/Cooper)

    <question>…</question>
    <reference_answer>…</reference_answer>
    <completion>…</completion>

and is trained with binary cross-entropy, so the score, sigmoid(output), lies in (0, 1). As in
their code a field of more than 1500 characters keeps its first 500 and its last 1000 (status
truncated; with `truncation: reject` the sample is refused). Messages of a chat are joined by
line ends.

The marks are plain text to the tokenizer, so a completion could close its own field and claim
to be the reference. A field's text in which one of the marks is spelled has a space put behind
the mark's `<`, and the score carries a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.engines.conversation import ConversationEncoder
from rewardsvc.engines.families.family import Readable, Reader, Reading, Unreadable
from rewardsvc.engines.truncation import Truncation

__all__ = ["VerifyRm"]

_FIELDS = ("question", "reference_answer", "completion")
_MARKS = tuple(f"<{slash}{field}>" for field in _FIELDS for slash in ("", "/"))
_LONGEST_FIELD, _HEAD, _TAIL = 1500, 500, 1000


class VerifyRm:
    """Sequence classifiers with one label, trained to verify a completion."""

    name = "verify_rm"
    needs_reference = True
    prefers_answers = True
    range: tuple[float | None, float | None] = (0.0, 1.0)
    properties = {"comparable": "everywhere"}  # noqa: RUF012 (read only)
    weighted = False

    def reader(self, tokenizer: Any, max_length: int, truncation: Truncation) -> Reader:
        """Three tagged fields."""
        return _VerifyRmReader(tokenizer, max_length, truncation)

    def scores(self, outputs: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
        """The sigmoid of the one output."""
        scores: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * outputs[..., 0]))
        return scores


class _VerifyRmReader:
    def __init__(self, tokenizer: Any, max_length: int, truncation: Truncation) -> None:
        self._encoder = ConversationEncoder(tokenizer)
        self._max_length = max_length
        self._reject = truncation == "reject"

    def read(self, groups: Sequence[Readable]) -> list[list[list[Reading | Unreadable]]]:
        """One reading a reference."""
        return [
            [
                [self._read(group, reference, response) for reference in references]
                for response, references in zip(group.responses, group.references, strict=True)
            ]
            for group in groups
        ]

    def _read(self, group: Readable, reference: str, response: str) -> Reading | Unreadable:
        question = "\n".join(message["content"] for message in group.prompt)
        fields, forged, cut = [], [], []
        for name, text in zip(_FIELDS, (question, reference, response), strict=True):
            if len(text) > _LONGEST_FIELD:
                cut.append(f"{len(text) - _HEAD - _TAIL} characters in the middle of the {name}")
                text = text[:_HEAD] + text[-_TAIL:]
            plain = _without_marks(text)
            if plain != text:
                forged.append(name)
            fields.append(f"<{name}>{plain}</{name}>")
        if cut and self._reject:
            return Unreadable(f"too long: a field takes {_LONGEST_FIELD} characters; {cut[0]}")
        try:
            ids = self._encoder.encode_plain("\n".join(fields))
        except Exception as error:
            return Unreadable(f"cannot be tokenised: {type(error).__name__}: {error!s:.300}")
        ids = [*self._encoder.own_prefix, *ids, *self._encoder.own_suffix]
        if len(ids) > self._max_length:
            return Unreadable(f"too long: {len(ids)} tokens; the model takes {self._max_length}")
        return Reading(
            ids,
            f"left out, as the model was trained: {'; '.join(cut)}" if cut else "",
            f"the {' and '.join(forged)} spells marks of the input format; a space was put in them"
            if forged
            else "",
        )


def _without_marks(text: str) -> str:
    for mark in _MARKS:
        text = text.replace(mark, f"< {mark[1:]}")
    return text
